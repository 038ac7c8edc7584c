"""Manage a tenant's webhooks: endpoints and secrets; inspect, replay and test messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from producer.errors import ReplayRefused, WebhookNotFound
from producer.intake.webhook_urls import address_problem, form_problem, job_url_problem
from seedance.problems import InvalidInput, Problem, shorten
from storage import decisions
from storage.database import Connection
from storage.settings import Settings
from storage.webhooks import endpoints, messages, outbox
from storage.webhooks.endpoints import Endpoint
from storage.webhooks.messages import MessageFilter, MessageState, MessageView, parse_webhook_id, webhook_id
from storage.webhooks.outbox import EventType
from storage.webhooks.signing import new_secret

MAX_ENDPOINTS = 20
OVERLAP_S = 86_400.0
MAX_OVERLAP_S = 30 * 86_400.0
EVENTS = tuple(event for event in EventType if event is not EventType.TEST)
"""The events that an endpoint can subscribe to."""
SENT_ONCE = (MessageState.DELIVERED, MessageState.DEAD, MessageState.RETRYING)
_HELLO = {"message": "a test of reelq's webhooks; no job has changed"}


def add_endpoint(
    conn: Connection, settings: Settings, tenant: str, url: str, events: Sequence[str] = ()
) -> tuple[Endpoint, str]:
    """Create an endpoint; only this call returns its secret, once. No `events`: all of them.

    Raises:
        InvalidInput: the URL or an event is not valid, the URL is an endpoint already, or there are too many.
    """
    if (problem := form_problem(url) or address_problem(url, settings)) is not None:
        raise InvalidInput([Problem("url", problem)])
    _check_events(events)
    if len(endpoints.list_endpoints(conn, tenant)) >= MAX_ENDPOINTS:
        raise InvalidInput([Problem("url", f"there are {MAX_ENDPOINTS} endpoints already; remove one first")])
    secret = new_secret()
    made = endpoints.add_endpoint(conn, tenant, url, list(dict.fromkeys(events)), secret)
    if made is None:
        raise InvalidInput([Problem("url", f"is an endpoint already: {shorten(url)}")])
    _record(conn, made, "added")
    return made, secret


def _check_events(events: Sequence[str]) -> None:
    if strange := [event for event in events if event not in EVENTS]:
        known = ", ".join(EVENTS)
        raise InvalidInput([Problem("events", f"{shorten(strange[0])} is not an event; events are {known}")])


def get_endpoint(conn: Connection, tenant: str, endpoint_id: UUID) -> Endpoint:
    """The endpoint with that id.

    Raises:
        WebhookNotFound: the tenant has none.
    """
    return _existing(endpoints.get_endpoint(conn, tenant, endpoint_id), endpoint_id)


def _existing(found: Endpoint | None, endpoint_id: UUID) -> Endpoint:
    if found is None:
        raise WebhookNotFound("endpoint", endpoint_id)
    return found


def change_endpoint(
    conn: Connection,
    tenant: str,
    endpoint_id: UUID,
    *,
    events: Sequence[str] | None = None,
    disabled: bool | None = None,
) -> Endpoint:
    """Change an endpoint; None: unchanged. Disabling it gives up its pending messages.

    Raises:
        WebhookNotFound: the tenant has none with that id.
        InvalidInput: an event is unknown.
    """
    _check_events(events or ())
    found = endpoints.change_endpoint(conn, tenant, endpoint_id, events=events, disabled=disabled, reason="by hand")
    changed = _existing(found, endpoint_id)
    detail = {"events": events, "disabled": disabled}
    _record(conn, changed, "changed", **{name: value for name, value in detail.items() if value is not None})
    return changed


def _record(conn: Connection, endpoint: Endpoint, what: str, **detail: Any) -> None:
    decisions.record(conn, endpoint.tenant, f"webhook.{what}", f"webhook:{endpoint.id}", **detail)


def rotate_secret(
    conn: Connection, tenant: str, endpoint_id: UUID, overlap_s: float = OVERLAP_S
) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret; only this call returns it. For `overlap_s` seconds, messages are signed with the
    old secret too.

    Raises:
        WebhookNotFound: the tenant has none with that id.
        InvalidInput: the overlap is negative or longer than 30 days.
    """
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise InvalidInput([Problem("overlap_seconds", f"must be 0 to {MAX_OVERLAP_S:.0f}, not {overlap_s:g}")])
    secret = new_secret()
    found = endpoints.rotate_secret(conn, tenant, endpoint_id, secret, overlap_s)
    rotated = _existing(found, endpoint_id)
    _record(conn, rotated, "rotated", overlap_seconds=overlap_s)
    return rotated, secret


def remove_endpoint(conn: Connection, tenant: str, endpoint_id: UUID) -> None:
    """Remove an endpoint and give up its pending messages.

    Raises:
        WebhookNotFound: the tenant has none with that id.
    """
    if not endpoints.remove_endpoint(conn, tenant, endpoint_id):
        raise WebhookNotFound("endpoint", endpoint_id)
    decisions.record(conn, tenant, "webhook.removed", f"webhook:{endpoint_id}")


def endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as JSON, without its secrets. Empty `events`: all of them."""
    return {name: value for name, value in asdict(endpoint).items() if name != "tenant"}


# --- messages --------------------------------------------------------------------------------------------------------


def message_document(message: MessageView) -> dict[str, Any]:
    """A message as JSON; its `id` is the `webhook-id` that its receiver sees."""
    shown = {name: value for name, value in asdict(message).items() if name != "tenant"}
    return shown | {"id": webhook_id(message.id)}


def message_id(text: str) -> UUID:
    """Parse a message's id.

    Raises:
        WebhookNotFound: it is not a valid id.
    """
    try:
        return parse_webhook_id(text.strip())
    except ValueError:
        raise WebhookNotFound("message", shorten(text)) from None


def get_message(conn: Connection, tenant: str, text: str) -> MessageView:
    """The message with that id.

    Raises:
        WebhookNotFound: the tenant has none.
    """
    wanted = message_id(text)
    found = messages.list_messages(conn, MessageFilter(tenant, ids=[wanted]), limit=1)
    if not found:
        raise WebhookNotFound("message", webhook_id(wanted))
    return found[0]


def replay_one(conn: Connection, tenant: str, text: str) -> MessageView:
    """Send a message again, with the same id.

    Raises:
        WebhookNotFound: the tenant has none with that id.
        ReplayRefused: its endpoint is removed or disabled, or it is being sent right now.
    """
    message = get_message(conn, tenant, text)
    if not messages.replay_messages(conn, MessageFilter(tenant, ids=[message.id])):
        why = "cannot be sent again: its endpoint is disabled, or it is being sent right now"
        raise ReplayRefused(
            webhook_id(message.id), why if message.url else "cannot be sent again: its endpoint was removed"
        )
    decisions.record(conn, tenant, "webhook.replayed", f"message:{message.id}")
    return get_message(conn, tenant, text)


def replay_many(
    conn: Connection,
    tenant: str,
    *,
    dead: bool = False,
    since: datetime | None = None,
    endpoint_id: UUID | None = None,
) -> int:
    """Send messages again: those that were given up (`dead`), or all messages about events after `since`; returns their
    number. Tests are not sent again.

    Raises:
        InvalidInput: neither is given, or the time has no offset from UTC.
    """
    if not dead and since is None:
        raise InvalidInput([Problem("", "choose messages: their ids, dead ones, or those since a time")])
    if since is not None and since.utcoffset() is None:
        raise InvalidInput([Problem("since", "needs its offset from UTC, as in 2030-01-31T18:00:00Z")])
    states = (MessageState.DEAD,) if dead else SENT_ONCE
    wanted = MessageFilter(tenant, states=states, endpoint_id=endpoint_id, since=since, tests=False)
    count = len(messages.replay_messages(conn, wanted))
    subject = "webhooks" if endpoint_id is None else f"webhook:{endpoint_id}"
    decisions.record(conn, tenant, "webhook.replayed", subject, dead=dead, since=since, messages=count)
    return count


def send_test(
    conn: Connection, settings: Settings, tenant: str, *, endpoint_id: UUID | None = None, url: str | None = None
) -> str:
    """Send a test event, once, to an endpoint or a URL; returns the message's id.

    Raises:
        WebhookNotFound: the tenant has no such endpoint.
        InvalidInput: neither or both are given, the URL would never be called, or the endpoint is disabled.
    """
    if (endpoint_id is None) == (url is None):
        raise InvalidInput([Problem("", "give either endpoint_id or url")])
    if url is not None and (problem := form_problem(url) or job_url_problem(url, settings)) is not None:
        raise InvalidInput([Problem("url", problem)])
    if endpoint_id is not None and (found := get_endpoint(conn, tenant, endpoint_id)).disabled_at is not None:
        raise InvalidInput([Problem("endpoint_id", f"is disabled: {found.disabled_reason}")])
    return webhook_id(outbox.tell_test(conn, tenant, _HELLO, endpoint_id=endpoint_id, url=url))

"""How `reelq webhooks` reads and changes webhooks: in the database, or through the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import UUID

import typer
from pydantic import TypeAdapter

from producer.cli.doors.choice import api_client
from producer.cli.doors.here.names import check_tenant
from producer.cli.shared.access import job_id_of, settings_of, the_job
from producer.operator_actions import webhooks
from storage.database import connect
from storage.settings import Settings
from storage.webhooks.endpoints import Endpoint, list_endpoints
from storage.webhooks.messages import MessageFilter, MessageState, MessageView, list_messages, parse_webhook_id

if TYPE_CHECKING:
    from reelq_client import Reelq
    from reelq_client.models.base import Model


class WebhooksDoor(Protocol):
    """Methods raise `InvalidInput`, `WebhookNotFound` and `ReplayRefused`."""

    def endpoints(self) -> Sequence[Endpoint]:
        """Every endpoint, oldest first."""
        ...

    def add(self, url: str, events: Sequence[str]) -> tuple[Endpoint, str]:
        """Add an endpoint; returns it and its secret."""
        ...

    def rotate(self, endpoint_id: UUID, overlap_s: float) -> tuple[Endpoint, str]:
        """Replace an endpoint's secret."""
        ...

    def remove(self, endpoint_id: UUID) -> None:
        """Remove an endpoint."""

    def switch(self, endpoint_id: UUID, *, disabled: bool) -> None:
        """Disable an endpoint, or enable it."""

    def job_id(self, text: str) -> UUID:
        """The job of an id or of its first characters."""
        ...

    def messages(
        self, states: Sequence[MessageState], endpoint_id: UUID | None, job_id: UUID | None, limit: int
    ) -> Sequence[MessageView]:
        """Messages, newest first; no `states`: in any."""
        ...

    def message(self, text: str) -> MessageView:
        """One message."""
        ...

    def replay(self, texts: Sequence[str]) -> None:
        """Send messages again."""

    def replay_many(self, *, dead: bool, since: datetime | None, endpoint_id: UUID | None) -> int:
        """Send messages again; returns how many."""
        ...

    def send_test(self, url: str | None, endpoint_id: UUID | None) -> str:
        """Send a test event; returns the message's id."""
        ...

    def secrets(self) -> Sequence[str]:
        """What verifies deliveries to the `webhook_url` of jobs."""
        ...


def open_webhooks(ctx: typer.Context, given: Path | None, tenant: str) -> WebhooksDoor:
    """The way that this command goes.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
    """
    reelq = api_client(ctx, given, tenant)
    return _Database(settings_of(ctx, given), tenant) if reelq is None else _Api(reelq)


class _Database:
    def __init__(self, settings: Settings, tenant: str) -> None:
        self._settings, self._tenant = settings, tenant

    @property
    def _url(self) -> str:
        return self._settings.require_database_url()

    def endpoints(self) -> Sequence[Endpoint]:
        with connect(self._url) as conn:
            found = list_endpoints(conn, self._tenant)
            if not found:
                check_tenant(conn, self._tenant)
            return found

    def add(self, url: str, events: Sequence[str]) -> tuple[Endpoint, str]:
        with connect(self._url) as conn:
            return webhooks.add_endpoint(conn, self._settings, self._tenant, url, events)

    def rotate(self, endpoint_id: UUID, overlap_s: float) -> tuple[Endpoint, str]:
        with connect(self._url) as conn:
            return webhooks.rotate_secret(conn, self._tenant, endpoint_id, overlap_s)

    def remove(self, endpoint_id: UUID) -> None:
        with connect(self._url) as conn:
            webhooks.remove_endpoint(conn, self._tenant, endpoint_id)

    def switch(self, endpoint_id: UUID, *, disabled: bool) -> None:
        with connect(self._url) as conn:
            webhooks.change_endpoint(conn, self._tenant, endpoint_id, disabled=disabled)

    def job_id(self, text: str) -> UUID:
        with connect(self._url) as conn:
            return job_id_of(conn, self._tenant, text)

    def messages(
        self, states: Sequence[MessageState], endpoint_id: UUID | None, job_id: UUID | None, limit: int
    ) -> Sequence[MessageView]:
        wanted = MessageFilter(self._tenant, states=states or None, endpoint_id=endpoint_id, job_id=job_id)
        with connect(self._url) as conn:
            return list_messages(conn, wanted, limit=limit)

    def message(self, text: str) -> MessageView:
        with connect(self._url) as conn:
            return webhooks.get_message(conn, self._tenant, text)

    def replay(self, texts: Sequence[str]) -> None:
        with connect(self._url) as conn:
            for text in texts:
                webhooks.replay_one(conn, self._tenant, text)

    def replay_many(self, *, dead: bool, since: datetime | None, endpoint_id: UUID | None) -> int:
        with connect(self._url) as conn:
            return webhooks.replay_many(conn, self._tenant, dead=dead, since=since, endpoint_id=endpoint_id)

    def send_test(self, url: str | None, endpoint_id: UUID | None) -> str:
        with connect(self._url) as conn:
            return webhooks.send_test(conn, self._settings, self._tenant, endpoint_id=endpoint_id, url=url)

    def secrets(self) -> Sequence[str]:
        return self._settings.webhook_secrets(self._tenant)


class _Api:
    def __init__(self, reelq: Reelq) -> None:
        # Imported here: the client takes long, and a command at the server does without.
        from producer.cli.doors.there.pages import first_of
        from producer.cli.doors.there.translated import translated

        self._reelq, self._webhooks = reelq, reelq.webhooks
        self._translated, self._first_of = translated, first_of

    def endpoints(self) -> Sequence[Endpoint]:
        with self._translated():
            return [_endpoint(item) for item in self._webhooks.endpoints.list()]

    def add(self, url: str, events: Sequence[str]) -> tuple[Endpoint, str]:
        with self._translated():
            made = self._webhooks.endpoints.create(url, events=cast(Any, events) or None)
        return _endpoint(made), made.secret

    def rotate(self, endpoint_id: UUID, overlap_s: float) -> tuple[Endpoint, str]:
        with self._translated():
            made = self._webhooks.endpoints.rotate(endpoint_id, overlap_seconds=overlap_s)
        return _endpoint(made), made.secret

    def remove(self, endpoint_id: UUID) -> None:
        with self._translated():
            self._webhooks.endpoints.delete(endpoint_id)

    def switch(self, endpoint_id: UUID, *, disabled: bool) -> None:
        with self._translated():
            self._webhooks.endpoints.update(endpoint_id, disabled=disabled)

    def job_id(self, text: str) -> UUID:
        with self._translated():
            return the_job(text, lambda prefix: [job.id for job in self._reelq.jobs.list(id_prefix=prefix[:36]).data])

    def messages(
        self, states: Sequence[MessageState], endpoint_id: UUID | None, job_id: UUID | None, limit: int
    ) -> Sequence[MessageView]:
        with self._translated():
            found = self._first_of(
                limit,
                lambda n, cursor: self._webhooks.messages.list(
                    state=[state.value for state in states],
                    endpoint_id=endpoint_id,
                    job_id=job_id,
                    limit=n,
                    cursor=cursor,
                ),
            )
        return [_message(item) for item in found]

    def message(self, text: str) -> MessageView:
        with self._translated():
            return _message(self._webhooks.messages.get(text))

    def replay(self, texts: Sequence[str]) -> None:
        with self._translated():
            for text in texts:
                self._webhooks.messages.replay(text.strip())

    def replay_many(self, *, dead: bool, since: datetime | None, endpoint_id: UUID | None) -> int:
        with self._translated():
            return self._webhooks.messages.replay_many(dead=dead, since=since, endpoint_id=endpoint_id).replayed

    def send_test(self, url: str | None, endpoint_id: UUID | None) -> str:
        with self._translated():
            return self._webhooks.test(url=url, endpoint_id=endpoint_id).id

    def secrets(self) -> Sequence[str]:
        with self._translated():
            return self._webhooks.secret()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _endpoint(item: Model) -> Endpoint:
    found: Endpoint = _adapter(Endpoint).validate_python(_members(item, Endpoint) | {"tenant": ""})
    return found


def _message(item: Model) -> MessageView:
    members = _members(item, MessageView)
    shown = members | {"tenant": "", "id": parse_webhook_id(members["id"])}
    found: MessageView = _adapter(MessageView).validate_python(shown)
    return found


def _members(item: Model, kind: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in kind.__dataclass_fields__ if name != "tenant"}

"""`reelq webhooks add`, `remove`, `rotate`, `enable` and `disable`: the URLs that receive a tenant's events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer

from producer.cli.doors.webhooks import WebhooksDoor, open_webhooks
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table, say
from producer.errors import WebhookNotFound
from producer.operator_actions.webhooks import endpoint_document
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT
from storage.webhooks.endpoints import Endpoint

EndpointId = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's id or its first characters.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="EVENT", help="An event, such as job.succeeded; repeat for more. Default: all."),
]


def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="The URL that receives the events.")],
    event: Events = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Add an endpoint: a URL that receives events. Prints the secret that verifies them; it is shown only once."""
    made, secret = open_webhooks(ctx, data_dir, tenant).add(url, event or ())
    _show_secret(made, secret, as_json=as_json)


def rotate(
    ctx: typer.Context,
    endpoint: EndpointId,
    overlap: Annotated[float, typer.Option(min=0, max=720, help="Hours that the previous secret stays valid.")] = 24,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Replace an endpoint's secret and print the new one. It is shown only once."""
    door = open_webhooks(ctx, data_dir, tenant)
    found, secret = door.rotate(endpoint_id_of(door, endpoint), overlap * 3600)
    _show_secret(found, secret, as_json=as_json)


def _show_secret(endpoint: Endpoint, secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json(endpoint_document(endpoint) | {"secret": secret})
        return
    until = endpoint.previous_until
    previous = f"; the previous secret is valid until {until.astimezone():%Y-%m-%d %H:%M}" if until else ""
    say(f"{endpoint.id} receives {', '.join(endpoint.events) or 'every event'}; its secret, shown only once{previous}:")
    typer.echo(secret)


def remove(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Remove an endpoint. Its pending messages are dropped."""
    door = open_webhooks(ctx, data_dir, tenant)
    wanted = endpoint_id_of(door, endpoint)
    door.remove(wanted)
    typer.echo(f"{wanted} is removed")


def enable(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Enable an endpoint again. `reelq webhooks replay` sends the messages that it missed."""
    _switch(open_webhooks(ctx, data_dir, tenant), endpoint, disabled=False)


def disable(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Disable an endpoint. Its pending messages are dropped."""
    _switch(open_webhooks(ctx, data_dir, tenant), endpoint, disabled=True)


def _switch(door: WebhooksDoor, text: str, *, disabled: bool) -> None:
    wanted = endpoint_id_of(door, text)
    door.switch(wanted, disabled=disabled)
    typer.echo(f"{wanted} is {'disabled' if disabled else 'enabled'}")


def print_endpoints(endpoints: Sequence[Endpoint]) -> None:
    """A table of endpoints."""
    if not endpoints:
        typer.echo("no endpoints", err=True)
        return
    print_table(
        ["ENDPOINT", "STATE", "EVENTS", "URL"],
        [[item.id, _state_of(item), ",".join(item.events) or "all", item.url] for item in endpoints],
    )


def _state_of(endpoint: Endpoint) -> str:
    return "active" if endpoint.disabled_at is None else f"disabled ({endpoint.disabled_reason})"


def endpoint_id_of(door: WebhooksDoor, text: str) -> UUID:
    """The endpoint of an id or of its first characters.

    Raises:
        WebhookNotFound: no id begins with them.
        InvalidInput: several do.
    """
    found = [item.id for item in door.endpoints() if str(item.id).startswith(text.lower())]
    if not text or not found:
        raise WebhookNotFound("endpoint", text or "without an id")
    if len(found) > 1:
        several = ", ".join(map(str, found))
        raise InvalidInput([Problem("", f"several endpoints begin with {text}: {several}; give more of the id")])
    return found[0]

"""`reelq webhooks add`, `remove`, `rotate`, `enable` and `disable`: the URLs that receive a tenant's events."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table, say
from producer.errors import WebhookNotFound
from producer.operator_actions import webhooks
from producer.operator_actions.webhooks import endpoint_document
from seedance.problems import InvalidInput, Problem
from storage.database import connect
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from storage.webhooks.endpoints import Endpoint, list_endpoints

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
    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        made, secret = webhooks.add_endpoint(conn, settings, tenant, url, event or ())
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
    settings = settings_of(ctx, data_dir)
    wanted = endpoint_id_of(settings, tenant, endpoint)
    with connect(settings.require_database_url()) as conn:
        found, secret = webhooks.rotate_secret(conn, tenant, wanted, overlap * 3600)
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
    settings = settings_of(ctx, data_dir)
    wanted = endpoint_id_of(settings, tenant, endpoint)
    with connect(settings.require_database_url()) as conn:
        webhooks.remove_endpoint(conn, tenant, wanted)
    typer.echo(f"{wanted} is removed")


def enable(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Enable an endpoint again. `reelq webhooks replay` sends the messages that it missed."""
    _switch(settings_of(ctx, data_dir), tenant, endpoint, disabled=False)


def disable(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Disable an endpoint. Its pending messages are dropped."""
    _switch(settings_of(ctx, data_dir), tenant, endpoint, disabled=True)


def _switch(settings: Settings, tenant: str, text: str, *, disabled: bool) -> None:
    wanted = endpoint_id_of(settings, tenant, text)
    with connect(settings.require_database_url()) as conn:
        webhooks.change_endpoint(conn, tenant, wanted, disabled=disabled)
    typer.echo(f"{wanted} is {'disabled' if disabled else 'enabled'}")


def print_endpoints(endpoints: list[Endpoint]) -> None:
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


def endpoint_id_of(settings: Settings, tenant: str, text: str) -> UUID:
    """The endpoint of an id or of its first characters.

    Raises:
        WebhookNotFound: no id begins with them.
        InvalidInput: several do.
    """
    with connect(settings.require_database_url()) as conn:
        found = [item.id for item in list_endpoints(conn, tenant) if str(item.id).startswith(text.lower())]
    if not text or not found:
        raise WebhookNotFound("endpoint", text or "without an id")
    if len(found) > 1:
        several = ", ".join(map(str, found))
        raise InvalidInput([Problem("", f"several endpoints begin with {text}: {several}; give more of the id")])
    return found[0]

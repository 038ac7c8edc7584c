"""`reelq webhooks add|remove|rotate|enable|disable`: where a tenant is told of what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from producer.cli.options import AsJson, DataDir, OfTenant, settings_of
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from uuid import UUID

    from storage.settings import Settings
    from storage.webhooks.endpoints import Endpoint

EndpointId = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's id, or the beginning of it.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", metavar="EVENT", help="As in job.succeeded; may be repeated. Without: all of them."),
]


def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Where to POST.")],
    event: Events = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Tell a URL of every event from now on. Prints the secret that it verifies with, this once."""
    from producer.operator_actions import webhooks
    from storage.database import connect

    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        made, secret = webhooks.add_endpoint(conn, settings, tenant, url, event or ())
    _show_secret(made, secret, as_json=as_json)


def rotate(
    ctx: typer.Context,
    endpoint: EndpointId,
    overlap: Annotated[float, typer.Option(min=0, max=720, help="Hours for which the former secret is used too.")] = 24,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Give an endpoint a new secret and print it, this once."""
    from producer.operator_actions import webhooks
    from storage.database import connect

    settings = settings_of(ctx, data_dir)
    wanted = endpoint_id_of(settings, tenant, endpoint)
    with connect(settings.require_database_url()) as conn:
        found, secret = webhooks.rotate_secret(conn, tenant, wanted, overlap * 3600)
    _show_secret(found, secret, as_json=as_json)


def _show_secret(endpoint: Endpoint, secret: str, *, as_json: bool) -> None:
    from producer.cli.output import print_json, say
    from producer.operator_actions.webhooks import endpoint_document

    if as_json:
        print_json(endpoint_document(endpoint) | {"secret": secret})
        return
    until = endpoint.previous_until
    former = f"; the former one is used too until {until.astimezone():%Y-%m-%d %H:%M}" if until else ""
    say(
        f"{endpoint.id} is told of {', '.join(endpoint.events) or 'everything'}; its secret is shown this once{former}:"
    )
    typer.echo(secret)


def remove(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Remove an endpoint. What waits for it is given up."""
    from producer.operator_actions import webhooks
    from storage.database import connect

    settings = settings_of(ctx, data_dir)
    wanted = endpoint_id_of(settings, tenant, endpoint)
    with connect(settings.require_database_url()) as conn:
        webhooks.remove_endpoint(conn, tenant, wanted)
    typer.echo(f"{wanted} is removed")


def enable(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Tell an endpoint again that was disabled, by hand or by its own 410. `replay` sends what it missed."""
    _switch(settings_of(ctx, data_dir), tenant, endpoint, disabled=False)


def disable(
    ctx: typer.Context, endpoint: EndpointId, tenant: OfTenant = DEFAULT_TENANT, data_dir: DataDir = None
) -> None:
    """Tell an endpoint nothing until it is enabled again. What waits for it is given up."""
    _switch(settings_of(ctx, data_dir), tenant, endpoint, disabled=True)


def _switch(settings: Settings, tenant: str, text: str, *, disabled: bool) -> None:
    from producer.operator_actions import webhooks
    from storage.database import connect

    wanted = endpoint_id_of(settings, tenant, text)
    with connect(settings.require_database_url()) as conn:
        webhooks.change_endpoint(conn, tenant, wanted, disabled=disabled)
    typer.echo(f"{wanted} is {'disabled' if disabled else 'enabled'}")


def print_endpoints(endpoints: list[Endpoint]) -> None:
    """A table of endpoints."""
    from producer.cli.output import print_table

    if not endpoints:
        typer.echo("no endpoints", err=True)
        return
    print_table(
        ["ENDPOINT", "STATE", "EVENTS", "URL"],
        [[item.id, _state_of(item), ",".join(item.events) or "all", item.url] for item in endpoints],
    )


def _state_of(endpoint: Endpoint) -> str:
    return "in use" if endpoint.disabled_at is None else f"disabled ({endpoint.disabled_reason})"


def endpoint_id_of(settings: Settings, tenant: str, text: str) -> UUID:
    """The endpoint that is meant by an id or by its beginning.

    Raises:
        WebhookNotFound: none begins so.
        InvalidInput: several do.
    """
    from producer.errors import WebhookNotFound
    from seedance.problems import InvalidInput, Problem
    from storage.database import connect
    from storage.webhooks.endpoints import list_endpoints

    with connect(settings.require_database_url()) as conn:
        found = [item.id for item in list_endpoints(conn, tenant) if str(item.id).startswith(text.lower())]
    if not text or not found:
        raise WebhookNotFound("endpoint", text or "of no id")
    if len(found) > 1:
        several = ", ".join(map(str, found))
        raise InvalidInput([Problem("", f"several endpoints begin with {text}: {several}; give more of the id")])
    return found[0]

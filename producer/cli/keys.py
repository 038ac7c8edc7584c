"""`reelq keys`: who may use the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from producer.cli.options import AsJson, DataDir, settings_of
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from storage.tenants.keys import ApiKey

app = typer.Typer(help="Keys of the API.", no_args_is_help=True)

Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="enqueue, read, admin (all of it) or metrics; may be repeated. Without: enqueue and read.",
        show_default=False,
    ),
]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="What it is for.")],
    tenant: Annotated[str, typer.Option(help="Whose jobs it is for; made if there is none of that name.")] = (
        DEFAULT_TENANT
    ),
    scope: Scopes = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from producer.cli.output import print_json, say
    from producer.operator_actions.tenants import create_key
    from storage.database import connect

    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        key, made = create_key(conn, tenant, name, scope or ["enqueue", "read"])
    if as_json:
        print_json({"key": key, "id": made.id, "tenant": tenant, "name": name, "scopes": made.scopes})
        return
    say(f"{made.id} of tenant {tenant} may {', '.join(made.scopes)}; it is shown this once:")
    typer.echo(key)


@app.command("list")
def list_keys(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.", show_default=False)] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List keys, the oldest first, revoked ones with them."""
    from producer.cli.output import ago, print_json, print_table
    from storage.database import connect
    from storage.tenants import keys

    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        found = keys.list_keys(conn, tenant)
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("no keys", err=True)
        return
    print_table(
        ["ID", "TENANT", "SCOPES", "CREATED", "LAST USED", "STATE", "NAME"],
        [
            [
                key.id,
                key.tenant,
                ",".join(key.scopes),
                ago(key.created_at),
                ago(key.last_used_at) if key.last_used_at else "never",
                _state(key),
                key.name,
            ]
            for key in found
        ],
    )


def _state(key: ApiKey) -> str:
    return "in use" if key.revoked_at is None else "revoked"


@app.command()
def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `reelq keys list` shows it.")],
    data_dir: DataDir = None,
) -> None:
    """End a key for good. Servers notice within seconds."""
    from producer.operator_actions.tenants import revoke_key
    from storage.database import connect

    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        public = revoke_key(conn, key_id)
    typer.echo(f"{public} is revoked")

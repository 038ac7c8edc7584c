"""`reelq keys`: the keys of the API."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from producer.cli.doors.keys import open_keys
from producer.cli.shared.formatting import ago
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json, print_table, say
from storage.tenants.keys import ApiKey

Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="enqueue, read, admin (everything) or metrics; repeat for more. Default: enqueue and read.",
        show_default=False,
    ),
]

ExpiresDays = Annotated[
    float | None,
    typer.Option(
        "--expires-days",
        metavar="DAYS",
        help="After this many days the key expires. Default: never.",
        show_default=False,
    ),
]


def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="A name for the key, to recognise it.")],
    tenant: Annotated[
        str | None,
        typer.Option(
            help="The tenant whose jobs the key is for; created if new. Default: `default`, or through the API the "
            "tenant of its key.",
            show_default=False,
        ),
    ] = None,
    scope: Scopes = None,
    expires_days: ExpiresDays = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Create a key and print it. It is shown only once: the database has its hash."""
    door = open_keys(ctx, data_dir)
    key, made = door.create(tenant, name, scope or ["enqueue", "read"], _seconds(expires_days))
    _show(key, made, as_json)


def rotate(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `reelq keys list` shows it.")],
    overlap_hours: Annotated[float, typer.Option(min=0, help="How long the old key works beside the new one.")] = 24.0,
    expires_days: ExpiresDays = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Create a key in place of another, with its tenant, name and scopes. The old one works until the overlap ends."""
    key, made = open_keys(ctx, data_dir).rotate(key_id, overlap_hours * 3600, _seconds(expires_days))
    _show(key, made, as_json)


def _seconds(days: float | None) -> float | None:
    return None if days is None else days * 86_400


def _show(key: str, made: ApiKey, as_json: bool) -> None:
    if as_json:
        print_json({"key": key} | asdict(made))
        return
    until = f", until {made.expires_at.astimezone():%Y-%m-%d %H:%M}" if made.expires_at else ""
    say(f"key {made.id}, tenant {made.tenant}, scopes {', '.join(made.scopes)}{until}; shown only once:")
    typer.echo(key)


def list_keys(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only keys of this tenant.", show_default=False)] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List keys, oldest first. Revoked keys are included."""
    found = open_keys(ctx, data_dir).list(tenant)
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
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "active"
    return "expired" if key.expires_at <= datetime.now(UTC) else f"until {key.expires_at.astimezone():%Y-%m-%d %H:%M}"


def revoke(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `reelq keys list` shows it.")],
    data_dir: DataDir = None,
) -> None:
    """Revoke a key for good. Servers refuse it within seconds."""
    typer.echo(f"{open_keys(ctx, data_dir).revoke(key_id)} is revoked")

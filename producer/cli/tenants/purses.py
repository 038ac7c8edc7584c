"""`reelq keys purse`: what a key may spend."""

from __future__ import annotations

from typing import Annotated

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json
from producer.errors import KeyNotFound
from producer.operator_actions.tenants import set_purse
from storage.database import connect
from storage.tenants import keys, purses


def purse(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `reelq keys list` shows it.")],
    amount: Annotated[
        str | None,
        typer.Argument(
            metavar="AMOUNT",
            help='Such as "20 USD", or none to remove the purse. Left out: show it.',
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show or set what a key may spend. Jobs that cost more than its purse still has are refused."""
    public = keys.key_id(key_id) or key_id
    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        if keys.tenant_of(conn, public) is None:
            raise KeyNotFound(public)
        found = purses.purse_of(conn, public) if amount is None else set_purse(conn, public, amount)
    if as_json:
        print_json(None if found is None else found.as_dict())
        return
    if found is None:
        typer.echo(f"key {public} has no purse; it spends without a limit of its own")
        return
    typer.echo(f"key {public}: {found.amount} {found.currency}, used {found.used:.2f}, left {found.left:.2f}")

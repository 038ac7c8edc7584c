"""`reelq keys purse`: what a key may spend."""

from __future__ import annotations

from typing import Annotated

import typer

from producer.cli.doors.keys import open_keys
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json
from storage.tenants import keys


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
    found = open_keys(ctx, data_dir).purse(public, amount)
    if as_json:
        print_json(found)
        return
    if found is None:
        typer.echo(f"key {public} has no purse; it spends without a limit of its own")
        return
    left = f"used {found['used']:.2f}, left {found['left']:.2f}"
    typer.echo(f"key {public}: {found['amount']:g} {found['currency']}, {left}")

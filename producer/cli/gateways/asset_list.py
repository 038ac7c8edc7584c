"""`reelq assets list`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from producer.cli.shared.access import accounts_of
from producer.cli.shared.options import AsJson, DataDir
from producer.cli.shared.output import print_json, print_table
from storage import assets
from storage.database import connect

AccountName = Annotated[str | None, typer.Option("--account", help="The account.", show_default=False)]


def list_assets(
    ctx: typer.Context,
    account: AccountName = None,
    remote: Annotated[bool, typer.Option("--remote", help="Ask the gateway instead of the database.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List assets. Without --remote, only those that reelq uploaded."""
    settings = accounts_of(ctx, data_dir)
    if remote:
        # Imported here: the HTTP client would be a third of the time of this command without --remote.
        from producer.cli.gateways.remote_assets import remote_assets

        rows = remote_assets(settings, account)
    else:
        rows = _known(settings, account)
    if as_json:
        print_json(rows)
        return
    columns = ["account", "status", "asset", "modality", "name", "error"]
    print_table([name.upper() for name in columns], [[row.get(name) or "-" for name in columns] for row in rows])


def _known(settings: Any, account: str | None) -> list[dict[str, Any]]:
    with connect(settings.require_database_url()) as conn:
        found = assets.list_assets(conn, account)
    return [
        asdict(row)
        | {
            "asset": f"asset://{row.asset_id}" if row.asset_id else None,
            "error": (row.error or {}).get("message"),
        }
        for row in found
    ]

"""`reelq assets list`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from producer.cli.shared.access import accounts_of
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table
from storage import assets
from storage.database import connect
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from storage.uploads.records import list_uploads

AccountName = Annotated[str | None, typer.Option("--account", help="The account.", show_default=False)]


def list_assets(
    ctx: typer.Context,
    account: AccountName = None,
    remote: Annotated[bool, typer.Option("--remote", help="Ask the gateway instead of the database.")] = False,
    uploads: Annotated[bool, typer.Option("--uploads", help="The files of a tenant in the bucket instead.")] = False,
    tenant: OfTenant = DEFAULT_TENANT,
    limit: Annotated[int, typer.Option(min=1, help="The most files to list, with --uploads.")] = 200,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List assets, or the files that a tenant has uploaded. Without --remote, only assets that reelq uploaded."""
    settings = accounts_of(ctx, data_dir)
    if uploads:
        _list_uploads(settings, tenant, limit, as_json=as_json)
        return
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


def _list_uploads(settings: Settings, tenant: str, limit: int, *, as_json: bool) -> None:
    with connect(settings.require_database_url()) as conn:
        found = list_uploads(conn, tenant, limit=limit)
    if as_json:
        print_json([asdict(view) | {"url": view.reference} for view in found])
        return
    rows = [
        [view.reference, view.size_bytes, view.name or "-", f"{view.created_at:%Y-%m-%d %H:%M}", _yes(view.in_use)]
        for view in found
    ]
    print_table(["URL", "BYTES", "NAME", "CREATED", "IN USE"], [[str(cell) for cell in row] for row in rows])


def _yes(value: bool) -> str:
    return "yes" if value else "no"


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

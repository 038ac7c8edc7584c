"""`reelq assets list`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from producer.cli.doors.assets import open_assets
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table
from storage.tenants.tenants import DEFAULT_TENANT

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
    door = open_assets(ctx, data_dir, tenant)
    if uploads:
        _list_uploads(door.files(limit), as_json=as_json)
        return
    rows = door.remote(account) if remote else door.known(account)
    if as_json:
        print_json(rows)
        return
    columns = ["account", "status", "asset", "modality", "name", "error"]
    print_table([name.upper() for name in columns], [[row.get(name) or "-" for name in columns] for row in rows])


def _list_uploads(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rows = [
        [
            view["url"],
            str(view["size_bytes"]),
            view["name"] or "-",
            f"{view['created_at']:%Y-%m-%d %H:%M}",
            "yes" if view["in_use"] else "no",
        ]
        for view in found
    ]
    print_table(["URL", "BYTES", "NAME", "CREATED", "IN USE"], rows)

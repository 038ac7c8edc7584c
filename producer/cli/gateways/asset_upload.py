"""`reelq assets upload`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from producer.cli.doors.assets import open_assets
from producer.cli.gateways.asset_list import AccountName
from producer.cli.shared.formatting import one_line
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.intake.asset_uploads import Uploaded, read_files
from storage.tenants.tenants import DEFAULT_TENANT


def upload(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures, videos and sounds.")],
    account: AccountName = None,
    group: Annotated[str, typer.Option(metavar="NAME", help="The group of new assets.")] = "reelq",
    timeout: Annotated[float, typer.Option(help="How many seconds each file may take until it is usable.")] = 300.0,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Upload files as assets of an account. Prints how jobs name them; exit code 1 if some fail.

    The gateway bills each upload. Files that the account already has are not uploaded again.
    """
    door = open_assets(ctx, data_dir, tenant)
    results = []
    for result in door.upload(read_files(files), account, group, timeout):
        results.append(result)
        if not as_json:
            typer.echo(_line(result))
    if as_json:
        print_json([asdict(result) for result in results])
    if any(result.asset is None for result in results):
        raise typer.Exit(1)


def _line(result: Uploaded) -> str:
    if result.asset is None:
        return f"{result.status}: {result.path}: {one_line(result.error or '')}"
    return f"{result.asset}  {result.path}" + ("" if result.is_new else "  (known)")

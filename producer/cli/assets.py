"""`reelq assets`: files that gateways keep, by account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from producer.cli.options import AsJson, DataDir, open_producer, settings_of

if TYPE_CHECKING:
    from producer.intake.asset_uploads import Uploaded

app = typer.Typer(help="Files that a gateway keeps, named asset://ID in jobs.", no_args_is_help=True)

AccountName = Annotated[str | None, typer.Option("--account", help="The account.", show_default=False)]


@app.command()
def upload(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures, videos and sounds.")],
    account: AccountName = None,
    group: Annotated[str, typer.Option(metavar="NAME", help="The group that new assets go into.")] = "reelq",
    timeout: Annotated[float, typer.Option(help="Wait so many seconds for each file until it may be used.")] = 300.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make files assets of an account and print how jobs name them; exit 1 if some could not be made.

    The gateway bills each upload. What the account has already is not uploaded again.
    """
    from dataclasses import asdict

    from producer.cli.output import print_json
    from producer.intake.asset_uploads import account_for_assets, read_files, upload_all

    settings = settings_of(ctx, data_dir)
    chosen = account_for_assets(settings, account)
    found = read_files(files)
    results = []
    with open_producer(ctx, data_dir) as producer:
        for result in upload_all(producer.database, settings, chosen, found, group, timeout):
            results.append(result)
            if not as_json:
                typer.echo(_line(result))
    if as_json:
        print_json([asdict(result) for result in results])
    if any(result.asset is None for result in results):
        raise typer.Exit(1)


def _line(result: Uploaded) -> str:
    from producer.cli.output import one_line

    if result.asset is None:
        return f"{result.status}: {result.path}: {one_line(result.error or '')}"
    return f"{result.asset}  {result.path}" + ("" if result.is_new else "  (known)")


@app.command("list")
def list_assets(
    ctx: typer.Context,
    account: AccountName = None,
    remote: Annotated[bool, typer.Option("--remote", help="Ask the gateway, not our table.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Every file that was made an asset, by us or, with --remote, by anybody with the account's key."""
    from producer.cli.output import print_json, print_table

    settings = settings_of(ctx, data_dir)
    rows = _remote(settings, account) if remote else _known(settings, account)
    if as_json:
        print_json(rows)
        return
    columns = ["account", "status", "asset", "modality", "name", "error"]
    print_table([name.upper() for name in columns], [[row.get(name) or "-" for name in columns] for row in rows])


def _known(settings: Any, account: str | None) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from storage import assets
    from storage.database import connect

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


def _remote(settings: Any, account: str | None) -> list[dict[str, Any]]:
    import asyncio

    from producer.intake.asset_uploads import account_for_assets
    from seedance.asset_client import AssetClient
    from seedance.assets import ListedAsset
    from seedance.client import GatewayClient

    chosen = account_for_assets(settings, account)

    async def ask() -> list[ListedAsset]:
        async with GatewayClient(
            chosen,
            chosen.dialect,
            submit_timeout_s=settings.submit_timeout_seconds,
            query_timeout_s=settings.query_timeout_seconds,
        ) as client:
            return await AssetClient(client).list_all()

    return [
        {
            "account": chosen.name,
            "status": asset.status.value,
            "asset": f"asset://{asset.id}",
            "group_id": asset.group_id,
            "name": asset.name,
            "error": asset.error or None,
        }
        for asset in asyncio.run(ask())
    ]

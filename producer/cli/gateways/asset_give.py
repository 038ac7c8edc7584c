"""`reelq assets give`."""

from __future__ import annotations

from typing import Annotated

import typer

from producer.cli.shared.access import settings_of
from producer.cli.shared.options import DataDir
from producer.operator_actions.tenants import check_tenant
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput, Problem, shorten
from storage.database import connect
from storage.uploads.tenant_assets import ASSET, give_assets, take_assets


def give(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ASSET...", help="As asset://ID, or the ID alone.")],
    tenant: Annotated[str, typer.Option("--tenant", help="The tenant.", show_default=False)],
    take: Annotated[bool, typer.Option("--take-back", help="The tenant may name them no longer.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Let a tenant name assets. It names an asset of a gateway as asset://ID. Tenant default may name any; for others,
    an asset that was not given to them is unknown."""
    check_tenant(tenant)
    found = [_id(text) for text in ids]
    with connect(settings_of(ctx, data_dir).require_database_url()) as conn:
        (take_assets if take else give_assets)(conn, tenant, found)
    typer.echo(f"{tenant} may {'no longer ' if take else ''}name {', '.join(f'{ASSET}{name}' for name in found)}")


def _id(text: str) -> str:
    name = text.removeprefix(ASSET)
    try:
        if media_kind(f"{ASSET}{name}") is MediaKind.ASSET:
            return name
    except ValueError as exc:
        raise InvalidInput([Problem("asset", str(exc))]) from exc
    raise InvalidInput([Problem("asset", f"must be asset://ID, not {shorten(text)}")])

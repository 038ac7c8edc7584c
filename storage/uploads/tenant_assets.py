"""The assets of gateways that a tenant may name as `asset://ID`.

Accounts are shared, and so are the assets that their gateways keep. The tenant `default` is the operator's: it may name
any. Another tenant may name those that the operator has given it; every other id is unknown, whether it exists or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

from storage.database import Connection
from storage.tenants.tenants import DEFAULT_TENANT

ASSET = "asset://"

_GIVE: LiteralString = """
INSERT INTO tenant_assets (tenant, asset_id) SELECT %(tenant)s, unnest(%(ids)s::text[]) ON CONFLICT DO NOTHING
"""
_OWN: LiteralString = "SELECT asset_id FROM tenant_assets WHERE tenant = %(tenant)s AND asset_id = ANY(%(ids)s)"
_TAKE: LiteralString = "DELETE FROM tenant_assets WHERE tenant = %(tenant)s AND asset_id = ANY(%(ids)s)"


def give_assets(conn: Connection, tenant: str, ids: Iterable[str]) -> None:
    """Let a tenant name these assets."""
    conn.execute(_GIVE, {"tenant": tenant, "ids": list(ids)})


def take_assets(conn: Connection, tenant: str, ids: Iterable[str]) -> None:
    """Let a tenant name these assets no longer; its jobs keep them."""
    conn.execute(_TAKE, {"tenant": tenant, "ids": list(ids)})


def unknown_assets(conn: Connection, tenant: str, references: Iterable[str]) -> set[str]:
    """Those of the references that the tenant may not name."""
    wanted = set(references)
    if tenant == DEFAULT_TENANT or not wanted:
        return set()
    ids = [reference.removeprefix(ASSET) for reference in wanted]
    own = {row[0] for row in conn.execute(_OWN, {"tenant": tenant, "ids": ids})}
    return {reference for reference in wanted if reference.removeprefix(ASSET) not in own}

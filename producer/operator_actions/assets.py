"""Assets of the accounts that an admin manages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from producer.operator_actions.accounts import may_manage
from seedance.account import Account, account_named
from storage import assets
from storage.database import Connection
from storage.settings import Settings


def managed_accounts(settings: Settings, tenant: str | None) -> Sequence[Account]:
    """The accounts that an admin manages: of a tenant, those that serve only it; None: of an operator, all."""
    return [account for account in settings.accounts if may_manage(tenant, account.tenants)]


def known_assets(
    conn: Connection, account: str | None, accounts: Sequence[Account], *, others: bool
) -> list[dict[str, Any]]:
    """The assets that reelq uploaded to an account (None: to all), as rows of `reelq assets list`. `others`: also those
    of accounts that are not among these, such as one that is not configured any more.

    Raises:
        InvalidInput: there are none, and none of the accounts has that name.
    """
    names = {item.name for item in accounts}
    found = [
        asdict(row)
        | {
            "asset": f"asset://{row.asset_id}" if row.asset_id else None,
            "error": (row.error or {}).get("message"),
        }
        for row in assets.list_assets(conn, account)
        if others or row.account in names
    ]
    if account is not None and not found:
        account_named(account, accounts)
    return found

"""The models that each account can use, with everything that is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seedance.account import unknown_account
from seedance.gateways.base import Dialect
from seedance.gateways.registry import DIALECTS
from seedance.models.rows import ModelRow
from storage.settings import Settings


def model_catalog(settings: Settings, only: str | None = None) -> Iterator[dict[str, Any]]:
    """Each model of each account as JSON, in the order in which accounts are tried; of every gateway, if no account is
    configured. `only`: the one account, or gateway, to look at. `tiers`: those whose jobs get the model if they name
    none; `row`: what its documents say.

    Raises:
        InvalidInput: there is no such account.
    """
    dialects = [(account.name, account.dialect) for account in settings.accounts] or list(DIALECTS.items())
    if only is not None and only not in dict(dialects):
        raise unknown_account(only, dict(dialects))
    for owner, dialect in dialects:
        if only in (None, owner):
            for row in _distinct(dialect):
                tiers = [tier for tier, found in dialect.catalog.tiers.items() if found == row]
                document = row.model_dump(mode="json", by_alias=True)
                yield {"account": owner, "gateway": dialect.name, "tiers": tiers, "row": document}


def _distinct(dialect: Dialect) -> Iterable[ModelRow]:
    catalog = dialect.catalog
    others = [row for row in catalog.tiers.values() if row not in catalog.models.values()]
    return [*catalog.models.values(), *others]

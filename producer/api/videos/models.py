"""Model names of OpenAI's clients, and the tiers and models that they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from seedance.account import Account
from seedance.models.catalog import TIERS, model_name
from seedance.models.data import bundled_models
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import Tier

NAMES: Mapping[Tier, str] = {tier: model_name("seedance-2.0", tier) for tier in TIERS}
"""The name of each tier in answers."""
# OpenAI sells them as the fast, cheap model and as the good, slow model.
_SORA: Mapping[str, Tier] = {"sora-2": "fast", "sora-2-pro": "standard"}
_DATED = re.compile(r"(sora-2(?:-pro)?)-\d{4}-\d{2}-\d{2}")
_SEEDANCE = re.compile(
    r"(?:(?:doubao|dreamina|bytedance)[-/])?(?P<name>seedance)(?:-(?P<version>\d+[.-]\d+))?"
    r"(?P<kind>(?:-[a-z]+)?)(?:-\d{6})?"
)


def fields_of(model: str, accounts: Iterable[Account]) -> dict[str, Any]:
    """The field of a job that a model name stands for: `tier` or `model`. Accounts may have names of their own.

    Raises:
        InvalidInput: no model has that name.
    """
    accounts = list(accounts)
    for account in accounts:
        for key, own in account.models.items():
            if model in (own, own.get("id") if isinstance(own, dict) else None):
                return {"tier": key} if key in TIERS else {"model": key}
    name = model.strip().lower()
    if dated := _DATED.fullmatch(name):
        name = dated[1]
    if name in _SORA:
        return {"tier": _SORA[name]}
    sold = {name for account in accounts for name in account.dialect.catalog.models} | set(bundled_models())
    if name not in sold and (found := _SEEDANCE.fullmatch(name)):
        kind = "" if found["kind"] == "-standard" else found["kind"]
        name = f"{found['name']}-{(found['version'] or '2.0').replace('-', '.')}{kind}"
    for tier, known in NAMES.items():
        if name == known and all(_serves(account, tier, known) for account in accounts):
            return {"tier": tier}
    if name in sold:
        return {"model": name}
    allowed = ", ".join((*sorted(sold), *_SORA))
    raise InvalidInput([Problem("model", f"must be one of {allowed}, not {shorten(model)}")])


def _serves(account: Account, tier: Tier, name: str) -> bool:
    """Whether jobs of a tier get that model at an account, if it has the tier at all."""
    row = account.dialect.catalog.tiers.get(tier)
    return row is None or row.name == name

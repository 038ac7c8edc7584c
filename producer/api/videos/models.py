"""Model names of OpenAI's clients, and the tiers that they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from seedance.account import Account
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import Tier

NAMES: Mapping[Tier, str] = {
    "standard": "seedance-2.0",
    "fast": "seedance-2.0-fast",
    "mini": "seedance-2.0-mini",
}
"""The name of each tier in answers."""
# OpenAI sells them as the fast, cheap model and as the good, slow model.
_SORA: Mapping[str, Tier] = {"sora-2": "fast", "sora-2-pro": "standard"}
_DATED = re.compile(r"(sora-2(?:-pro)?)-\d{4}-\d{2}-\d{2}")
_SEEDANCE = re.compile(
    r"(?:(?:doubao|dreamina|bytedance)[-/])?seedance(?:-2[.-]0)?(?:-(standard|fast|mini))?(?:-\d{6})?"
)


def tier_of(model: str, accounts: Iterable[Account]) -> Tier:
    """The tier of a model name; accounts may have names of their own.

    Raises:
        InvalidInput: no model has that name.
    """
    for account in accounts:
        for tier, own in account.models.items():
            if own == model:
                return tier
    name = model.strip().lower()
    if dated := _DATED.fullmatch(name):
        name = dated[1]
    if name in _SORA:
        return _SORA[name]
    if found := _SEEDANCE.fullmatch(name):
        return next(tier for tier in NAMES if tier == (found[1] or "standard"))
    allowed = ", ".join((*NAMES.values(), *_SORA))
    raise InvalidInput([Problem("model", f"must be one of {allowed}, not {shorten(model)}")])

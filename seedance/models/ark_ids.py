"""Ark's names of models, from the data: what a client of Ark calls a neutral model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedance.models.catalog import model_name
from seedance.models.data import bundled_offers

_GATEWAY = "ark"


def ark_id(request: Mapping[str, Any], sent: str | None = None) -> str:
    """The name of a stored request's model. `sent`: the one that Ark was sent, None: it went elsewhere or was not sent
    yet; then it is the documented one, of the default platform if it is sold there, or the neutral name."""
    if sent is not None:
        return sent
    offers = bundled_offers(_GATEWAY)
    tier = request.get("tier", "standard")
    name = offers.tiers.get(tier, "") if request.get("model") is None else model_name(request["model"], tier)
    ids: Mapping[str, str] = offers.by_model.get(name, {}).get("ids", {})
    return ids.get(offers.platform) or next(iter(ids.values()), name)

"""Read the bundled data: `models.toml`, what Seedance itself is, and `offers/GATEWAY.toml`, what a gateway sells.

A layer changes the one below it key by key; the limits of one kind of file, and lists, replace those below as a whole.
`unset` lists the keys of the layer below that do not hold: TOML has no null.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

Layer = Mapping[str, Any]
"""Some fields of a `ModelRow`."""
_WHOLE = frozenset({"image", "video", "audio"})


@dataclass(frozen=True, slots=True)
class Offers:
    """What one gateway sells. `platforms`: a pattern in the account's `base_url` for each platform that has its own
    ids; `platform`: the one for any other address."""

    gateway: str
    by_model: Mapping[str, Layer]
    tiers: Mapping[str, str] = field(default_factory=dict)
    """The model of each tier."""
    platform: str = ""
    platforms: Mapping[str, str] = field(default_factory=dict)
    currency: Mapping[str, str] = field(default_factory=dict)
    """The currency in which each platform is paid, or all of them ("")."""
    sells_at_list_price: str | None = None
    """A pattern in the address of the maker, whose list prices are what an account pays there. None: it resells."""


@cache
def bundled_models() -> Mapping[str, Layer]:
    """Every model by its neutral name, the more specific names first."""
    raw: dict[str, dict[str, Any]] = _read("models.toml")
    models: dict[str, Layer] = {}
    for name, layer in raw.items():
        base = models[layer["like"]] if "like" in layer else {}
        own = {key: value for key, value in layer.items() if key != "like"}
        models[name] = merged(base, own) | {"name": name}
    return dict(sorted(models.items(), key=lambda item: -len(item[0])))


@cache
def bundled_offers(gateway: str) -> Offers:
    """What a gateway sells by its documents; nothing if there is no file for it."""
    try:
        raw = _read(f"offers/{gateway}.toml")
    except FileNotFoundError:
        return Offers(gateway, {})
    common: Layer = {key: raw[key] for key in ("as_of", "source") if key in raw}
    by_model = {
        name: {**common, **offer, "uses": raw.get("uses", {}) | offer.get("uses", {})}
        for name, offer in raw["offers"].items()
    }
    currency = raw.get("currency", {})
    return Offers(
        gateway,
        by_model,
        raw.get("tiers", {}),
        raw.get("platform", ""),
        raw.get("platforms", {}),
        {"": currency} if isinstance(currency, str) else currency,
        raw.get("sells_at_list_price"),
    )


def merged(below: Layer, above: Layer) -> dict[str, Any]:
    """Two layers as one."""
    found = {key: value for key, value in below.items() if key not in above.get("unset", ())}
    for key, value in above.items():
        if key == "unset":
            continue
        if isinstance(value, Mapping) and isinstance(found.get(key), Mapping) and key not in _WHOLE:
            found[key] = merged(found[key], value)
        else:
            found[key] = value
    return found


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("seedance").joinpath("models", name).read_text(encoding="utf-8"))

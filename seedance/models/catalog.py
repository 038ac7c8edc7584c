"""The rows of one gateway or account: which model serves a tier, a neutral name, or an id of the gateway's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from seedance.models.data import Layer, Offers, bundled_models, bundled_offers, merged
from seedance.models.rows import ID, DecidedBy, ModelRow
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import GenerationRequest, Ratio, Resolution, Tier, problems_of

OwnModels = Mapping[str, str | Mapping[str, Any]]
"""`[accounts.models]`: by tier or neutral name, the gateway's own id, or a table that overrides or adds a row."""
TIERS: tuple[Tier, ...] = get_args(Tier)
_CURRENCY = "USD"
"""Where a gateway names none."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Catalog:
    """What one account can use. `tiers`: the row of jobs that name no model; `models`: the row of each neutral name."""

    offers: Offers
    tiers: Mapping[Tier, ModelRow]
    models: Mapping[str, ModelRow]
    base_url: str | None = None
    """The address of the account; None: the gateway's own."""

    def currency_of(self, row: ModelRow) -> str:
        """The currency in which a model is paid here: that of the platform to which its id or the address belongs."""
        ids = self.offers.by_model.get(row.name, {}).get("ids", {})
        platform = next((name for name, known in ids.items() if known == row.id), None)
        by_platform = self.offers.currency
        return by_platform.get(platform or _platform_of(self.offers, self.base_url)) or by_platform.get("", _CURRENCY)

    @property
    def is_list_price_paid(self) -> bool:
        """Whether the account pays the maker's list prices: it is the maker's, not a reseller's."""
        pattern = self.offers.sells_at_list_price
        return pattern is not None and (self.base_url is None or re.search(pattern, self.base_url) is not None)

    def row_of(self, request: GenerationRequest) -> ModelRow | None:
        """The row that rules a request; None: this account sells no such tier or model."""
        if request.model is None:
            return self.tiers.get(request.tier)
        return self.models.get(model_name(request.model, request.tier))

    def row_for_id(self, own_id: str, tier: Tier) -> ModelRow | None:
        """The row of any id of the gateway's own, for a request of a tier."""
        for known in (*self.tiers.values(), *self.models.values()):
            if own_id in known.models:
                return known
        name, how = _name_for(own_id, None, self.offers, tier)
        if name is not None:
            return _row(self.offers, name, {"id": own_id}, how)
        row = self.tiers.get(tier)
        return None if row is None else row.model_copy(update={"id": own_id, "decided_by": "tier"})


def model_name(model: str, tier: str) -> str:
    """The neutral name for a request's `model` and `tier`: seedance-2.0 in tier fast is seedance-2.0-fast."""
    return model if tier == "standard" or model.endswith(f"-{tier}") else f"{model}-{tier}"


def catalog_of(
    gateway: str, own: OwnModels | None = None, *, base_url: str | None = None, default_model: str | None = None
) -> Catalog:
    """The rows of an account, or of a gateway as its documents say.

    `own`: tiers that it names replace all tiers of the gateway, and its default models, because ids belong to one
    platform; neutral names are added, or replace the row of that name. `default_model`: the model of jobs that name
    neither a model nor another tier than standard; if it is not sold, there is no standard tier.

    Raises:
        InvalidInput: `own` is not valid; fields are named from `models`.
    """
    offers = bundled_offers(gateway)
    platform = _platform_of(offers, base_url)
    given = dict(own or {})
    named_tiers = {tier: given[tier] for tier in TIERS if tier in given}
    named_models = {name: value for name, value in given.items() if name not in TIERS}
    models: dict[str, ModelRow] = {}
    tiers: dict[Tier, ModelRow] = {}
    if not named_tiers:
        models = {name: row for name in offers.by_model if (row := _sold(offers, name, platform)) is not None}
    models |= {name: _own_model(offers, name, value, platform) for name, value in named_models.items()}
    if named_tiers:
        tiers = {tier: _own_tier(offers, tier, value, platform) for tier, value in named_tiers.items()}
        models = {row.name: row for row in reversed(tiers.values())} | models
    else:
        tiers = {tier: models[name] for tier in TIERS if (name := offers.tiers.get(tier)) in models}
    if default_model is not None:
        tiers = {tier: row for tier, row in tiers.items() if tier != "standard"}
        if default_model in models:
            tiers = {"standard": models[default_model], **tiers}
    return Catalog(offers, tiers, models, base_url)


def pixels_of(name: str) -> Mapping[Resolution, Mapping[Ratio, tuple[int, int]]]:
    """The sizes that a model renders, by its neutral name; empty if it is not known."""
    sizes: Mapping[Any, Mapping[Any, tuple[int, int]]] = bundled_models().get(name, {}).get("pixels", {})
    return {resolution: {ratio: (w, h) for ratio, (w, h) in by.items()} for resolution, by in sizes.items()}


def outermost_seconds() -> tuple[int, int]:
    """The shortest and the longest video of any model."""
    bounds = [layer["seconds"] for layer in bundled_models().values()]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _platform_of(offers: Offers, base_url: str | None) -> str:
    found = (name for name, pattern in offers.platforms.items() if re.search(pattern, base_url or ""))
    return next(found, offers.platform)


def _sold(offers: Offers, name: str, platform: str) -> ModelRow | None:
    own_id = _documented_id(offers.by_model[name], platform)
    return None if own_id is None else _row(offers, name, {"id": own_id}, "gateway")


def _documented_id(offer: Layer, platform: str) -> str | None:
    own_id = offer.get("ids", {}).get(platform, offer.get("id"))
    return None if own_id is None else str(own_id)


def _own_tier(offers: Offers, tier: Tier, value: str | Mapping[str, Any], platform: str) -> ModelRow:
    table = _table(tier, value)
    own_id, like = table.get("id"), table.get("like")
    if own_id is None:
        name = str(like or offers.tiers.get(tier, ""))
        own_id = _documented_id(offers.by_model.get(name, {}), platform)
        if own_id is None:
            raise _wrong(tier, "needs an id: the gateway documents none for it")
        table = table | {"id": own_id}
    known, how = _name_for(str(own_id), like, offers, tier)
    return _own_row(tier, offers, known or str(offers.tiers.get(tier, _default_name(tier))), table, how)


def _own_model(offers: Offers, name: str, value: str | Mapping[str, Any], platform: str) -> ModelRow:
    if not _NAME.fullmatch(name):
        raise _wrong(name, "must be standard, fast, mini, or a neutral name such as seedance-2.5")
    table = _table(name, value)
    like = str(table.get("like", name))
    if like not in bundled_models():
        raise _wrong(name, f"is not a model that reelq knows; say with `like` which one it resembles: {_known()}")
    if "id" not in table:
        own_id = _documented_id(offers.by_model.get(like, {}), platform)
        if own_id is None:
            raise _wrong(name, "needs an id: the gateway documents none for it")
        table = table | {"id": own_id}
    return _own_row(name, offers, like, table | {"name": name}, "account")


def _own_row(key: str, offers: Offers, like: str, table: Mapping[str, Any], how: DecidedBy) -> ModelRow:
    own = {name: value for name, value in table.items() if name != "like"}
    if not isinstance(own["id"], str) or not re.fullmatch(ID, own["id"]):
        raise _wrong(key, f"must be the name of a model or endpoint, not {shorten(own['id'])}")
    try:
        return _row(offers, like, own, how)
    except ValidationError as exc:
        problems = problems_of(exc)
        raise InvalidInput(
            [Problem(f"models.{key}.{p.field}" if p.field else f"models.{key}", p.message) for p in problems]
        ) from exc


def _table(key: str, value: object) -> dict[str, Any]:
    if isinstance(value, str):
        return {"id": value}
    if isinstance(value, Mapping):
        like = value.get("like")
        if like is not None and not (isinstance(like, str) and like in bundled_models()):
            raise _wrong(f"{key}.like", f"must be one of {_known()}, not {shorten(like)}")
        if value.get("name") in TIERS:
            raise _wrong(f"{key}.name", f"must not be the name of a tier, {shorten(value['name'])}")
        _check_unset(key, value)
        return dict(value)
    raise _wrong(key, f"must be a name, or a table with id, like and what differs, not {shorten(value)}")


def _check_unset(key: str, table: Mapping[str, Any]) -> None:
    for name, value in table.items():
        if name == "unset" and not (isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)):
            raise _wrong(f"{key}.unset", f"must be a list of names, not {shorten(value)}")
        if isinstance(value, Mapping):
            _check_unset(f"{key}.{name}", value)


def _name_for(own_id: str, like: object, offers: Offers, tier: Tier) -> tuple[str | None, DecidedBy]:
    """The neutral name of an id: what the account says, a documented id, or one that looks like it."""
    if like is not None:
        return str(like), "account"
    documented = [name for name, offer in offers.by_model.items() if own_id in _all_ids(offer)]
    # One id may serve several tiers of a gateway: that of this tier first.
    if documented:
        return (offers.tiers[tier] if offers.tiers.get(tier) in documented else documented[0]), "id"
    for name, layer in bundled_models().items():
        if re.search(layer["pattern"], own_id.lower()):
            return name, "pattern"
    return None, "tier"


def _all_ids(offer: Layer) -> Iterator[str]:
    yield from map(str, offer.get("ids", {}).values())
    if "id" in offer:
        yield str(offer["id"])


def _row(offers: Offers, name: str, own: Layer, how: DecidedBy) -> ModelRow:
    layers = merged(merged(bundled_models()[name], offers.by_model.get(name, {})), own)
    fields = {key: value for key, value in layers.items() if key not in ("ids", "pattern")}
    return ModelRow.model_validate(fields | {"decided_by": how})


def _default_name(tier: Tier) -> str:
    return model_name("seedance-2.0", tier)


def _known() -> str:
    return ", ".join(sorted(bundled_models()))


def _wrong(key: str, message: str) -> InvalidInput:
    return InvalidInput([Problem(f"models.{key}", message)])

"""Estimate what a generation will cost, as a range, and what a reported usage cost.

Which price applies, in each currency:

1. the account's own `rates` (`own`). Where one matches, no other price counts;
2. what the gateway publishes (`published`). The maker publishes its list prices, in the currency of the platform;
3. the maker's list price (`list`): a stand-in where the gateway publishes none, so that there is an estimate and a
   budget works. The gateway may charge more or less. It exists in yuan and in dollars; nothing is converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field, JsonValue

from seedance.gateways.base import Dialect
from seedance.models.rows import ListPrice
from seedance.request import GenerationRequest
from seedance.tokens import output_seconds, token_range

MAX_TOKENS = 10**12
_MILLION = Decimal(1_000_000)
_BEIJING = timedelta(hours=8)

Basis = Literal["own", "published", "list"]


class Rate(ListPrice):
    """What an account pays. Every condition that is given must hold; `None` and empty match anything."""

    gateway: str
    """That of the account, which is also the default."""
    models: tuple[str, ...] = ()
    """Only for these models, by the gateway's own names."""
    audio: bool | None = None
    """True also matches requests that leave the sound to the gateway, whose default is on."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Gateway options that the request must set to exactly these values."""
    per: Literal["million_tokens", "second", "call"]
    """What the price is for; `second` counts seconds of output."""

    def fits(self, dialect: Dialect, request: GenerationRequest) -> bool:
        """Whether the conditions that only an account's prices have hold for a request."""
        return (
            self.gateway == dialect.name
            and (not self.models or dialect.model_for(request) in self.models)
            and self.audio in (None, request.audio is not False)
            and (not self.options or self._names_options(dialect.options(request)))
        )

    def _names_options(self, named: Mapping[str, Any]) -> bool:
        return all(name in named and named[name] == value for name, value in self.options.items())


@dataclass(frozen=True, slots=True)
class Estimate:
    """A cost from `low` to `high`, in `currency`. `tokens`: the range in tokens; None where they are not counted."""

    low: Decimal
    high: Decimal
    currency: str
    as_of: date
    tokens: tuple[int, int] | None = None
    basis: Basis = "own"
    inferred: bool = False
    """The price is not published, but inferred."""
    also: tuple[Estimate, ...] = ()
    """The same cost by prices in other currencies."""

    def as_dict(self) -> dict[str, Any]:
        """The estimate as JSON, with plain numbers."""
        return {
            "low": _plain(self.low),
            "high": _plain(self.high),
            "currency": self.currency,
            "as_of": self.as_of.isoformat(),
            "basis": self.basis,
            "inferred": self.inferred,
            "tokens": None if self.tokens is None else list(self.tokens),
            "also": {
                other.currency: {
                    "low": _plain(other.low),
                    "high": _plain(other.high),
                    "basis": other.basis,
                    "inferred": other.inferred,
                }
                for other in self.also
            },
        }


def _plain(money: Decimal) -> float:
    return float(round(money, 6))


def today() -> date:
    """The date in Beijing: prices change there at midnight."""
    return (datetime.now(UTC) + _BEIJING).date()


def estimate(
    request: GenerationRequest,
    dialect: Dialect,
    own_rates: Sequence[Rate] = (),
    input_video_s: float | None = None,
    *,
    day: date | None = None,
) -> Estimate | None:
    """What a request that the dialect accepts will cost; None when no price is known.

    `own_rates`: the account's rates, which win over other prices. `day`: the day whose prices count; None: today.
    """
    tokens = token_range(request, dialect, input_video_s)
    found: list[Estimate] = []
    for price, basis in _prices(request, dialect, own_rates, day or today()):
        match price.per:
            case "million_tokens":
                if tokens is None:
                    continue
                low, high = (price.price * count / _MILLION for count in tokens)
            case "second":
                low, high = (price.price * seconds for seconds in output_seconds(request, dialect))
            case "call":
                low = high = price.price
        found.append(Estimate(low, high, price.currency, price.as_of, tokens, basis, price.inferred))
    return _together(found)


def cost_of_usage(
    usage: Mapping[str, Any],
    request: GenerationRequest,
    dialect: Dialect,
    own_rates: Sequence[Rate] = (),
    *,
    day: date | None = None,
) -> Estimate | None:
    """What a finished generation cost, from the usage its gateway reported, at the prices by which it is estimated;
    None when that is not known, as for a model that the account no longer sells."""
    if dialect.row_of(request) is None:
        return None
    tokens = _count(usage.get("total_tokens")) or _count(usage.get("completion_tokens"))
    prices = list(_prices(request, dialect, own_rates, day or today()))
    if tokens is None or not prices or prices[0][0].per != "million_tokens":
        return None
    found = []
    for price, basis in prices:
        if price.per == "million_tokens":
            cost = price.price * tokens / _MILLION
            found.append(Estimate(cost, cost, price.currency, price.as_of, (tokens, tokens), basis, price.inferred))
    return _together(found)


def _together(found: Sequence[Estimate]) -> Estimate | None:
    if not found:
        return None
    one = found[0]
    return Estimate(one.low, one.high, one.currency, one.as_of, one.tokens, one.basis, one.inferred, tuple(found[1:]))


def _prices(
    request: GenerationRequest, dialect: Dialect, own_rates: Sequence[Rate], day: date
) -> Iterator[tuple[ListPrice, Basis]]:
    """The price of a request in each currency, the one to show first."""
    row = dialect.row_for(request)
    resolution, has_video = request.resolution or row.default_resolution, bool(request.reference_videos)

    def holding(prices: Sequence[ListPrice]) -> Iterator[ListPrice]:
        return (price for price in prices if price.holds(resolution, day, video_input=has_video))

    known = set[str]()
    for rate in own_rates:
        holds = rate.currency not in known and rate.holds(resolution, day, video_input=has_video)
        if holds and rate.fits(dialect, request):
            known.add(rate.currency)
            yield rate, "own"
    if known:
        return
    for price in holding(row.gateway_prices):
        if price.currency not in known:
            known.add(price.currency)
            yield price, "published"
    own = dialect.catalog.currency_of(row)
    is_paid = dialect.catalog.is_list_price_paid
    for price in sorted(holding(row.prices), key=lambda price: price.currency != own):
        if price.currency not in known:
            known.add(price.currency)
            yield price, "published" if is_paid and price.currency == own else "list"


def _count(value: object) -> int | None:
    """A number of tokens; some gateways report it as text. More than any video has is a mistake of the gateway."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < MAX_TOKENS:
        return None
    return int(value)

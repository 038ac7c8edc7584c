"""Estimate what a generation will cost, as a range, and what a reported usage cost.

Tokens follow ByteDance's formula, with one frame more than seconds times frame rate. That gives three published usages
exactly (108,900 for 5 s at 720p 16:9; 281,700 for 8 s from a 5 s video; 245,025 for 5 s at 1080p). With a video input
there is also a minimum, whose numbers are not published, so the low end may be too low there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from seedance.gateways.base import Dialect
from seedance.request import AUTO_DURATION, GenerationRequest, Resolution

FRAMES_PER_SECOND = 24
_MILLION = Decimal(1_000_000)


class Rate(BaseModel):
    """One price. Every condition that is given must hold; `None` and empty match anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gateway: str
    models: tuple[str, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    video_input: bool | None = None
    audio: bool | None = None
    """True also matches requests that leave the sound to the gateway, whose default is on."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Gateway options that the request must set to exactly these values."""
    price: Annotated[Decimal, Field(ge=0)]
    per: Literal["million_tokens", "second", "call"]
    """`second` counts seconds of output."""
    currency: Annotated[str, Field(min_length=1, max_length=16)]
    """For example CNY, USD or credits."""
    as_of: date

    def fits(self, dialect: Dialect, request: GenerationRequest) -> bool:
        """Whether this price applies to a request at a gateway."""
        return (
            self.gateway == dialect.name
            and (not self.models or dialect.model_for(request) in self.models)
            and (not self.resolutions or _resolution(dialect, request) in self.resolutions)
            and self.video_input in (None, bool(request.reference_videos))
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
    tokens: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The estimate as JSON, with plain numbers."""
        tokens = None if self.tokens is None else [round(number, 1) for number in self.tokens]
        return {
            "low": _plain(self.low),
            "high": _plain(self.high),
            "currency": self.currency,
            "as_of": self.as_of.isoformat(),
            "tokens": tokens,
        }


def _plain(money: Decimal) -> float:
    return float(round(money, 6))


@cache
def published_rates() -> tuple[Rate, ...]:
    """The published prices in `tariffs.toml`."""
    data = tomllib.loads(files("seedance").joinpath("tariffs.toml").read_text(encoding="utf-8"))
    return tuple(Rate.model_validate(rate) for rate in data["rates"])


def tokens_of(size: tuple[int, int], output_s: float, input_video_s: float = 0.0) -> float:
    """Tokens of one generation, not rounded: how the provider rounds is not published."""
    width, height = size
    return width * height * (FRAMES_PER_SECOND * (input_video_s + output_s) + 1) / 1024


def token_range(
    request: GenerationRequest, dialect: Dialect, input_video_s: float | None = None
) -> tuple[float, float] | None:
    """The fewest and the most tokens a request can take; None when the size of the video is not published.

    `input_video_s`: the length of all reference videos together; None: not known.
    """
    sizes = _sizes(dialect, request)
    if not sizes:
        return None
    shortest, longest = _output_seconds(dialect, request)
    least, most = _input_seconds(dialect, request) if input_video_s is None else (input_video_s, input_video_s)
    areas = sorted(sizes, key=lambda size: size[0] * size[1])
    return tokens_of(areas[0], shortest, least), tokens_of(areas[-1], longest, most)


def estimate(
    request: GenerationRequest,
    dialect: Dialect,
    own_rates: Sequence[Rate] = (),
    input_video_s: float | None = None,
) -> Estimate | None:
    """What a request that the dialect accepts will cost; None when no price is known.

    `own_rates`: the account's rates, which win over the published ones.
    """
    rate = _rate_for(request, dialect, own_rates)
    if rate is None:
        return None
    tokens = token_range(request, dialect, input_video_s)
    match rate.per:
        case "million_tokens":
            if tokens is None:
                return None
            low, high = (rate.price * Decimal(count) / _MILLION for count in tokens)
        case "second":
            low, high = (rate.price * seconds for seconds in _output_seconds(dialect, request))
        case "call":
            low = high = rate.price
    return Estimate(low, high, rate.currency, rate.as_of, tokens)


def cost_of_usage(
    usage: Mapping[str, Any], request: GenerationRequest, dialect: Dialect, own_rates: Sequence[Rate] = ()
) -> Estimate | None:
    """What a finished generation cost, from the usage its gateway reported; None when that is not known, as for a model
    that the account no longer sells."""
    if dialect.row_of(request) is None:
        return None
    tokens = _number(usage.get("total_tokens")) or _number(usage.get("completion_tokens"))
    rate = _rate_for(request, dialect, own_rates)
    if tokens is None or rate is None or rate.per != "million_tokens":
        return None
    cost = rate.price * Decimal(tokens) / _MILLION
    return Estimate(cost, cost, rate.currency, rate.as_of, (tokens, tokens))


def _rate_for(request: GenerationRequest, dialect: Dialect, own_rates: Iterable[Rate]) -> Rate | None:
    return next((rate for rate in (*own_rates, *published_rates()) if rate.fits(dialect, request)), None)


def _resolution(dialect: Dialect, request: GenerationRequest) -> Resolution:
    return request.resolution or dialect.row_for(request).default_resolution


def _sizes(dialect: Dialect, request: GenerationRequest) -> list[tuple[int, int]]:
    """Every size the video may have: one when the ratio is fixed, else those of all ratios."""
    row = dialect.row_for(request)
    sent = row.settled(request)
    by_ratio = row.pixels.get(_resolution(dialect, request), {})
    ratio = sent.ratio or row.default_ratio
    if ratio is not None and ratio in by_ratio:
        return [by_ratio[ratio]]
    return [size for name, size in by_ratio.items() if name in row.ratios]


def _output_seconds(dialect: Dialect, request: GenerationRequest) -> tuple[int, int]:
    row = dialect.row_for(request)
    sent = row.settled(request).duration
    seconds = row.default_seconds if sent is None else sent
    return row.seconds if seconds in (None, AUTO_DURATION) else (seconds, seconds)


def _input_seconds(dialect: Dialect, request: GenerationRequest) -> tuple[float, float]:
    count = len(request.reference_videos)
    limits = dialect.row_for(request).media["video"]
    if not count or limits.seconds is None:
        return 0.0, 0.0
    shortest, longest = limits.seconds
    return count * shortest, min(count * longest, limits.total_seconds or count * longest)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None

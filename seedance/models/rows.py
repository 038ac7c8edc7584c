"""One model as one account sells it: the only place for its documented limits.

A row is made of the layers in `data.py`. `checks.py` enforces it, `explain`, the API and `reelq models` show it,
`pricing.py` reads its sizes. None always means "the documents do not say".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from seedance.media import MediaKind
from seedance.problems import Problem
from seedance.request import (
    AUTO_DURATION,
    GenerationRequest,
    Modality,
    Operation,
    OutputFormat,
    Ratio,
    Resolution,
    TaskType,
    Tier,
    Use,
)

MB = 1_000_000  # the documents say "MB"; the smaller reading is safe with either

Flag = Literal["seed", "watermark", "camera_fixed", "return_last_frame"]
Default = Literal["duration", "ratio", "resolution"]
DecidedBy = Literal["gateway", "account", "id", "pattern", "tier"]
ID = r"[A-Za-z0-9][A-Za-z0-9._:/{}-]{0,127}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """The limits of one kind of reference: number, forms, and properties of each file. Ranges are inclusive."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    count: int
    kinds: frozenset[MediaKind] = frozenset({MediaKind.URL})
    formats: frozenset[str] = frozenset()
    """File extensions; empty: not documented."""
    max_bytes: int | None = None
    side_px: tuple[int, int] | None = None
    area_px: tuple[int, int] | None = None
    aspect: tuple[float, float] | None = None
    """Width divided by height."""
    seconds: tuple[float, float] | None = None
    total_seconds: float | None = None
    fps: tuple[float, float] | None = None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Only(_Part):
    """The one value that a use of the model takes. Any other value is replaced by it, and `explain` says so."""

    ratio: Ratio | None = None
    duration: int | None = None


class Drafts(_Part):
    """Drafts, and the final videos made of them."""

    resolution: Resolution
    final_resolutions: tuple[Resolution, ...]
    fields: tuple[str, ...]
    """The fields of a final's body besides the model and the draft. Every other field must be absent."""
    life_days: float
    """From the draft's `created_at`; then no final can be made of it."""


class RateLimits(_Part):
    """The limits of one account for one model. `concurrent`: generations at once. None: not published."""

    requests_per_minute: int | None = None
    concurrent: int | None = None


class ListPrice(_Part):
    """A price. Conditions that are not given match anything; `from`, `until`: the days on which it holds, both
    inclusive, in Beijing. Of several that hold on a day, the first one applies."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    currency: Annotated[str, Field(min_length=1, max_length=16)]
    """For example CNY, USD or credits."""
    price: Annotated[Decimal, Field(ge=0)]
    """The price of one unit of `per`."""
    per: Literal["million_tokens", "second", "call"] = "million_tokens"
    """`second` counts seconds of output."""
    resolutions: tuple[Resolution, ...] = ()
    """Only for these."""
    video_input: bool | None = None
    """True: only with a video among the inputs; False: only without one."""
    from_day: date | None = Field(default=None, alias="from")
    """The first day on which it holds. None: it has always held."""
    until: date | None = None
    """The last day on which it holds. None: no end is known."""
    inferred: bool = False
    """It is not published; a comment beside it says what it is inferred from."""
    as_of: date
    """The day on which it was looked up."""

    def holds(self, resolution: Resolution, day: date, *, video_input: bool) -> bool:
        """Whether it applies to such a video on a day."""
        return (
            (not self.resolutions or resolution in self.resolutions)
            and (self.video_input is None or self.video_input is video_input)
            and (self.from_day is None or self.from_day <= day)
            and (self.until is None or day <= self.until)
        )


class ModelRow(_Part):
    """One model as one gateway, or one account, sells it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    """The neutral name, such as seedance-2.5."""
    tier: Tier = "standard"
    as_of: date
    source: str = ""
    decided_by: DecidedBy = "gateway"
    """Why this row applies: the gateway sells this model under its documented id; the account names the model; its id
    is a documented one, or looks like one; or nothing is known of its id, so it is the row of the tier."""
    id: Annotated[str, Field(pattern=f"^{ID}$")]
    """The gateway's own name. `{use}` and `{resolution}` stand for what a request asks for."""
    uses: Mapping[Use, str] = Field(default_factory=dict)
    """The word for `{use}`. A use that is not listed has that of its mode: an edit is a reference."""

    resolutions: Annotated[tuple[Resolution, ...], Field(min_length=1)]
    default_resolution: Resolution = "720p"
    ratios: Annotated[tuple[Ratio, ...], Field(min_length=1)]
    default_ratio: Ratio | None = None
    default_text_ratio: Ratio | None = None
    """The default of text alone, where it is another one than with media. None: `default_ratio`."""
    seconds: tuple[int, int]
    auto_duration: bool = False
    """True: -1 lets the model choose."""
    default_seconds: int | None = None
    only: Mapping[Use, Only] = Field(default_factory=dict)
    pixels: Mapping[Resolution, Mapping[Ratio, tuple[int, int]]] = Field(default_factory=dict)
    codecs: Mapping[Resolution, str] = Field(default_factory=dict)
    media: Mapping[Modality, MediaLimits]
    max_references: int | None = None
    """Of all kinds together."""
    audio_alone: bool = False
    operations: tuple[Operation, ...] = ("edit", "extend")
    operation_is_sent: bool = False
    """False: there is no field for it; the prompt must ask for the edit or extension."""
    task_types: tuple[TaskType, ...] = ()
    """Empty: there is no field for it."""
    output_formats: tuple[OutputFormat, ...] = ()
    """Empty: there is no field for it, and videos are mp4."""
    flags: frozenset[Flag] = frozenset()
    web_search: bool = False
    always_sent: frozenset[Default] = frozenset()
    """Fields that are sent with their default if a request leaves them open, because the gateway's own can change and
    did: 2.5 chooses its length."""
    never_sent: tuple[str, ...] = ()
    """Fields of other models' bodies that this one refuses, even with their default."""
    drafts: Drafts | None = None
    limits: RateLimits = RateLimits()
    limits_4k: RateLimits = RateLimits()
    """Counted apart from `limits`."""
    prices: tuple[ListPrice, ...] = ()
    """The maker's list prices, in each currency; see `pricing.py`."""
    gateway_prices: tuple[ListPrice, ...] = ()
    """What the gateway itself publishes. Empty: nothing, or it is the maker."""

    @model_validator(mode="after")
    def _check_defaults(self) -> Self:
        # An account may narrow the resolutions, the ratios or the seconds alone.
        if self.default_resolution not in self.resolutions:
            object.__setattr__(self, "default_resolution", self.resolutions[0])
        if self.default_ratio is not None and self.default_ratio not in self.ratios:
            object.__setattr__(self, "default_ratio", self.ratios[0])
        if self.default_text_ratio not in self.ratios:
            object.__setattr__(self, "default_text_ratio", None)
        if self.seconds[0] > self.seconds[1]:
            raise ValueError(f"seconds: {self.seconds[0]} is more than {self.seconds[1]}")
        if self.default_seconds is not None and not (self.default_seconds == AUTO_DURATION and self.auto_duration):
            within = min(max(self.default_seconds, self.seconds[0]), self.seconds[1])
            object.__setattr__(self, "default_seconds", within)
        return self

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property; pydantic asks for this order
    @property
    def models(self) -> tuple[str, ...]:
        """Every name that `id` stands for."""
        uses = [self._word(use) for use in ("text", "first_frame", "reference", "edit", "extend")]
        named = [self.id.replace("{use}", word) for word in uses]
        return tuple(dict.fromkeys(name.replace("{resolution}", r) for r in self.resolutions for name in named))

    def model_of(self, use: Use, resolution: Resolution | None) -> str:
        """The gateway's own name for a request."""
        name = self.id.replace("{use}", self._word(use))
        return name.replace("{resolution}", resolution or self.default_resolution)

    def _word(self, use: Use) -> str:
        return self.uses.get(use) or self.uses.get("reference", "")

    def settled(self, request: GenerationRequest) -> GenerationRequest:
        """The request as it is sent: with the defaults of `always_sent`, and where a use takes one value, with that."""
        defaults = {
            "resolution": self.default_resolution,
            "ratio": (request.mode == "text" and self.default_text_ratio) or self.default_ratio,
            "duration": self.default_seconds,
        }
        update: dict[str, object] = {
            name: defaults[name] for name in self.always_sent if getattr(request, name) is None
        }
        if self.task_types and request.mode == "reference":
            update["task_type"] = request.task or request.task_type or "reference"
        return self.corrected(request.model_copy(update=update) if update else request)

    def corrected(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the one value of each field that its use takes."""
        only = self.only.get(request.use, _ANYTHING)
        wanted = {"ratio": only.ratio, "duration": only.duration}
        update = {name: value for name, value in wanted.items() if value is not None}
        return request.model_copy(update=update) if update else request

    def replaced(self, request: GenerationRequest) -> Iterator[Problem]:
        """The values of a request that `settled` replaces. Those of a final are its draft's, and are not sent."""
        if request.draft_of is not None:
            return
        only = self.only.get(request.use, _ANYTHING)
        for name, value in (("ratio", only.ratio), ("duration", only.duration)):
            given = getattr(request, name)
            if value is not None and given not in (None, value):
                what = request.use.replace("_", " ")
                yield Problem(name, f"{self.name} takes only {value} for {what}; {value} is sent instead of {given}")


_ANYTHING = Only()

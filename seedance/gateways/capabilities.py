"""What a gateway can do, as data: the only place for its documented limits.

`checks.py` enforces them, `explain` and the API show them, `pricing` reads the defaults. None always means "the
gateway's documents do not say".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from seedance.media import MediaKind
from seedance.problems import shorten
from seedance.request import Modality, Operation, Ratio, Resolution, Tier

MB = 1_000_000  # the documents say "MB"; the smaller reading is safe with either
ANY_RATIO: tuple[Ratio, ...] = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive")

Flag = Literal["seed", "watermark", "camera_fixed", "return_last_frame"]
Mark = Literal["seed", "expires_after"]
"""A value of one attempt that the gateway's list echoes: a seed, or the exact value of `execution_expires_after`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """The limits of one kind of reference: number, forms, and properties of each file. Ranges are inclusive."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class TierLimits:
    """One tier: its models, outputs and inputs."""

    models: tuple[str, ...]
    resolutions: tuple[Resolution, ...]
    default_resolution: Resolution
    media: Mapping[Modality, MediaLimits]
    web_search: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One name under `gateway_options`: its type and allowed values."""

    kind: Literal["boolean", "integer", "text"]
    minimum: int = 0
    maximum: int = 0
    values: tuple[str, ...] = ()
    pattern: str = ""

    def problem(self, value: object) -> str | None:
        """What is wrong with a value; None if it is allowed."""
        match self.kind:
            case "boolean":
                allowed, fits = "true or false", isinstance(value, bool)
            case "integer":
                allowed = f"a whole number from {self.minimum} to {self.maximum}"
                fits = isinstance(value, int) and not isinstance(value, bool) and self.minimum <= value <= self.maximum
            case "text" if self.values:
                allowed, fits = " or ".join(self.values), value in self.values
            case "text":
                allowed = f"text of the form {self.pattern}"
                fits = isinstance(value, str) and re.fullmatch(self.pattern, value) is not None
        return None if fits else f"must be {allowed}, not {shorten(value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLimits:
    """The limits of a gateway's list of tasks: newest first, pages counted from 1. None: no documented limit."""

    page_size: int
    """The most entries of one page."""
    max_pages: int | None = None
    max_tasks: int | None = None
    window_s: float | None = None
    """Tasks created longer ago are not shown."""
    filters_time: bool = False
    """True: the gateway applies `since` and `until`; otherwise both are ignored."""
    needs_user: bool = False
    """True: the list needs the account's `user_token` and `user_id`, not its API key."""
    flex_apart: bool = False
    """True: flex tasks are shown only in a list requested with `flex`."""
    proves_absence: bool = False
    """True: a task that is missing from a complete and readable list of its time was not accepted. False if the gateway
    records a task only after accepting it, or shows its own faults as an empty list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """All capabilities of one gateway."""

    gateway: str
    tiers: Mapping[Tier, TierLimits]
    ratios: tuple[Ratio, ...]
    default_ratio: Ratio | None
    seconds: tuple[int, int] = (4, 15)
    auto_duration: bool = False
    """True: -1 lets the model choose."""
    default_seconds: int | None = 5
    max_prompt_chars: int | None = None
    max_prompt_tokens: int | None = None
    advised_prompt: tuple[int, int] | None = None
    """Chinese characters and words above which the gateway advises against a prompt."""
    max_body_bytes: int | None = None
    operations: tuple[Operation, ...] = ("edit", "extend")
    operation_is_sent: bool = False
    """False: the gateway has no field for it; the prompt must ask for the edit or extension."""
    flags: frozenset[Flag] = frozenset()
    options: Mapping[str, Option] = field(default_factory=lambda: MappingProxyType({}))
    callbacks: bool = False
    callbacks_https_only: bool = False
    cancel: bool = False
    list_limits: ListLimits | None = None
    """None: the gateway lists no tasks. Whether an account can use its list: `Account.can_list`."""
    list_ids: int = 0
    """How many tasks one call of the list can select by id; 0: the list has no such filter."""
    marks: frozenset[Mark] = frozenset()
    """The marks that an attempt can carry. A request may occupy one itself: see `Dialect.marks`."""
    assets: bool = False
    """True: reelq can upload assets through its API."""

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return _json_of(self)  # type: ignore[no-any-return]


def _json_of(value: Any) -> Any:
    if isinstance(value, MediaLimits | TierLimits | Option | ListLimits | Capabilities):
        return {name: _json_of(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): _json_of(item) for name, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, tuple):
        return [_json_of(item) for item in value]
    return value

"""What a gateway can do, as data: the only place for its documented limits. Those of its models are in the rows of
`seedance/models/`.

`checks.py` enforces them, `explain` and the API show them. None always means "the gateway's documents do not say".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from seedance.models.rows import ModelRow
from seedance.problems import shorten
from seedance.request import Tier

Mark = Literal["seed", "expires_after"]
"""A value of one attempt that the gateway's list echoes: a seed, or the exact value of `execution_expires_after`."""


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
    """All capabilities of one gateway, for one account: `tiers` and `models` are those of its catalog."""

    gateway: str
    tiers: Mapping[Tier, ModelRow] = field(default_factory=lambda: MappingProxyType({}))
    """The model of jobs that name none, by tier."""
    models: Mapping[str, ModelRow] = field(default_factory=lambda: MappingProxyType({}))
    """By neutral name."""
    max_prompt_chars: int | None = None
    max_prompt_tokens: int | None = None
    advised_prompt: tuple[int, int] | None = None
    """Chinese characters and words above which the gateway advises against a prompt."""
    max_body_bytes: int | None = None
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
        found: dict[str, Any] = _json_of(self)
        return found


def _json_of(value: Any) -> Any:
    if isinstance(value, ModelRow):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Option | ListLimits | Capabilities):
        return {name: _json_of(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): _json_of(item) for name, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, tuple):
        return [_json_of(item) for item in value]
    return value

"""One generation: the request, its outcome, and its phase at a given moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from simulator.tasks.pixels import tokens
from simulator.tasks.timing import QUEUE_SHARE


class Phase(StrEnum):
    """The phase of a task; each dialect has its own status words."""

    NOT_STARTED = "not_started"
    SUBMITTED = "submitted"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.EXPIRED})
Ending = Literal["succeeded", "failed", "lost", "expired"]


@dataclass(frozen=True, slots=True)
class Order:
    """The request of one create, independent of the gateway."""

    model: str
    upstream_model: str
    prompt: str
    body: Mapping[str, Any]
    resolution: str
    ratio: str
    """The actual ratio, never `adaptive`."""
    duration: int | None
    """Seconds. None: the model chooses."""
    audio: bool = True
    return_last_frame: bool = False
    seed: int | None = None
    input_video_s: float = 0.0
    version: str = "2.0"
    """Of Seedance."""
    longest_s: int = 15
    """The most seconds that the model chooses."""
    callback_url: str | None = None
    uses_assets: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Values that the dialect needs to show the task."""


@dataclass(frozen=True, slots=True)
class Fate:
    """The outcome of a task, as a fault decided it."""

    ending: Ending = "succeeded"
    code: str = ""
    message: str = ""
    url_dies_after_s: float | None = None
    url_dies_after_fetches: int | None = None
    look: str = ""
    """The form of its video, by name; "": what its model delivers."""
    url_dies_for_good: bool = False
    """The new URLs of later queries fail too."""


@dataclass(slots=True)
class Task:
    """A created task; it is billed unless it fails."""

    id: str
    upstream_id: str
    number: int
    gateway: str
    account: str
    order: Order
    created_at: float
    total_s: float
    duration: int
    seed: int
    fate: Fate = field(default_factory=Fate)
    cancelled_at: float | None = None
    deleted: bool = False
    polls: int = 0
    told_at: float | None = None
    """When an answer to a query or a list first reported the end."""
    fetches: int = 0
    complete_fetches: int = 0
    bytes_served: int = 0
    fetches_by_link: dict[str, int] = field(default_factory=dict)
    callbacks: int = 0
    callbacks_taken: int = 0
    """Callbacks that were answered with 2xx."""
    sha256: str | None = None
    size: int | None = None

    @property
    def started_at(self) -> float:
        return self.created_at + QUEUE_SHARE * self.total_s

    @property
    def ends_at(self) -> float:
        return self.created_at + self.total_s

    @property
    def tokens(self) -> int:
        order = self.order
        return tokens(order.resolution, order.ratio, self.duration, order.input_video_s, order.version)

    def phase(self, now: float) -> Phase:
        if self.cancelled_at is not None and now >= self.cancelled_at:
            return Phase.CANCELLED
        if now >= self.ends_at:
            match self.fate.ending:
                case "succeeded":
                    return Phase.SUCCEEDED
                case "failed":
                    return Phase.FAILED
                case "expired":
                    return Phase.EXPIRED
                case "lost":
                    return Phase.RUNNING
        if now >= self.started_at:
            return Phase.RUNNING
        waited = (now - self.created_at) / (QUEUE_SHARE * self.total_s) if self.total_s > 0 else 1.0
        if waited < 0.2:
            return Phase.NOT_STARTED
        return Phase.SUBMITTED if waited < 0.4 else Phase.QUEUED

    def lost(self, now: float) -> bool:
        """Whether the gateway reports a failure while the task still runs upstream."""
        return self.fate.ending == "lost" and self.cancelled_at is None and now >= self.ends_at

    def updated_at(self, now: float) -> float:
        moments = (self.created_at, self.started_at, self.cancelled_at or self.ends_at)
        return max(moment for moment in moments if moment <= max(now, self.created_at))

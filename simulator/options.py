"""The options of a simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import time as time_now
from typing import Literal

TimeKind = Literal["lognormal", "fixed", "bimodal"]

MAX_VIDEO_BYTES = 2 * 1024**3
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """All defaults suit a rehearsal on one machine."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free port. The startup line and `port_file` give the port in use."""
    port_file: Path | None = None
    public_url: str | None = None
    """Base URL of the file links. None: the host and port the client used."""
    seed: int | None = None
    """The same seed gives the same generation times and faults. None: the journal's seed, else a random one."""
    time: TimeKind = "lognormal"
    median_seconds: float = 3.0
    sigma: float = 0.35
    """Sigma of the logarithm, for `lognormal` and for each half of `bimodal`."""
    slow_seconds: float = 20.0
    """Median of the slow tasks of `bimodal`."""
    slow_share: float = 0.1
    """Share of slow tasks of `bimodal`, 0 to 1."""
    faults: Path | None = None
    """A JSON or TOML file of fault rules, active from the start."""
    journal: Path | None = None
    """The file that keeps created tasks across restarts. None: tasks are in memory only."""
    url_seconds: int = DAY_S
    """Lifetime of a video URL."""
    video_bytes: int | None = None
    """Exact size of every video in bytes. None: the encoder's size, and each video starts with a title card."""
    requests_per_minute: int | None = None
    """Limit on creates per account. None: no limit."""
    max_in_flight: int | None = None
    """Limit on unfinished tasks per account. None: no limit."""
    api_keys: frozenset[str] = field(default_factory=frozenset)
    """Accepted API keys. Empty: any key."""
    asset_seconds: float = 1.0
    """Time from the upload of an asset to Active."""
    strict_assets: bool = False
    """Reject `asset://` references that were not created here."""
    hide_prompts: bool = False
    """Leave prompts out of new-api's lists, as the published software does; some deployments show them."""
    callback_hosts: frozenset[str] = field(default_factory=frozenset)
    """Hosts that may receive callbacks, in addition to loopback."""
    webhook_secret: str | None = None
    """The secret with which openrouter and kie sign callbacks. None: they sign none; fal always does."""
    clock: Callable[[], float] = time_now
    """Returns seconds since the epoch. Generations, links and limits follow it; tests pass a clock they control."""

    def __post_init__(self) -> None:
        _within("port", self.port, 0, 65_535)
        _within("median_seconds", self.median_seconds, 0, DAY_S)
        _within("slow_seconds", self.slow_seconds, 0, DAY_S)
        _within("sigma", self.sigma, 0, 5)
        _within("slow_share", self.slow_share, 0, 1)
        _within("asset_seconds", self.asset_seconds, 0, DAY_S)
        _within("url_seconds", self.url_seconds, 1, 7 * DAY_S)
        for name in ("requests_per_minute", "max_in_flight"):
            value = getattr(self, name)
            if value is not None:
                _within(name, value, 1, 1_000_000)
        if self.video_bytes is not None:
            _within("video_bytes", self.video_bytes, 65_536, MAX_VIDEO_BYTES)
        if self.time not in ("lognormal", "fixed", "bimodal"):
            raise ValueError(f"time: must be lognormal, fixed or bimodal, not {self.time}")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: must be {low:g} to {high:g}, not {value:g}")

"""What a simulator can be started with."""

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
    """Everything has a default that suits a rehearsal on one machine."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free port; the line printed at the start and `port_file` tell which."""
    port_file: Path | None = None
    public_url: str | None = None
    """Where clients reach the files, None: the host and port the client itself used."""
    seed: int | None = None
    """Same seed, same draws of generation times and faults. None: the journal's, else drawn anew at each start."""
    time: TimeKind = "lognormal"
    median_seconds: float = 3.0
    sigma: float = 0.35
    """Of the logarithm, for `lognormal` and for each half of `bimodal`."""
    slow_seconds: float = 20.0
    """Median of the slow tasks of `bimodal`."""
    slow_share: float = 0.1
    """Share of slow tasks of `bimodal`, 0 to 1."""
    faults: Path | None = None
    """A JSON or TOML file of fault rules, armed from the start."""
    journal: Path | None = None
    """Where created tasks are kept, so that a restarted simulator still knows them. None: only in memory."""
    url_seconds: int = DAY_S
    """How long a video URL lives."""
    video_bytes: int | None = None
    """Exact size of every video, None: as it comes out of the encoder, with a title card of its own."""
    requests_per_minute: int | None = None
    """Creates per account, None: no limit."""
    max_in_flight: int | None = None
    """Unfinished tasks per account, None: no limit."""
    api_keys: frozenset[str] = field(default_factory=frozenset)
    """The keys that are accepted, empty: any."""
    asset_seconds: float = 1.0
    """From the upload of an asset to Active."""
    strict_assets: bool = False
    """Refuse `asset://` references that were never created here."""
    callback_hosts: frozenset[str] = field(default_factory=frozenset)
    """Hosts beside loopback that callbacks may be sent to."""
    clock: Callable[[], float] = time_now
    """Seconds since the epoch. Generations, links and limits follow it; a test gives one that it moves by itself."""

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

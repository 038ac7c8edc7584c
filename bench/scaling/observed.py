"""What a measured run took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.scaling.check import Trial


@dataclass(frozen=True, slots=True)
class Observed:
    """A run: milliseconds of CPU or bytes of WAL by process, at this pace of the machine, and how often parts were
    done."""

    name: str
    took: Mapping[str, float]
    pace_ms: float
    times: Mapping[str, Mapping[str, float]]
    trial: Trial | None = None
    """The model of these jobs says how often all other parts were done. None: there are none."""

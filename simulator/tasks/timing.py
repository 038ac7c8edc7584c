"""The distribution of generation times, drawn reproducibly for each task."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from simulator.options import SimulatorOptions, TimeKind

QUEUE_SHARE = 0.15  # share of a task's time spent waiting for a slot


@dataclass(frozen=True, slots=True)
class Timing:
    """A distribution of seconds from create to terminal."""

    kind: TimeKind = "lognormal"
    median_s: float = 3.0
    sigma: float = 0.35
    slow_s: float = 20.0
    slow_share: float = 0.1

    def draw(self, rng: random.Random) -> float:
        if self.kind == "fixed":
            return self.median_s
        median = self.median_s
        if self.kind == "bimodal" and rng.random() < self.slow_share:
            median = self.slow_s
        return median * math.exp(self.sigma * rng.gauss(0.0, 1.0))


def timing_of(options: SimulatorOptions) -> Timing:
    return Timing(options.time, options.median_seconds, options.sigma, options.slow_seconds, options.slow_share)

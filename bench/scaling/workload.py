"""The input of a run: jobs, gateway latencies, video sizes, and outages."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from simulator.tasks.timing import Timing

Part = Literal["gateway", "store", "broker", "database"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds until an answer: log-normal with this median, after a way that takes the same time for all."""

    median_s: float
    sigma: float = 0.5
    away_s: float = 0.0

    def draw(self, rng: random.Random) -> float:
        varied = math.exp(self.sigma * rng.gauss(0.0, 1.0)) if self.sigma else 1.0
        return self.away_s + self.median_s * varied


@dataclass(frozen=True, slots=True)
class Workload:
    """The enqueued jobs, and the behaviour of gateways for them."""

    jobs: int
    per_second: float | None = None
    """Arrival rate of jobs at random times. None: all jobs are enqueued at the start."""
    enqueued_together: int = 50
    """How many jobs each call stores."""
    generation: Timing = field(default_factory=lambda: Timing(median_s=90.0, sigma=0.3))
    generation_s: Sequence[float] = ()
    """Known generation times in order of the POSTs; later ones are drawn from `generation`."""
    video_mib: tuple[float, float] = (5.0, 30.0)
    """Smallest and largest size, uniformly distributed."""
    submit: Latency = field(default_factory=lambda: Latency(1.5))
    query: Latency = field(default_factory=lambda: Latency(0.4))
    url_life_s: Sequence[float] = (86400.0,)
    """The lifetimes of URLs, which jobs use in turn."""

    def draw_generation(self, rng: random.Random, number: int) -> float:
        return self.generation_s[number] if number < len(self.generation_s) else self.generation.draw(rng)


@dataclass(frozen=True, slots=True)
class Outage:
    """A part that is down from `begin_s` for `length_s`. Connections are refused at once."""

    part: Part
    begin_s: float
    length_s: float

    @property
    def end_s(self) -> float:
        return self.begin_s + self.length_s


class Outages:
    """All outages of a run."""

    def __init__(self, outages: Sequence[Outage] = ()) -> None:
        self._outages = outages

    def up_at(self, part: Part, at_s: float) -> float:
        """The first time from `at_s` on at which the part is up."""
        for outage in sorted(self._outages, key=lambda o: o.begin_s):
            if outage.part == part and outage.begin_s <= at_s < outage.end_s:
                at_s = outage.end_s
        return at_s

    def down(self, part: Part, at_s: float) -> bool:
        return self.up_at(part, at_s) > at_s

"""What comes in: jobs, how long gateways take, how large videos are, and when something is out of order."""

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
    """Seconds until an answer: log-normal around a median."""

    median_s: float
    sigma: float = 0.5

    def draw(self, rng: random.Random) -> float:
        return self.median_s * math.exp(self.sigma * rng.gauss(0.0, 1.0)) if self.sigma else self.median_s


@dataclass(frozen=True, slots=True)
class Workload:
    """Jobs that are enqueued, and what the world outside makes of them."""

    jobs: int
    per_second: float | None = None
    """None: all at the start. Else they come one by one, at random moments."""
    generation: Timing = field(default_factory=lambda: Timing(median_s=90.0, sigma=0.3))
    generation_s: Sequence[float] = ()
    """The times themselves in the order of the POSTs, where they are known."""
    video_mib: tuple[float, float] = (5.0, 30.0)
    """Least and most; any size between is as likely."""
    submit: Latency = field(default_factory=lambda: Latency(1.5))
    query: Latency = field(default_factory=lambda: Latency(0.4))
    url_life_s: Sequence[float] = (86400.0,)
    """One of these, each as likely."""

    def draw_generation(self, rng: random.Random, number: int) -> float:
        return self.generation_s[number] if number < len(self.generation_s) else self.generation.draw(rng)


@dataclass(frozen=True, slots=True)
class Outage:
    """A part that does not answer from `begin_s` on, for so long. Connections are refused at once."""

    part: Part
    begin_s: float
    length_s: float

    @property
    def end_s(self) -> float:
        return self.begin_s + self.length_s


class Outages:
    """All that goes wrong in a run."""

    def __init__(self, outages: Sequence[Outage] = ()) -> None:
        self._outages = outages

    def up_at(self, part: Part, at_s: float) -> float:
        """The first moment from `at_s` on at which the part answers."""
        for outage in sorted(self._outages, key=lambda o: o.begin_s):
            if outage.part == part and outage.begin_s <= at_s < outage.end_s:
                at_s = outage.end_s
        return at_s

    def down(self, part: Part, at_s: float) -> bool:
        return self.up_at(part, at_s) > at_s

"""When to look again: poll times and backoff. Pure; the random source is a parameter."""

from __future__ import annotations

import random
from dataclasses import dataclass

_GROWTH = 0.3  # the next poll comes after this share of the age: late by at most that much of the generation
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class PollPacing:
    """Bounds of the poll schedule in seconds."""

    min_s: float
    max_s: float

    def next_s(self, age_s: float, refresh_s: float = 0.0, rng: random.Random | None = None) -> float:
        """Seconds until the next poll of a task of that age.

        `refresh_s` is how often the gateway itself learns something new. Once a task is older than that, asking more
        often is useless; before, it may be quick (tests, caches), so only the lower bound holds.
        """
        floor_s = max(self.min_s, min(refresh_s, age_s * _GROWTH))
        wait_s = min(max(floor_s, age_s * _GROWTH), self.max_s)
        return jittered(wait_s, rng)


def jittered(seconds: float, rng: random.Random | None = None) -> float:
    """The same, give or take a tenth, so that jobs of the same moment spread out."""
    return seconds * (rng or random).uniform(1 - _JITTER, 1 + _JITTER)


def backoff_s(failures: int, first_s: float, cap_s: float, rng: random.Random | None = None) -> float:
    """Seconds to wait after the n-th failure in a row (n ≥ 1): doubling, capped, jittered between half and whole."""
    whole_s = min(cap_s, first_s * 2.0 ** min(max(failures, 1) - 1, 30))
    return whole_s * (rng or random).uniform(0.5, 1.0)

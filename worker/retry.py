"""Backoff policies."""

from __future__ import annotations

import random


def backoff_s(failures: int, first_s: float, cap_s: float, rng: random.Random | None = None) -> float:
    """Seconds to wait after the n-th failure in a row (n ≥ 1): doubling, capped, jittered between half and whole."""
    whole_s = min(cap_s, first_s * 2.0 ** min(max(failures, 1) - 1, 30))
    return whole_s * (rng or random).uniform(0.5, 1.0)

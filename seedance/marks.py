"""Values of `execution_expires_after` that tell attempts apart.

Ark shows the value again wherever it shows the task, and no field of a job takes it away. So each attempt gets a value
of its own out of a band: wide enough that attempts of the same hours differ, and never below what the job itself wants.
The bands do not overlap. What a value costs: a task that has not begun after so many seconds expires and is not billed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarkBand:
    """`count` values in a row, in seconds, `low` being the first."""

    low: int
    count: int


# Ark takes 3,600 to 259,200 and by default 172,800, which everybody else's tasks have: it is in no attempt's band.
_BANDS = (
    MarkBand(3600, 1800),
    MarkBand(5400, 5400),
    MarkBand(10_800, 10_800),
    MarkBand(21_600, 21_600),
    MarkBand(43_200, 43_200),
    MarkBand(86_400, 43_200),
    MarkBand(129_600, 43_200),
    MarkBand(172_801, 86_400),
)
_UNHURRIED = MarkBand(129_600, 43_200)
"""Of a job without a deadline: 36 to 48 hours, at most Ark's default and less than `generation_timeout_seconds`. A
longer one would let a task begin, and be billed, after its job has ended."""


def mark_band(expires_after_s: float | None) -> MarkBand:
    """The values for an attempt whose video is of no use after that many seconds; None: the job has no deadline."""
    if expires_after_s is None:
        return _UNHURRIED
    return next((band for band in _BANDS if band.low >= expires_after_s), _BANDS[-1])

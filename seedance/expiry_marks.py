"""Values of `execution_expires_after` that tell attempts apart.

Ark shows the value wherever it shows the task, and no field of a job overrides it. So each attempt gets its own value
from a band: wide enough that attempts of the same hours differ, and never below what the job needs. The bands do not
overlap. The side effect of a value: a task that has not begun after that many seconds expires and is not billed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarkBand:
    """`count` consecutive values in seconds, starting at `low`."""

    low: int
    count: int


# Ark accepts 3,600 to 259,200. The default, 172,800, is in no band, because tasks of other programs have it.
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
"""For jobs without a deadline: 36 to 48 hours, at most Ark's default and less than `generation_timeout_seconds`. With a
longer value a task could begin, and be billed, after its job has ended."""


def mark_band(expires_after_s: float | None) -> MarkBand:
    """The band for an attempt whose video is useless after that many seconds; None: the job has no deadline."""
    if expires_after_s is None:
        return _UNHURRIED
    return next((band for band in _BANDS if band.low >= expires_after_s), _BANDS[-1])

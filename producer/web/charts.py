"""The geometry of charts: from numbers to boxes, which the template draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.jobs.states import JobState
from storage.reporting.overview import Rate

WIDTH, HEIGHT = 10.0, 100.0
"""The size of one column, in the units of the picture."""
_GAP = 2.0
STACK = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
ORDER = (
    JobState.SUCCEEDED,
    JobState.TRANSFERRING,
    JobState.GENERATING,
    JobState.UNCONFIRMED,
    JobState.SUBMITTING,
    JobState.QUEUED,
    JobState.FAILED,
    JobState.CANCELLED,
)


@dataclass(frozen=True, slots=True)
class Box:
    """The rectangle of one state."""

    state: JobState
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One period: the jobs that ended in it, and its rectangles from the bottom."""

    start: float
    counts: Mapping[str, int]
    boxes: Sequence[Box]
    x: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Ended jobs over time. `top` is the number at the upper edge, `totals` the sums by state."""

    step_s: int
    start: float
    end: float
    top: int
    columns: Sequence[Column]
    totals: Mapping[JobState, int]

    @property
    def width(self) -> float:
        return WIDTH * len(self.columns)


def chart_of(rate: Rate) -> Chart:
    """The chart of a rate."""
    top = nice(max((sum(piece.values()) for piece in rate.pieces), default=0))
    columns = []
    for place, piece in enumerate(rate.pieces):
        boxes, below = [], 0.0
        for state in STACK:
            height = HEIGHT * piece.get(state, 0) / top
            if height:
                boxes.append(
                    Box(state, place * WIDTH + _GAP / 2, round(HEIGHT - below - height, 2), WIDTH - _GAP, height)
                )
            below += height
        columns.append(Column(rate.start + place * rate.step_s, piece, boxes, place * WIDTH))
    totals = {state: sum(piece.get(state, 0) for piece in rate.pieces) for state in STACK}
    return Chart(rate.step_s, rate.start, rate.start + len(columns) * rate.step_s, top, columns, totals)


def nice(number: int) -> int:
    """The next round number, so that the scale does not change with each job."""
    if number <= 4:
        return 4
    magnitude = 10 ** math.floor(math.log10(number))
    return next(int(step * magnitude) for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * magnitude >= number)


def bar(counts: Mapping[JobState, int], length: float = 1000.0) -> list[Box]:
    """One bar with all states side by side; a state with jobs is always visible."""
    total = sum(counts.values())
    present = [state for state in ORDER if counts.get(state)]
    least = length * 0.006
    rest = length - least * len(present)
    boxes, x = [], 0.0
    for state in present:
        width = least + rest * counts[state] / total
        boxes.append(Box(state, round(x, 2), 0.0, round(width, 2), 1.0))
        x += width
    return boxes

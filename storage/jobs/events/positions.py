"""A position in the log of all events: which of them a reader has had.

Events get their numbers when they are written, and become visible when they are committed. So a position is the highest
number that was seen, and the lower ones that were not: their transactions are still running, or were rolled back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

Span = tuple[int, int]
"""Numbers from the first to the last."""

MAX_GAPS = 64
FORM = rf"^[0-9]{{1,18}}(\.[0-9]{{1,18}}(-[0-9]{{1,18}})?){{0,{MAX_GAPS}}}$"
"""How a position is written: the highest number, then the missing ones. Most are a number alone."""


@dataclass(frozen=True, slots=True)
class Position:
    """`after`: the highest number that was seen; `gaps`: lower ones that may still come, in order."""

    after: int
    gaps: tuple[Span, ...] = ()

    def __str__(self) -> str:
        gaps = self.gaps
        if len(gaps) > MAX_GAPS:  # a reader that continues there gets some events twice, and misses none
            gaps = (*gaps[: MAX_GAPS - 1], (gaps[MAX_GAPS - 1][0], gaps[-1][1]))
        spans = (str(low) if low == high else f"{low}-{high}" for low, high in gaps)
        return ".".join([str(self.after), *spans])

    def has(self, number: int) -> bool:
        """Whether the reader has had the event with this number."""
        return number <= self.after and not any(low <= number <= high for low, high in self.gaps)

    def with_event(self, number: int) -> Position:
        """The position after this event, one that the reader has not had."""
        if number > self.after:
            missed = ((self.after + 1, number - 1),) if number > self.after + 1 else ()
            return Position(number, self.gaps + missed)
        return Position(self.after, tuple(_without(self.gaps, number)))

    def joined(self, other: Position) -> Position:
        """The position of a reader that has had everything that one of the two has had."""
        if other.after < self.after:
            return other.joined(self)
        # What this one misses: its gaps, and everything above. The result misses what both do.
        missed = [*self.gaps, (self.after + 1, other.after)]
        return Position(other.after, tuple(_common(missed, other.gaps)))


def parse_position(text: str) -> Position | None:
    """A position as `str` wrote it, or a number alone; None: the text is neither."""
    if re.fullmatch(FORM, text) is None:
        return None
    after, *spans = text.split(".")
    bounds = (span.partition("-") for span in spans)
    gaps = sorted((int(low), int(high or low)) for low, _, high in bounds)
    return Position(int(after), tuple((low, high) for low, high in gaps if low <= high < int(after)))


def _without(spans: Iterable[Span], number: int) -> Iterable[Span]:
    for low, high in spans:
        if low <= number <= high:
            if low < number:
                yield low, number - 1
            if number < high:
                yield number + 1, high
        else:
            yield low, high


def _common(some: list[Span], others: Iterable[Span]) -> Iterable[Span]:
    for low, high in others:
        for first, last in some:
            if max(low, first) <= min(high, last):
                yield max(low, first), min(high, last)

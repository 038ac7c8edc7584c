"""Which rows of a campaign a decision is about, as people write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from seedance.problems import InvalidInput, Problem, shorten
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowFilter
from storage.jobs.reasons import Reason
from storage.jobs.states import JobState

T = TypeVar("T", JobState, Review, Reason)
MAX_NUMBER = 2**31 - 1
MAX_NAMED = 10_000
"""How many ranges, keys or reasons one decision may name."""
_RANGE = re.compile(r"(\d{1,10})(?:\s*[-–:]\s*(\d{1,10}))?")


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen rows. `names_rows`: they were named one by one, so each of them is expected to take part. `agreed`:
    ids of those that a preview showed, which alone take part; None: all that are chosen when the decision is made."""

    wanted: RowFilter
    names_rows: bool = False
    agreed: Sequence[UUID] | None = None

    def narrowed(self) -> Choice:
        """The rows that were agreed to, or else the choice as it is."""
        return self if self.agreed is None else Choice(RowFilter(ids=self.agreed))


EVERY_ROW = Choice(RowFilter())
LOST = Choice(RowFilter(states=(JobState.FAILED, JobState.CANCELLED)))
"""What a retry is about if nothing is chosen."""


def choose(
    *,
    rows: str | None = None,
    keys: Iterable[str] = (),
    states: Iterable[str] = (),
    reviews: Iterable[str] = (),
    reasons: Iterable[str] = (),
    ids: Iterable[UUID] = (),
    all_rows: bool = False,
    agreed: Sequence[UUID] | None = None,
) -> Choice | None:
    """Parse a choice: `rows` such as "2-10,14", as a spreadsheet counts; keys; filters, which rows must all match; ids;
    `agreed` as in `Choice`. None: nothing is chosen.

    Raises:
        InvalidInput: it cannot be read, all rows are chosen together with some of them, or `agreed` stands alone.
    """
    named, by, one_by_one = list(keys), (list(states), list(reviews), list(reasons)), list(ids)
    if max(len(named), len(by[2]), len(one_by_one)) > MAX_NAMED:
        raise InvalidInput([Problem("rows", f"at most {MAX_NAMED:,} can be named at once; use a filter")])
    if all_rows and (rows is not None or named or one_by_one):
        raise InvalidInput([Problem("all", "cannot be combined with rows, keys or ids")])
    if not all_rows and rows is None and not named and not one_by_one and not any(by):
        if agreed is not None:
            raise InvalidInput([Problem("agreed", "is for chosen rows; choose them too, or all of them")])
        return None
    wanted = RowFilter(
        states=[_one_of("state", text, JobState) for text in by[0]] or None,
        reviews=[_one_of("review", text, Review) for text in by[1]] or None,
        reasons=[_one_of("reason", text, Reason) for text in by[2]] or None,
        numbers=None if rows is None else read_ranges(rows),
        keys=named or None,
        ids=one_by_one or None,
    )
    return Choice(wanted, rows is not None or bool(named or one_by_one), agreed)


def read_ranges(text: str) -> Sequence[tuple[int, int]]:
    """Parse "2-10,14" as its ranges, first and last number of each.

    Raises:
        InvalidInput: it is empty or no such list.
    """
    ranges = []
    for part in (part.strip() for part in re.split("[,;，、]", text) if part.strip()):
        found = _RANGE.fullmatch(part)
        first, last = (0, 0) if found is None else (int(found[1]), int(found[2] or found[1]))
        if not 0 < first <= last <= MAX_NUMBER:
            raise InvalidInput([Problem("rows", f"must be numbers and ranges such as 2-10,14, not {shorten(part)}")])
        ranges.append((first, last))
    if not ranges or len(ranges) > MAX_NAMED:
        raise InvalidInput([Problem("rows", f"must be 1 to {MAX_NAMED:,} numbers or ranges such as 2-10,14")])
    return ranges


def _one_of(name: str, text: str, kind: type[T]) -> T:
    try:
        return kind(text.strip().lower())
    except ValueError:
        listed = f"; known are {', '.join(kind)}" if kind is not Reason else "; docs/reasons.md lists them"
        raise InvalidInput([Problem(name, f"has no value {shorten(text)}{listed}")]) from None

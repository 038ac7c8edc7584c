"""The bad rows of a run in a few lines: the first ones, how many more there are, and where all of them are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from producer.intake.intake import MAX_BAD_ROWS
from producer.wording import plural
from seedance.problems import InvalidInput

_WHERE = (
    "`reelq campaign plan` of the same sheet and template groups all bad rows by reason; --write-errors errors.xlsx "
    "writes the sheet with the reason in each"
)


class BadRows(InvalidInput):
    """Some rows of a file are bad; nothing was enqueued. `cut`: the file has more bad rows than these."""

    def __init__(self, rows: Sequence[InvalidInput], cut: bool = False) -> None:
        super().__init__([problem for row in rows for problem in row.problems])
        self.rows, self.cut = tuple(rows), cut
        self.args = (self.rows, cut)

    def __str__(self) -> str:
        lines = [str(row) for row in self.rows[:MAX_BAD_ROWS]]
        if left := _left(len(self.rows), self.cut):
            lines.append(f"… and {left}; nothing was enqueued. {_WHERE}")
        return "\n".join(lines)


def skipped_lines(rows: Sequence[InvalidInput]) -> Iterator[str]:
    """The lines about bad rows that are skipped."""
    yield from (f"skipped {row}" for row in rows[:MAX_BAD_ROWS])
    if left := _left(len(rows), cut=False):
        yield f"skipped {left}. {_WHERE}"


def _left(rows: int, cut: bool) -> str:
    """How many are not shown; "": all are."""
    if cut:
        return "other bad rows"
    return plural(rows - MAX_BAD_ROWS, "other bad row") if rows > MAX_BAD_ROWS else ""

"""What all rows of a run share where they say nothing themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from producer.intake.intake import Row
from producer.intake.pace import read_instant
from seedance.problems import InvalidInput, Problem


@dataclass(frozen=True, slots=True)
class RowDefaults:
    """Fields of a job for rows that leave them open; None: none."""

    priority: int | None = None
    deadline: datetime | None = None
    row_zone: str | None = None
    """The time zone of deadlines in rows that have no offset, as dates of a spreadsheet have none; None: refused."""

    def fill(self, rows: Iterable[Row | InvalidInput]) -> Iterator[Row | InvalidInput]:
        """The rows with these fields."""
        given: dict[str, Any] = {"priority": self.priority, "deadline": self.deadline}
        given = {name: value for name, value in given.items() if value is not None}
        for row in rows:
            if isinstance(row, InvalidInput):
                yield row
            else:
                own = {name: value for name, value in row.fields.items() if value is not None}
                if self.row_zone is not None and isinstance(deadline := own.get("deadline"), str):
                    own["deadline"] = _with_offset(deadline, self.row_zone)
                fields = given | own
                yield row if fields == row.fields else replace(row, fields=fields)


def _with_offset(deadline: str, time_zone: str) -> str | datetime:
    """The deadline as an instant; unchanged if it is no date with a time, which is refused later."""
    try:
        return read_instant(deadline, "deadline", time_zone)
    except InvalidInput:
        return deadline


NO_DEFAULTS = RowDefaults()


def read_defaults(
    priority: int | None = None, deadline: str | None = None, time_zone: str = "UTC", *, row_zone: str | None = None
) -> RowDefaults:
    """Parse a priority and a deadline, "2026-12-04 18:00" by the clock of `time_zone` or with an offset of its own.
    `row_zone`: the same for the deadlines of rows; None: rows need an offset.

    Raises:
        InvalidInput: the deadline is no instant, or has passed; the priority is not 0 to 9.
    """
    if priority is not None and not 0 <= priority <= 9:
        raise InvalidInput([Problem("priority", f"must be 0 to 9, higher first, not {priority}")])
    instant = None if deadline is None else read_instant(deadline, "deadline", time_zone)
    if instant is not None and instant <= datetime.now(UTC):
        raise InvalidInput([Problem("deadline", f"has passed: {deadline}")])
    return RowDefaults(priority, instant, row_zone)

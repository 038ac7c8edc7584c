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

    def fill(self, rows: Iterable[Row | InvalidInput]) -> Iterator[Row | InvalidInput]:
        """The rows with these fields."""
        given: dict[str, Any] = {"priority": self.priority, "deadline": self.deadline}
        given = {name: value for name, value in given.items() if value is not None}
        for row in rows:
            if isinstance(row, InvalidInput) or not given:
                yield row
            else:
                own = {name: value for name, value in row.fields.items() if value is not None}
                yield replace(row, fields=given | own)


NO_DEFAULTS = RowDefaults()


def read_defaults(priority: int | None = None, deadline: str | None = None, time_zone: str = "UTC") -> RowDefaults:
    """Parse a priority and a deadline, "2026-12-04 18:00" by the clock of `time_zone` or with an offset of its own.

    Raises:
        InvalidInput: the deadline is no instant, or has passed; the priority is not 0 to 9.
    """
    if priority is not None and not 0 <= priority <= 9:
        raise InvalidInput([Problem("priority", f"must be 0 to 9, higher first, not {priority}")])
    instant = None if deadline is None else read_instant(deadline, "deadline", time_zone)
    if instant is not None and instant <= datetime.now(UTC):
        raise InvalidInput([Problem("deadline", f"has passed: {deadline}")])
    return RowDefaults(priority, instant)

"""Check the caller's own key of each row: it makes a row the same one when it is edited."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from producer.errors import BadRow
from producer.intake.intake import Row
from producer.intake.job_spec import MAX_KEY_CHARS
from seedance.problems import InvalidInput, Problem, shorten


def with_unique_keys(
    rows: Iterable[Row | InvalidInput], column: str, filled: Collection[str]
) -> Iterator[Row | InvalidInput]:
    """The rows; one without a key, or with that of an earlier row, is given as its `BadRow`, with what is wrong with
    its fields too. `filled`: the fields that a template fills."""
    seen: dict[str, int] = {}
    for row in rows:
        if isinstance(row, InvalidInput):
            yield row
        elif row.entity is None:
            yield _bad(row, column, "is empty; with --key, every row needs a key of its own", filled)
        elif len(row.entity) > MAX_KEY_CHARS:
            yield _bad(row, column, f"at most {MAX_KEY_CHARS} characters, not {len(row.entity)}", filled)
        elif (first := seen.setdefault(row.entity, row.number)) != row.number:
            message = f"{shorten(row.entity)} is also the key of row {first}; every row needs a key of its own"
            yield _bad(row, column, message, filled)
        else:
            yield row


def _bad(row: Row, column: str, message: str, filled: Collection[str]) -> BadRow:
    return row.bad([Problem(column, message), *row.faults(without=filled)])

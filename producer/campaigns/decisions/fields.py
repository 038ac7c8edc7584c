"""Fields to set in rows that still wait, as people write them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from producer.campaigns.reading.cells import value_of
from producer.campaigns.reading.words import near_miss
from producer.intake.job_spec import JOB_FIELDS
from seedance.problems import InvalidInput, Problem, shorten

_FIXED = frozenset({"idempotency_key", "draft_of", "draft"})
"""They make a job what it is."""


def read_fields(texts: Iterable[str]) -> dict[str, Any]:
    """Parse texts such as "priority=9", with values as in the cells of a sheet. An empty value: as if it was not given.

    Raises:
        InvalidInput: there is none, or one of them is not valid.
    """
    fields: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign:
            raise InvalidInput([Problem("field", f"must be NAME=VALUE, not {shorten(text)}")])
        check_name(name)
        if name in fields:
            raise InvalidInput([Problem("field", f"sets {name} twice")])
        try:
            fields[name] = value_of(name, value) if value.strip() else None
        except ValueError as exc:
            raise InvalidInput([Problem(name, str(exc))]) from exc
    if not fields:
        raise InvalidInput([Problem("field", "is missing: give what to set, such as --field priority=9")])
    return fields


def check_name(name: str) -> None:
    """Check that a field can be set.

    Raises:
        InvalidInput: it is unknown, or it makes a job what it is.
    """
    if name in _FIXED:
        raise InvalidInput([Problem(name, "cannot be changed; make another row")])
    if name not in JOB_FIELDS:
        meant = near_miss(name)
        raise InvalidInput([Problem(name, "is not a field we know" + (f"; is {meant} meant?" if meant else ""))])

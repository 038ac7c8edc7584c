"""Query parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from seedance.problems import shorten

Cursor = Annotated[
    str | None,
    Query(
        description="`next_cursor` of the previous page.",
        max_length=64,
        json_schema_extra={"pattern": "^[0-9a-f]{32}$"},
    ),
]


def _with_offset(value: object, parse: ValidatorFunctionWrapHandler) -> object:
    """An instant with its offset; a plain number, which pydantic would take for seconds since 1970, is refused."""
    if isinstance(value, str) and not value.replace(".", "", 1).removeprefix("-").isdecimal():
        try:
            return parse(value)
        except ValidationError:
            pass
    message = f"must be an instant with its offset from UTC, such as 2030-01-31T18:00:00Z, not {shorten(value)}"
    raise PydanticCustomError("reelq", "{message}", {"message": message})


Instant = Annotated[AwareDatetime, WrapValidator(_with_offset)]

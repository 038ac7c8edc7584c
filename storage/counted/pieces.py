"""The pieces of time by which ends of jobs are counted: short for the last days, longer for older ones.

How long a piece is depends on its day (UTC) and on today: all changes of one day are written in pieces of one length.
Rows with shorter pieces, which were written before, are added up (`storage.reporting.rollups`); until then, readers see
them as they would be written now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

DAY_S = 86_400


def length_sql(epoch: LiteralString, lengths: Sequence[tuple[LiteralString, LiteralString]]) -> LiteralString:
    """The length in seconds of the piece of a time (an expression: seconds since 1970). `lengths`: until how many days
    ago which one; days before that are one piece each."""
    ago: LiteralString = f"(floor(extract(epoch FROM now()) / {DAY_S}) - floor(({epoch}) / {DAY_S}))"
    cases: LiteralString = " ".join([f"WHEN {ago} <= {days} THEN {seconds}" for days, seconds in lengths])
    return f"CASE {cases} ELSE {DAY_S} END"


def start_sql(epoch: LiteralString, length: LiteralString) -> LiteralString:
    """When the piece of that length begins, in seconds since 1970."""
    return f"floor(({epoch}) / ({length})) * ({length})"

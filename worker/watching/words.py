"""A task's arguments in words: for whom it is, and for which jobs or messages."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

NAMED = 20
"""Ids that are named; with all of a large batch, a message would be twice as long."""


def described(account: str, ids: Sequence[UUID], what: str = "job") -> str:
    """Such as `evolink, 2 jobs: 0190…, 0190…`. `account` is the first argument of our tasks."""
    named = ", ".join(str(one) for one in ids[:NAMED])
    rest = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return f"{account}, {len(ids)} {what}{'' if len(ids) == 1 else 's'}: {named}{rest}"

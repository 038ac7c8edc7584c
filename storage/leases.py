"""A lease on a row."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID


class Claimed(NamedTuple):
    """A row leased to the holder of `claim`; the lease ends when the row's claim number changes."""

    id: UUID
    claim: int
    account: str
    late_s: float | None = None
    """How long it had been due; None: not asked."""

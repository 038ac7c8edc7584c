"""A lease on a row."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job leased to whoever holds `claim`; the row forgets the lease when the number changes."""

    id: UUID
    claim: int
    account: str

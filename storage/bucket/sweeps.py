"""The query that a sweep of the object store needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from storage.database import Connection

_HELD: LiteralString = """
SELECT id FROM jobs WHERE id = ANY(%(ids)s) AND state = 'transferring' AND due_at > now()
"""


def held_transfers(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these jobs that a worker may be copying now, or that wait for their next copy."""
    return {row[0] for row in conn.execute(_HELD, {"ids": list(ids)})}

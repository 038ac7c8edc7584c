"""What a sweep of the object store asks the database: whose turn it is, and which videos are being copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from storage.database import Connection

_TAKE_TURN: LiteralString = """
INSERT INTO heartbeats (component, instance) VALUES ('sweep', %(name)s)
ON CONFLICT (component, instance) DO UPDATE SET seen_at = now()
WHERE heartbeats.seen_at < now() - make_interval(secs => %(every_s)s)
RETURNING 1
"""
_HELD: LiteralString = """
SELECT id FROM jobs WHERE id = ANY(%(ids)s) AND state = 'transferring' AND due_at > now()
"""


def take_turn(conn: Connection, name: str, every_s: float) -> bool:
    """Whether a sweep of that name is to be made now by whoever asks: at most once in `every_s`, however many ask.

    A row, not an advisory lock: nothing is held open while the store is asked.
    """
    return conn.execute(_TAKE_TURN, {"name": name, "every_s": every_s}).fetchone() is not None


def held_transfers(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these jobs that somebody may be copying now, or waits to copy again."""
    return {row[0] for row in conn.execute(_HELD, {"ids": list(ids)})}

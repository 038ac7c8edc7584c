"""When each component of the system was last seen."""

from __future__ import annotations

from typing import LiteralString

from storage.database import Connection

_BEAT: LiteralString = """
INSERT INTO heartbeats (component, instance) VALUES (%(component)s, %(instance)s)
ON CONFLICT (component, instance) DO UPDATE SET seen_at = now()
"""
_FORGET: LiteralString = "DELETE FROM heartbeats WHERE seen_at < now() - interval '1 day'"
_FRESH: LiteralString = """
SELECT DISTINCT component FROM heartbeats WHERE seen_at > now() - make_interval(secs => %(fresh_s)s)
"""


def beat(conn: Connection, component: str, instance: str) -> None:
    """Record that a component is working; delete components that were not seen for a day."""
    conn.execute(_BEAT, {"component": component, "instance": instance})
    conn.execute(_FORGET)


def fresh_components(conn: Connection, fresh_s: float) -> set[str]:
    """The components seen within the last `fresh_s` seconds."""
    return {row[0] for row in conn.execute(_FRESH, {"fresh_s": fresh_s})}


_TAKE_TURN: LiteralString = """
INSERT INTO heartbeats (component, instance) VALUES ('sweep', %(name)s)
ON CONFLICT (component, instance) DO UPDATE SET seen_at = now()
WHERE heartbeats.seen_at < now() - make_interval(secs => %(every_s)s)
RETURNING 1
"""


def take_turn(conn: Connection, name: str, every_s: float) -> bool:
    """Whether the caller must run this sweep now: true for one caller, once every `every_s` seconds.

    A row instead of an advisory lock: no transaction stays open while the sweep calls the store.
    """
    return conn.execute(_TAKE_TURN, {"name": name, "every_s": every_s}).fetchone() is not None

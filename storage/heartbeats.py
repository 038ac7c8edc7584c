"""When each part of the system was last seen."""

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
    """Say that a part of the system works; what was not seen for a day is forgotten."""
    conn.execute(_BEAT, {"component": component, "instance": instance})
    conn.execute(_FORGET)


def fresh_components(conn: Connection, fresh_s: float) -> set[str]:
    """The parts of the system seen working within the last seconds."""
    return {row[0] for row in conn.execute(_FRESH, {"fresh_s": fresh_s})}


_TAKE_TURN: LiteralString = """
INSERT INTO heartbeats (component, instance) VALUES ('sweep', %(name)s)
ON CONFLICT (component, instance) DO UPDATE SET seen_at = now()
WHERE heartbeats.seen_at < now() - make_interval(secs => %(every_s)s)
RETURNING 1
"""


def take_turn(conn: Connection, name: str, every_s: float) -> bool:
    """Whether a sweep of that name is to be made now by whoever asks: at most once in `every_s`, however many ask.

    A row, not an advisory lock: nothing is held open while the store is asked.
    """
    return conn.execute(_TAKE_TURN, {"name": name, "every_s": every_s}).fetchone() is not None

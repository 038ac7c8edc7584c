"""When each component of the system was last seen."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection

API = "api"
"""The component of the API's processes."""
_BEAT: LiteralString = """
INSERT INTO heartbeats (component, instance, version) VALUES (%(component)s, %(instance)s, %(version)s)
ON CONFLICT (component, instance) DO UPDATE SET seen_at = now(), version = excluded.version
"""
_FORGET: LiteralString = "DELETE FROM heartbeats WHERE seen_at < now() - interval '1 day'"
_FRESH: LiteralString = """
SELECT DISTINCT component FROM heartbeats WHERE seen_at > now() - make_interval(secs => %(fresh_s)s)
"""


def beat(conn: Connection, component: str, instance: str) -> None:
    """Record that a component is working; delete components that were not seen for a day."""
    conn.execute(_BEAT, {"component": component, "instance": instance, "version": own_version()})
    conn.execute(_FORGET)


def fresh_components(conn: Connection, fresh_s: float) -> set[str]:
    """The components seen within the last `fresh_s` seconds."""
    return {row[0] for row in conn.execute(_FRESH, {"fresh_s": fresh_s})}


_COUNT: LiteralString = """
SELECT count(*) FROM heartbeats WHERE component = %(component)s AND seen_at > now() - make_interval(secs => %(fresh_s)s)
"""


def count_fresh(conn: Connection, component: str, fresh_s: float) -> int:
    """How many processes of a component were seen within the last `fresh_s` seconds."""
    row = conn.execute(_COUNT, {"component": component, "fresh_s": fresh_s}).fetchone()
    return 0 if row is None else int(row[0])


def forget_all(conn: Connection) -> None:
    """Delete every heartbeat: the processes that used the database have stopped."""
    conn.execute("DELETE FROM heartbeats")


_INSTANCES: LiteralString = """
SELECT component, instance, version, extract(epoch FROM now() - seen_at)::float8 AS age_s FROM heartbeats
WHERE seen_at > now() - make_interval(secs => %(fresh_s)s) AND component NOT IN ('sweep', 'probe')
ORDER BY component, instance
"""


@dataclass(frozen=True, slots=True)
class Instance:
    """A process of one component. `version`: of reelq, "" from before 0033; `age_s`: since it was last seen."""

    component: str
    instance: str
    version: str
    age_s: float


@cache
def own_version() -> str:
    """The version of this program."""
    return version("reelq")


def instance_here(pid: int) -> str:
    """The name of a process of this host among the instances: host and process id."""
    return f"{socket.gethostname()}:{pid}"


def own_instance() -> str:
    """The name of this process among the instances."""
    return instance_here(os.getpid())


def instances(conn: Connection, fresh_s: float) -> list[Instance]:
    """The processes seen within the last `fresh_s` seconds; one of several queues is listed for each of them."""
    with conn.cursor(row_factory=class_row(Instance)) as cursor:
        return cursor.execute(_INSTANCES, {"fresh_s": fresh_s}).fetchall()


_PROBE: LiteralString = """
INSERT INTO heartbeats (component, instance) VALUES ('probe', 'write:0')
ON CONFLICT (component, instance) DO UPDATE SET seen_at = now()
"""


def prove_writes(conn: Connection) -> None:
    """Write one row, always the same: only a write shows a full disk or a database that became read-only."""
    conn.execute(_PROBE)


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

"""Partitions of the timelines, `job_events`, by the time that a job's id begins with (UUIDv7, RFC 9562).

A partition is made a day or more ahead. Jobs whose ids lie in none, such as those of other programs and those from
before the first partition, have their events in the default partition, so no insert fails. When all jobs of a partition
ended long enough ago, it is dropped: that writes nothing, where deleting rows writes each row and leaves dead ones.

A statement that waits for a lock holds up the writers behind it, so each waits briefly, and is tried again later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg import sql

from storage.database import Connection, Limits, LocksHeld, limit

Begin = Callable[[], AbstractContextManager[Connection]]

DEFAULT = sql.Identifier("job_events_default")
LONGEST_DAYS = 30
"""The length of partitions if timelines are kept for ever."""
PARTS = 30
"""About how many partitions hold the timelines that are kept, if they are deleted some day."""
AHEAD = timedelta(days=2)
LEAST_AHEAD = timedelta(hours=12)
"""A partition begins no sooner than this: to prove that a large default one has nothing of it takes minutes, and jobs
that lie in it, such as those of a clock that is ahead, are refused until then."""
MOST_KEPT = 2_000
"""A partition is dropped once no more of its jobs than this are still needed; their events move to the default one."""
_SLICE = 50_000
_SMALL_PAGES = 12_800
"""Pages of the default partition, 100 MB, that PostgreSQL reads in a moment while it holds up that partition."""
_PATIENT = Limits(lock_s=5.0, idle_s=60.0, statement_s=3600.0)
_WEAK: LiteralString = "SET LOCAL lock_timeout = '5s'"
_BRIEF: LiteralString = "SET LOCAL lock_timeout = '500ms'"
_COLUMNS = sql.SQL("id, job_id, at, source, target, reason, detail, actor, celery_task")
_BOUNDS = re.compile(r"FOR VALUES FROM \('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """The events of the jobs with ids from `low` to below `high`."""

    name: str
    low: UUID
    high: UUID

    @property
    def ends_at(self) -> datetime:
        """The time that `high` stands for."""
        return time_of(self.high)


def id_at(time: datetime) -> UUID:
    """The smallest id of a job of that time."""
    return UUID(int=int(time.timestamp() * 1000) << 80)


def time_of(job_id: UUID) -> datetime:
    """The time that an id begins with."""
    return datetime.fromtimestamp((job_id.int >> 80) / 1000, UTC)


def length_days(keep_days: float | None) -> int:
    """How many days a new partition covers, if timelines are kept for `keep_days`; None: for ever."""
    return LONGEST_DAYS if keep_days is None else max(1, min(LONGEST_DAYS, round(keep_days / PARTS)))


_PARTITIONS: LiteralString = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'job_events'::regclass
"""


def partitions(conn: Connection) -> list[Partition]:
    """All but the default one, the oldest first."""
    found = []
    for name, bounds in conn.execute(_PARTITIONS):
        # NULL: it was dropped since this statement began.
        if bounds is not None and (match := _BOUNDS.fullmatch(bounds)) is not None:
            found.append(Partition(name, UUID(match[1]), UUID(match[2])))
    return sorted(found, key=lambda partition: partition.low.int)


def next_partition(conn: Connection, days: int) -> Partition | None:
    """The partition to make now, of this number of days; None: there are enough ahead."""
    row = conn.execute("SELECT now()").fetchone()
    assert row is not None  # noqa: S101 - one row
    now = row[0].astimezone(UTC)
    spans = [(time_of(partition.low), partition.ends_at) for partition in partitions(conn)]
    following = next_span(now, days, spans)
    if following is None:
        return None
    start, end = following
    return Partition(f"job_events_{start:%Y%m%d%H}", id_at(start), id_at(end))


Span = tuple[datetime, datetime]


def next_span(now: datetime, days: int, spans: Sequence[Span]) -> Span | None:
    """From when to when the next partition is, at most this number of days. None: there are enough ahead.

    It begins where those around now end; if that is too near, at a midnight that is not. `spans`: of all partitions,
    the oldest first. Those far ahead, which a clock that was wrong for a while has left, do not stand for all before.
    """
    start = _end_of_cover(now, spans)
    soon = now + LEAST_AHEAD
    if start < soon:
        start = _end_of_cover((soon + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0), spans)
    if start >= now + AHEAD:
        return None
    return start, min([low for low, _ in spans if low > start] + [start + timedelta(days=days)])


def _end_of_cover(time: datetime, spans: Sequence[Span]) -> datetime:
    """The first time from `time` on that no partition has."""
    for low, high in spans:
        if low <= time < high:
            time = high
    return time


def create(begin: Begin, partition: Partition) -> None:
    """Make a partition, and move to it what the default one has of its jobs, such as those of a clock that is ahead.

    PostgreSQL makes sure that nothing else of it is in the default partition, and until then no session can use that.
    If it is large, a constraint proves it before, which refuses such jobs until this ends.

    Raises:
        LocksHeld: a lock was not free; nothing is left behind.
    """
    names = {
        "new": sql.Identifier(partition.name),
        "low": sql.Literal(partition.low),
        "high": sql.Literal(partition.high),
    }
    names |= {"default": DEFAULT, "columns": _COLUMNS}
    with begin() as conn:
        row = conn.execute("SELECT relpages FROM pg_class WHERE oid = 'job_events_default'::regclass").fetchone()
    proves = row is not None and row[0] > _SMALL_PAGES
    try:
        if proves:
            _prove(begin, partition, names)
        with _changing(begin) as conn:
            if partition not in partitions(conn):  # another process may be quicker
                if proves:
                    _check_guard(conn, names)
                _make(conn, names, proved=proves)
            _free(conn)
    except BaseException:
        if proves:
            with _changing(begin) as conn:
                _free(conn)
        raise


def _free(conn: Connection) -> None:
    """Let the default partition take every job again."""
    conn.execute(_BRIEF)
    conn.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS without_next").format(DEFAULT))


def _make(conn: Connection, names: dict[str, sql.Composable], *, proved: bool) -> None:
    conn.execute(sql.SQL("CREATE TABLE {new} (LIKE job_events INCLUDING DEFAULTS)").format(**names))
    if proved:  # no further rows can come
        conn.execute(sql.SQL(_MOVE).format(**names))
        conn.execute(sql.SQL("ALTER TABLE {default} VALIDATE CONSTRAINT without_next").format(**names))
        _lock(conn)
    else:
        _lock(conn)
        conn.execute(sql.SQL(_MOVE).format(**names))
    conn.execute(sql.SQL(_ATTACH).format(**names))


def _lock(conn: Connection) -> None:
    """Lock what attaching a partition locks, in the order of the writers."""
    conn.execute("LOCK TABLE jobs IN SHARE UPDATE EXCLUSIVE MODE")  # for the foreign key; a vacuum stops
    conn.execute(_BRIEF)
    conn.execute("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
    conn.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(DEFAULT))


_MOVE: LiteralString = """
WITH moved AS (DELETE FROM {default} WHERE job_id >= {low} AND job_id < {high} RETURNING *)
INSERT INTO {new} ({columns}) SELECT {columns} FROM moved
"""
_ATTACH: LiteralString = "ALTER TABLE job_events ATTACH PARTITION {new} FOR VALUES FROM ({low}) TO ({high})"
_WITHOUT: LiteralString = """
ALTER TABLE {default} DROP CONSTRAINT IF EXISTS without_next,
    ADD CONSTRAINT without_next CHECK (job_id < {low} OR job_id >= {high}) NOT VALID
"""
_ANY: LiteralString = "SELECT FROM {default} WHERE job_id >= {low} AND job_id < {high} LIMIT 1"
_GUARD: LiteralString = """
SELECT FROM pg_constraint WHERE conrelid = 'job_events_default'::regclass AND conname = 'without_next'
   AND pg_get_constraintdef(oid) LIKE '%' || {low} || '%' || {high} || '%'
"""


def _prove(begin: Begin, partition: Partition, names: dict[str, sql.Composable]) -> None:
    """Prove that the default partition has nothing of the new one; if it has something, `create` moves that first."""
    with _changing(begin) as conn:
        conn.execute(_BRIEF)
        conn.execute(sql.SQL(_WITHOUT).format(**names))
    with _changing(begin) as conn:
        if partition in partitions(conn):
            return
        _check_guard(conn, names)
        if conn.execute(sql.SQL(_ANY).format(**names)).fetchone() is None:
            conn.execute(sql.SQL("ALTER TABLE {default} VALIDATE CONSTRAINT without_next").format(**names))


def _check_guard(conn: Connection, names: dict[str, sql.Composable]) -> None:
    """Check that the constraint is still there: between two transactions another process may have removed it.

    Raises:
        LocksHeld: it is not.
    """
    if conn.execute(sql.SQL(_GUARD).format(**names)).fetchone() is None:
        raise LocksHeld("another process makes partitions of the timelines")


@contextmanager
def _changing(begin: Begin) -> Iterator[Connection]:
    """A transaction that changes the default partition. The weak lock stops a vacuum; no writer waits for it."""
    with begin() as conn:
        limit(conn, _PATIENT)
        conn.execute(_WEAK)
        conn.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(DEFAULT))
        yield conn


_NEEDED: LiteralString = """
WITH slice AS MATERIALIZED (
    SELECT id, finished_at FROM jobs WHERE id > %(after)s AND id < %(high)s ORDER BY id LIMIT %(limit)s
)
SELECT (SELECT id FROM slice ORDER BY id DESC LIMIT 1), ARRAY(
    SELECT id FROM slice WHERE %(age_s)s::float8 IS NULL OR finished_at IS NULL
                            OR finished_at >= now() - make_interval(secs => %(age_s)s))
"""


def drop(begin: Begin, partition: Partition, age_s: float | None) -> bool:
    """Drop a partition, but keep the events of jobs that did not end more than `age_s` seconds ago; None: of all jobs
    that there still are.

    False: these are too many, and it is left as it is; or another process has dropped it.

    Raises:
        LocksHeld: a lock was not free; the partition is left as it is.
    """
    name = sql.Identifier(partition.name)
    with begin() as conn:
        if partition not in partitions(conn):
            return False
        row = conn.execute(sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(name)).fetchone()
    newest = 0 if row is None else row[0]
    needed: list[UUID] = []
    after: UUID | None = UUID(int=max(partition.low.int - 1, 0))
    while after is not None:
        parameters = {"after": after, "high": partition.high, "limit": _SLICE, "age_s": age_s}
        with begin() as conn:
            row = conn.execute(_NEEDED, parameters).fetchone()
        assert row is not None  # noqa: S101 - one row
        after = row[0]
        needed += row[1]
        if len(needed) > MOST_KEPT:
            return False
    with begin() as conn:
        if partition not in partitions(conn):
            return False
        limit(conn, _PATIENT)
        conn.execute(_WEAK)
        conn.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(name))
        conn.execute(_BRIEF)
        conn.execute("LOCK TABLE ONLY job_events IN ACCESS EXCLUSIVE MODE")
        # Events that were written since the jobs were read are kept, whatever their jobs are. To detach the partition
        # and to copy from it would be shorter, but would lock `jobs` against readers, too.
        conn.execute(_COPY_TABLE)
        conn.execute(
            sql.SQL(_COPY).format(columns=_COLUMNS, name=name), {"needed": needed, "newest": newest}, prepare=False
        )
        conn.execute(sql.SQL("DROP TABLE {}").format(name))
        conn.execute(sql.SQL(_KEEP).format(columns=_COLUMNS))
    return True


_COPY_TABLE: LiteralString = "CREATE TEMPORARY TABLE needed_events (LIKE job_events) ON COMMIT DROP"
_COPY: LiteralString = """
INSERT INTO pg_temp.needed_events ({columns})
SELECT {columns} FROM {name} WHERE job_id = ANY(%(needed)s::uuid[]) OR id > %(newest)s
"""
_KEEP: LiteralString = """
INSERT INTO job_events ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM pg_temp.needed_events
"""

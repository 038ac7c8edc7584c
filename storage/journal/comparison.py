"""Compare the database with its journal, and settle what a restore has lost."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

import psycopg

from storage.bucket.objects import Objects
from storage.database import Connection, Database
from storage.journal import segments, state
from storage.journal.entries import Entry, Kept, Unreadable
from storage.journal.restores import Recovered, missing, recover
from storage.journal.state import HoldCode, JournalState

log = logging.getLogger("reelq.journal")

SETTLED = timedelta(minutes=1)
"""`through` moves on with each heartbeat, and stores have clocks of their own: a segment that was written no later than
this after it is as old as the database."""
_AT_ONCE = 8
_LOOK = "Without that, look at the gateway for jobs submitted after the backup, then run `reelq db confirm`"
_FIRST_JOB: LiteralString = "SELECT min(created_at) FROM jobs"
_FIRST_TIMELINE: LiteralString = "SELECT pg_walfile_name(pg_current_wal_lsn()) LIKE '00000001%'"
_KNOWN_JOBS: LiteralString = "SELECT id FROM jobs WHERE id = ANY(%(ids)s)"
_WAITING_BEFORE: LiteralString = """
SELECT EXISTS (SELECT FROM jobs WHERE state IN ('queued', 'submitting', 'unconfirmed') AND created_at < %(moment)s)
"""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read from the bucket. `first_at`: when the journal begins; `hold`: why a person must decide; `problem`:
    why nothing could be read."""

    entries: Sequence[Entry] = ()
    first_at: datetime | None = None
    hold: tuple[HoldCode, str] | None = None
    problem: str | None = None


def place_of(objects: Objects) -> str:
    """The bucket that has the journal, as people know it."""
    return f"{objects.traits.place.endpoint}/{objects.bucket}/{objects.keys.journal}"


def compare(database: Database, objects: Objects) -> datetime | None:
    """Bring the database up to its journal, or hold its submits. Returns the moment up to which both agree from now on;
    None: the database was replaced in between, so compare again.

    The caller sees to it that nothing is submitted at the same time. The store is read outside of transactions.

    Raises:
        StoreUnavailable: the store does not respond; nothing is changed.
        DatabaseUnavailable: as `Database.begin`.
    """
    with database.begin() as conn:
        known = state.read_state(conn)
    read = _read(database, objects, known)
    with database.begin() as conn:
        kept = missing(conn, read.entries, known.through).kept
    in_bucket = _in_bucket(objects, kept)
    with database.begin() as conn:
        through = state.advance(conn, known.through)
        if through is None:
            return None
        held = read.hold
        if lost := missing(conn, read.entries, known.through):
            recovered = recover(conn, lost, in_bucket)
            state.note_restored(conn, _report(known, recovered))
            _log(known, recovered)
            held = held or _gap(conn, known, read.first_at)
        if held is not None:
            state.hold(conn, *held)
            log.error("journal.held code=%s %s", *held)
        elif read.problem is not None:
            state.note_problem(conn, "not_listed", read.problem)
            log.warning("journal.not_listed %s", read.problem)
            if known.hold is not None and known.hold.get("code") == state.RESTORED:
                state.hold(conn, state.RESTORED, f"{read.problem}, and restart the scheduler. {_LOOK}")
        else:
            state.note_compared(conn)
            state.note_place(conn, place_of(objects))
    return through


def _read(database: Database, objects: Objects, known: JournalState) -> _Read:
    return _from_own(database, objects, known) if known.through is not None else _from_every(database, objects, known)


def _unreadable(damaged: Sequence[Unreadable]) -> tuple[HoldCode, str] | None:
    if not damaged:
        return None
    more = f" ({len(damaged) - 1} more like it)" if len(damaged) > 1 else ""
    return "unreadable", (
        f"the journal cannot be read: {damaged[0]}{more}. It may name jobs that were submitted after a backup; look at "
        "the gateway, then run `reelq db confirm`"
    )


def _not_listed(objects: Objects) -> _Read:
    return _Read(
        problem=f"the key may not list {place_of(objects)}, so a restored backup cannot be noticed; "
        "allow s3:ListBucket for this prefix"
    )


def _from_own(database: Database, objects: Objects, known: JournalState) -> _Read:
    """Entries that the database may not know, as it had all of them at `through`."""
    found = segments.of_lineage(objects, known.lineage, known.through)
    if found is None:
        return _not_listed(objects)
    if not found.keys and known.place not in (None, place_of(objects)) and known.has_waiting and known.has_attempts:
        everything = segments.of_lineage(objects, known.lineage, None)
        if everything is not None and not everything.keys:
            return _Read(hold=("copy", _copied(known, objects)))
    entries, damaged = segments.entries(objects, found.keys)
    if damaged and never_promoted(database):
        damaged = [one for one in damaged if not _is_settled(objects, one, known)]
    return _Read(entries, hold=_unreadable(damaged))


def never_promoted(database: Database) -> bool:
    """Whether no replica ever took the place of this server: one may lack the last submits, although it is as new as
    the last heartbeat. False also where that is not known."""
    try:
        with database.begin() as conn:
            row = conn.execute(_FIRST_TIMELINE).fetchone()
    except psycopg.Error:
        return False
    return row is not None and bool(row[0])


def _is_settled(objects: Objects, damaged: Unreadable, known: JournalState) -> bool:
    """Whether the database is as new as the segment, so that the segment has nothing that it does not know. A store
    that is killed in the middle of a PUT leaves such a one, and most kills of a store are no restore."""
    if known.hold is not None or known.through is None:  # a restore, or a doubt that only a person ends
        return False
    info = objects.head(damaged.key)
    settled = info is None or info.modified_at <= known.through + SETTLED
    if settled:
        log.warning("journal.damaged %s; the database is as new", damaged)
    return settled


def _copied(known: JournalState, objects: Objects) -> str:
    return (
        f"the journal of this database is in {known.place}, and there is none in {place_of(objects)}. A copy of a "
        "database that is in use would submit its jobs a second time; if the bucket was moved, run `reelq db confirm`"
    )


def _from_every(database: Database, objects: Objects, known: JournalState) -> _Read:
    """Entries of every database that shares jobs with this one.

    It was never compared: it is new, an older release wrote it, or it is an old backup of one that has a journal.
    """
    with database.begin() as conn:
        row = conn.execute(_FIRST_JOB).fetchone()
    if row is None or row[0] is None:
        return _Read()
    found = segments.of_every_lineage(objects)
    if found is None:
        return _not_listed(objects)
    entries: list[Entry] = []
    damaged: list[Unreadable] = []
    first_at: list[datetime] = []
    for one in found:
        own, unreadable = segments.entries(objects, one.since(row[0]))  # no job is sent before it is created
        if _related(database, own) or (unreadable and not own):
            entries += own
            damaged += unreadable
            first_at.append(one.first_at)
    return _Read(entries, min(first_at, default=None), hold=_unreadable(damaged))


def _related(database: Database, entries: Sequence[Entry]) -> bool:
    """Whether this database knows a job of these entries."""
    with database.begin() as conn:
        return conn.execute(_KNOWN_JOBS, {"ids": list({entry.job_id for entry in entries})}).fetchone() is not None


def _gap(conn: Connection, known: JournalState, first_at: datetime | None) -> tuple[HoldCode, str] | None:
    """The hold of a backup from before the journal: what was submitted between the two is not known."""
    if known.through is not None or first_at is None:
        return None
    row = conn.execute(_WAITING_BEFORE, {"moment": first_at}).fetchone()
    if row is None or not row[0]:
        return None
    message = (
        f"this database is older than its journal, which begins at {first_at:%Y-%m-%d %H:%M} UTC: what was submitted "
        "before that is not known. Look at the gateway, then run `reelq db confirm`"
    )
    return "gap", message


def _in_bucket(objects: Objects, kept: Sequence[Kept]) -> set[UUID]:
    """Jobs whose video is in the bucket, with the size that the journal names."""

    def there(entry: Kept) -> bool:
        key = entry.columns.get("object_key")
        info = None if key is None else objects.head(key)
        return info is not None and info.size_bytes == entry.columns.get("size_bytes")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return {entry.job_id for entry, found in zip(kept, pool.map(there, kept), strict=True) if found}


def _report(known: JournalState, recovered: Recovered) -> dict[str, object]:
    return {
        "found_at": datetime.now(UTC),
        "since": known.through,
        "until": recovered.until,
        "adopted": recovered.adopted,
        "unconfirmed": recovered.unconfirmed,
        "stored": recovered.stored,
        "lost": recovered.lost,
    }


def _log(known: JournalState, recovered: Recovered) -> None:
    log.warning(
        "database.restored since=%s until=%s adopted=%d unconfirmed=%d stored=%d lost=%d",
        *(known.through, recovered.until),
        *(recovered.adopted, recovered.unconfirmed, recovered.stored, recovered.lost),
    )

"""Read and write despite short outages of the database, and wait for jobs to finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from psycopg_pool import PoolTimeout

from producer.errors import JobNotFound
from producer.wording import continues, plural
from storage.database import Connection, Database, DatabaseUnavailable, Limits, LocksHeld, connect
from storage.jobs import queries
from storage.jobs.records import JobView

T = TypeVar("T")

_STORE_TRIES = 4
_IN_DOUBT_S = 5.0
"""How long a later try waits for the commit of an earlier one, whose answer was lost."""
_POLL_FIRST_S, POLL_CAP_S = 0.1, 1.0
_OUTAGE_S = 60.0
"""How long `wait` tolerates a database that does not answer."""


def read(database: Database, question: Callable[[Connection], T]) -> T:
    """Run a transaction that only reads.

    Raises:
        DatabaseUnavailable: the database does not answer; the text gives the cause.
    """
    try:
        with database.begin() as conn:
            return question(conn)
    except DatabaseUnavailable as exc:
        raise _explained(database, exc) from exc


def read_through_outage(database: Database, question: Callable[[Connection], T]) -> T:
    """The same; tries again while the database does not answer.

    Raises:
        DatabaseUnavailable: it has not answered for a minute.
    """
    give_up = time.monotonic() + _OUTAGE_S
    while True:
        try:
            return read(database, question)
        except DatabaseUnavailable:
            if time.monotonic() >= give_up:
                raise
            time.sleep(POLL_CAP_S)


def write_surely(database: Database, limits: Limits, write: Callable[[Connection], T]) -> T:
    """Run a transaction, and again if the connection was lost: `write` detects an earlier commit, and waits for one
    that is under way.

    Raises:
        LocksHeld: it waited too long for other transactions; nothing was stored.
        DatabaseUnavailable: the database does not answer.
    """
    for attempt in range(1, _STORE_TRIES + 1):
        try:
            with database.begin(limits=limits) as conn:
                return write(conn)
        except DatabaseUnavailable as exc:
            if attempt == 1 and isinstance(exc, LocksHeld):
                raise
            if attempt == 1 and isinstance(exc.__cause__, PoolTimeout):
                raise _explained(database, exc) from exc
            if attempt == _STORE_TRIES:
                doubt = "the jobs may have been stored; it is safe to retry with the same idempotency_key or campaign"
                raise DatabaseUnavailable(f"{_explained(database, exc)}; {doubt}") from exc
            limits = replace(limits, lock_s=max(limits.lock_s, _IN_DOUBT_S))
            time.sleep(0.2 * attempt)
    raise AssertionError("the last try returns or raises")


def wait_for(
    database: Database, tenant: str, ids: Sequence[UUID], timeout: float | None, *, held_is_finished: bool
) -> Generator[float, None, list[JobView]]:
    """Wait until each of these jobs is terminal, or held if that counts; yields the seconds to pause before the next
    look, and returns the jobs.

    Raises:
        TimeoutError, JobNotFound, DatabaseUnavailable: as `Producer.wait`.
    """

    def look(conn: Connection) -> tuple[int, dict[UUID, JobView] | None]:
        waiting = queries.unfinished_of(conn, tenant, ids, held_is_finished=held_is_finished)
        known = sum(queries.counts_of(conn, tenant, ids).values())
        return waiting, None if waiting and known == len(set(ids)) else queries.get_jobs(conn, tenant, ids)

    deadline = None if timeout is None else time.monotonic() + timeout
    pause = _POLL_FIRST_S
    last_answer = time.monotonic()
    while True:
        waiting: int | None = None
        try:
            waiting, found = read(database, look)
        except DatabaseUnavailable:
            if time.monotonic() - last_answer >= _OUTAGE_S:
                raise
        else:
            last_answer = time.monotonic()
            if found is not None:
                missing = next((item for item in ids if item not in found), None)
                if missing is not None:
                    raise JobNotFound(missing)
                return [found[item] for item in ids]
        if deadline is not None and time.monotonic() >= deadline:
            if waiting is None and len(ids) == 1:  # the database did not say how many
                waiting = 1
            unfinished, of = "some" if waiting is None else waiting, plural(len(ids), "job")
            raise TimeoutError(f"{unfinished} of {of} did not finish within {timeout:g} s; {continues(waiting)}")
        yield pause if deadline is None else min(pause, max(deadline - time.monotonic(), 0.0))
        pause = min(pause * 1.3, POLL_CAP_S)


def _explained(database: Database, error: DatabaseUnavailable) -> DatabaseUnavailable:
    """The cause of an error: the pool only reports a timeout, so try one connection without it."""
    if isinstance(error.__cause__, PoolTimeout):
        try:
            with connect(database.url):
                pass
        except DatabaseUnavailable as exc:
            return exc
    return error

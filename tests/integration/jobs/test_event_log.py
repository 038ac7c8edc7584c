"""Readers of the log of events have each event once, however transactions overlap."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import UUID

import psycopg
import pytest

from storage.database import Database, connect
from storage.jobs.enqueue import enqueue_jobs
from storage.jobs.events.log import EventLog, position_now
from storage.jobs.events.positions import parse_position
from tests.integration.jobs.test_jobs import a_job

_INSERT = "INSERT INTO job_events (job_id, target, reason) VALUES (%s, 'queued', 'test') RETURNING id"


@pytest.fixture
def job_id(postgres_url: str) -> UUID:
    with connect(postgres_url) as conn:
        return enqueue_jobs(conn, [a_job()])[0].id


class Writers:
    """Transactions that overlap."""

    def __init__(self, url: str, job_id: UUID, count: int, stack: ExitStack) -> None:
        self.connections = [stack.enter_context(psycopg.connect(url)) for _ in range(count)]
        self.job_id = job_id
        self.open: list[list[int]] = [[] for _ in self.connections]
        self.committed: list[int] = []

    def write(self, which: int) -> None:
        # As every statement of ours: the job's row first, which gives the transaction its number.
        self.connections[which].execute("SELECT pg_current_xact_id()")
        row = self.connections[which].execute(_INSERT, [self.job_id]).fetchone()
        assert row is not None
        self.open[which].append(row[0])

    def end(self, which: int, commits: bool) -> None:
        self.connections[which].commit() if commits else self.connections[which].rollback()
        if commits:
            self.committed += self.open[which]
        self.open[which] = []


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """For thousands of reads: a new connection for each would take PostgreSQL most of the test."""
    pool = Database(postgres_url, name="test", size=1)
    yield pool
    pool.close()


def read_on(database: Database, reader: EventLog) -> list[int]:
    """What one read of a reader finds, in a transaction of its own."""
    with database.begin() as conn:
        return [event["id"] for event, _ in reader.read(conn)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("page", [3, 500])
def test_every_event_is_read_once_however_transactions_overlap(
    postgres_url: str, database: Database, job_id: UUID, seed: int, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventLog.read, "__defaults__", (page,))
    monkeypatch.setattr("storage.jobs.events.log.MAX_GAPS", 5)
    choice = random.Random(seed)
    with ExitStack() as stack:
        writers = Writers(postgres_url, job_id, 5, stack)
        with database.begin() as conn:
            steady = EventLog(position_now(conn))
        resumed = steady.position
        by_steady: list[int] = []
        by_resumed: list[int] = []
        for _ in range(120):
            which = choice.randrange(5)
            match choice.randrange(5):
                case 0 | 1:
                    writers.write(which)
                case 2 if which:  # the first stays open for long
                    writers.end(which, commits=choice.random() < 0.7)
                case 3:
                    by_steady += read_on(database, steady)
                case 4:
                    parsed = parse_position(str(resumed))
                    assert parsed is not None
                    reader = EventLog(parsed)  # a client that connects again for each page
                    by_resumed += read_on(database, reader)
                    resumed = reader.position
        for which in range(5):
            writers.end(which, commits=True)
        reader = EventLog(resumed)
        for _ in range(200):
            by_steady += read_on(database, steady)
            by_resumed += read_on(database, reader)
    assert sorted(by_steady) == sorted(writers.committed)
    assert sorted(by_resumed) == sorted(writers.committed)
    assert steady.position.gaps == reader.position.gaps == ()


def test_an_open_transaction_delays_no_other_event(postgres_url: str, database: Database, job_id: UUID) -> None:
    with ExitStack() as stack:
        writers = Writers(postgres_url, job_id, 2, stack)
        writers.write(0)
        with database.begin() as conn:
            early = EventLog(position_now(conn))
        writers.write(1)
        writers.end(1, commits=True)
        with database.begin() as conn:
            late = EventLog(position_now(conn))  # it begins behind the other's event, and still has the open one ahead
        assert read_on(database, early) == writers.committed
        assert read_on(database, late) == []
        writers.end(0, commits=True)
        assert read_on(database, early) == read_on(database, late) == writers.committed[1:]


def test_what_was_rolled_back_is_given_up(postgres_url: str, database: Database, job_id: UUID) -> None:
    with ExitStack() as stack:
        writers = Writers(postgres_url, job_id, 2, stack)
        with database.begin() as conn:
            reader = EventLog(position_now(conn))
        writers.write(0)
        writers.write(1)
        writers.end(1, commits=True)
        assert read_on(database, reader) == writers.committed
        assert "." in str(reader.position)
        writers.end(0, commits=False)
        assert read_on(database, reader) == []
        assert str(reader.position) == str(writers.committed[0])

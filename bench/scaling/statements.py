"""Measure the CPU of each transaction of a job's life in the client and in PostgreSQL, for single rows and batches.

The functions of the scheduler and the workers write the whole life of each job, without messages or requests.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from statistics import median
from typing import LiteralString, TypeVar
from uuid import UUID

import psycopg

from bench.scaling.costs import TRANSACTIONS, Linear, TableCosts, Transaction
from bench.scaling.cpu import PAUSE_S, tree_cpu_s
from seedance.account import Account
from seedance.gateways.base import Submitted, TaskReport, TaskStatus
from storage.admission.grants import Grant, grants
from storage.database import Connection, Database
from storage.jobs import attempts, claims, durations, transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Correlation, Move, NewJob, Postponement, Work
from storage.jobs.shown.provenance import load_to_copy
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from storage.leases import Claimed
from storage.settings import Settings
from worker.polling.decisions import decide_poll
from worker.polling.pacing import PollPacing
from worker.scheduling.admission import claim_for
from worker.submitting.decisions import decide_submit
from worker.transferring.companions import Complete
from worker.transferring.decisions import decide_transfer
from worker.transferring.upload import Stored

LEASE_S = 600.0
REQUEST = {"prompt": "a lighthouse at dusk, the sea is calm, slow push in, warm light" * 3, "duration": 5}
_URL = "https://files.example.com/videos/" + "x" * 480 + "?X-Tos-Expires=86400&X-Tos-Signature=" + "f" * 64
_NOW: LiteralString = "UPDATE jobs SET due_at = now() WHERE state = %s"
_SIZES: LiteralString = """
SELECT pg_table_size('jobs'), pg_indexes_size('jobs'), pg_total_relation_size('attempts'),
       (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('job_events'))::bigint,
       (SELECT count(*) FROM job_events)
"""
T = TypeVar("T")
Leases = Sequence[tuple[UUID, int]]
Works = Mapping[UUID, Work]
PACING = PollPacing(2.0, 60.0)
DAY_S = 86400.0


class Meter:
    """Sums per transaction: client CPU, PostgreSQL CPU, wall-clock time, WAL, rows, calls."""

    def __init__(self, db: Database, postgres: int) -> None:
        self._db, self._postgres = db, postgres
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 6)
        self._walls_ms: dict[str, list[float]] = defaultdict(list)

    def _wal(self) -> float:
        with self._db.begin() as conn:
            row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        assert row is not None
        return float(row[0])

    def run(self, name: str, batches: Sequence[Sequence[T]], work: Callable[[Connection, Sequence[T]], object]) -> None:
        """Run one transaction per batch."""
        before = self._wal(), tree_cpu_s(self._postgres), time.process_time()
        for batch in batches:
            time.sleep(PAUSE_S)
            begun_s = time.perf_counter()
            with self._db.begin() as conn:
                work(conn, batch)
            self._walls_ms[name].append((time.perf_counter() - begun_s) * 1000)
        client_s = time.process_time() - before[2]
        database_s = tree_cpu_s(self._postgres) - before[1]
        took = (client_s * 1000, database_s * 1000, 0.0, self._wal() - before[0])
        for index, value in enumerate((*took, sum(map(len, batches)), len(batches))):
            self._sums[name][index] += value

    def wal_bytes(self) -> float:
        """Bytes of WAL of all transactions."""
        return sum(sums[3] for sums in self._sums.values())

    def per_call(self, name: str) -> tuple[list[float], float]:
        """Client, database and wall-clock milliseconds and bytes of WAL per call, and the rows per call. The clock's
        are medians: one pause of a machine with other work would be more than all calls together."""
        sums = self._sums[name]
        client, database, _, wal = (value / sums[5] for value in sums[:4])
        return [client, database, median(self._walls_ms[name]), wal], sums[4] / sums[5]


def measure_transactions(url: str, postgres: int, lives: int) -> tuple[dict[str, Transaction], TableCosts]:
    """The cost of each transaction, from batches of 1 and 50 rows, and the size of the tables afterwards."""
    with closing(Database(url, name="bench", size=1)) as db:
        live(Meter(db, postgres), db, 50, 50)
        single, many = Meter(db, postgres), Meter(db, postgres)
        live(single, db, lives // 20, 1)
        with db.begin() as conn:
            conn.execute("TRUNCATE jobs, durations CASCADE")
        live(many, db, lives, 50)
        with psycopg.connect(url, autocommit=True) as plain:
            before_s = tree_cpu_s(postgres)
            plain.execute("VACUUM (ANALYZE) jobs, attempts, job_events")
            vacuum_s = tree_cpu_s(postgres) - before_s
            plain.execute("VACUUM (FULL, ANALYZE)")  # the size without dead rows
            row = plain.execute(_SIZES).fetchone()
    assert row is not None
    tables = TableCosts(*(size / lives for size in (*row, many.wal_bytes(), vacuum_s * 1000)))
    return {name: _linear(single.per_call(name), many.per_call(name)) for name in TRANSACTIONS}, tables


def _linear(single: tuple[list[float], float], many: tuple[list[float], float]) -> Transaction:
    lines = []
    for one, more in zip(single[0], many[0], strict=True):
        row = max(0.0, (more - one) / (many[1] - single[1]))
        lines.append(Linear(max(0.0, one - row * single[1]), row))
    return Transaction(*lines)


def live(meter: Meter, db: Database, count: int, size: int) -> None:
    """Take `count` jobs through their whole life, each step in batches of `size`."""

    def cut(items: Sequence[T]) -> list[Sequence[T]]:
        return [items[start : start + size] for start in range(0, len(items), size)]

    def load(name: str, state: JobState, held: Leases) -> dict[UUID, Work]:
        found: list[Work] = []

        def read(conn: Connection, batch: Leases) -> None:
            if state is JobState.TRANSFERRING:
                found.extend(work for work, _ in load_to_copy(conn, batch))
            else:
                found.extend(load_work(conn, state, batch))

        meter.run(name, cut(held), read)
        return {work.id: work for work in found}

    def make_due(state: JobState) -> None:
        with db.begin() as conn:
            conn.execute(_NOW, [state])

    def claim(name: str, take: Callable[[Connection, int], list[Claimed]]) -> list[tuple[UUID, int]]:
        found: list[Claimed] = []
        meter.run(name, [range(size)] * (count // size), lambda conn, batch: found.extend(take(conn, len(batch))))
        return [(item.id, item.claim) for item in found]

    new = [NewJob(new_job_id(), REQUEST, "h", ["anyfast"]) for _ in range(count)]
    meter.run("enqueue", cut(new), enqueue_jobs)
    held = claim("claim_submits", lambda conn, n: claim_for(conn, [Grant(_ACCOUNT, n)], n, LEASE_S))
    load("load", JobState.QUEUED, held)
    meter.run("begin", cut(held), _begin)
    meter.run("accepted", cut(held), _accepted)
    for name, write in (("still", _still), ("found", _found)):
        make_due(JobState.GENERATING)
        held = claim("claim_polls", lambda conn, n: claims.claim_polls(conn, n, LEASE_S))
        works = load("load", JobState.GENERATING, held)
        meter.run(name, cut(held), partial(write, works=works))
    held = claim("claim_transfers", lambda conn, n: claims.claim_transfers(conn, n, LEASE_S))
    works = load("load_transfers", JobState.TRANSFERRING, held)
    meter.run("stored", cut(held), partial(_stored, works=works))


def _begin(conn: Connection, batch: Leases) -> None:
    patch = {"gateway": "anyfast", "model": "seedance"}
    moves = [
        Move(i, (JobState.QUEUED,), JobState.SUBMITTING, Reason.SUBMIT, claim, due_in_s=LEASE_S, patch=patch)
        for i, claim in batch
    ]
    attempts.begin_attempts(conn, moves, {i: Correlation(7, i.hex * 2) for i, _ in batch})


def _accepted(conn: Connection, batch: Leases) -> None:
    decided = {i: decide_submit(Submitted(f"cgt-{i}"), 0, PACING) for i, _ in batch}
    outcomes = [AttemptOutcome(i, 1, "accepted", 200, f"cgt-{i}") for i in decided]
    moves = [
        Move(i, (JobState.SUBMITTING,), d.target, d.reason, attempt=1, due_in_s=LEASE_S, patch=d.patch)
        for i, d in decided.items()
    ]
    attempts.finish_attempts(conn, outcomes, moves)


def _still(conn: Connection, batch: Leases, works: Works) -> None:
    transitions.postpone(conn, [Postponement(i, claim, LEASE_S, Reason.GENERATING, 0, 1) for i, claim in batch])


def _found(conn: Connection, batch: Leases, works: Works) -> None:
    report = TaskReport(TaskStatus.SUCCEEDED, "succeeded", video_url=_URL, usage={"total_tokens": 108900}, seed=7)
    cost = {"amount": 0.7, "currency": "CNY", "as_of": "2026-01-01", "tokens": 108900}
    decided = {i: decide_poll(report, works[i], _ACCOUNT.dialect, PACING, DAY_S) for i, _ in batch}
    moves = [
        Move(
            i,
            (JobState.GENERATING,),
            decided[i].target,
            decided[i].reason,
            claim,
            expires_in_s=decided[i].expires_in_s,
            patch={**decided[i].patch, "cost": cost},
        )
        for i, claim in batch
    ]
    durations.record(conn, [item.id for item in transitions.move(conn, moves)])


def _stored(conn: Connection, batch: Leases, works: Works) -> None:
    moves = []
    for i, claim in batch:
        name = f"videos/2026/01/01/{i}"
        done = Complete(Stored(f"{name}.mp4", 8_000_000, "0" * 64), f"{name}.jpg")
        decided = decide_transfer(done, works[i], DAY_S)
        moves.append(Move(i, (JobState.TRANSFERRING,), decided.target, decided.reason, claim, patch=decided.patch))
    transitions.move(conn, moves)


def measure_accounts(url: str, postgres: int, accounts: int, rounds: int) -> dict[str, float]:
    """CPU per further account in a scheduler's round, which locks the account and counts its usage."""
    found = {}
    with closing(Database(url, name="bench", size=1)) as db:
        for count in (1, accounts):
            settings = Settings(accounts=tuple(_account(number) for number in range(count)))
            for begin in (False, True):
                before = tree_cpu_s(postgres), time.process_time()
                for _ in range(rounds if begin else 1):
                    with db.begin() as conn:
                        grants(conn, settings)
            cpu = (tree_cpu_s(postgres) - before[0], time.process_time() - before[1])
            found[count] = [value / rounds * 1000 for value in cpu]
    more = [max(0.0, (many - one) / (accounts - 1)) for one, many in zip(found[1], found[accounts], strict=True)]
    return {"account_database_ms": more[0], "account_ms": more[1]}


def measure_claims(url: str, postgres: int, accounts: int, rounds: int) -> dict[str, float]:
    """CPU per further account whose jobs one claim takes, from as many jobs of one account and of several."""
    found = []
    with closing(Database(url, name="bench", size=1)) as db:
        for grants_ in ([Grant(_account(0), accounts)], [Grant(_account(number), 1) for number in range(accounts)]):
            with db.begin() as conn:
                count = accounts * (rounds + 2)
                enqueue_jobs(conn, [NewJob(new_job_id(), REQUEST, "h", ["anyfast"]) for _ in range(count)])
            meter = Meter(db, postgres)
            for name, times in (("warm", 2), ("claim", rounds)):
                meter.run(
                    name,
                    [range(accounts)] * times,
                    lambda conn, batch, given=grants_: claim_for(conn, given, len(batch), LEASE_S),  # type: ignore[misc] # mypy cannot type the default
                )
            found.append(meter.per_call("claim")[0])
            with db.begin() as conn:
                conn.execute("DELETE FROM jobs WHERE state = 'queued'")
    client_ms, database_ms, *_ = (max(0.0, many - one) / (accounts - 1) for one, many in zip(*found, strict=True))
    return {"claim_account_ms": client_ms, "claim_account_database_ms": database_ms}


def _account(number: int) -> Account:
    account = {"name": f"a{number}", "gateway": "anyfast", "base_url": "https://g", "api_key": "k", "max_in_flight": 9}
    return Account.model_validate(account)


_ACCOUNT = _account(0)
"""Made once: to check an account takes as long as many a transaction."""

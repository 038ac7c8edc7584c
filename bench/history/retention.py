"""What retention costs: events row by row and by partition, and jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

from bench.growing.filling import fill
from bench.growing.sizes import DAYS, Sizes
from bench.scaling.cpu import tree_cpu_s
from storage.database import Connection, Database
from storage.jobs.deletion.retention import forget_events, forget_jobs
from storage.jobs.events import partitions
from storage.jobs.events.partitions import Partition, id_at

DAY_S = 86400.0
EVENTS_OF_A_JOB = 5
_MORE: LiteralString = """
INSERT INTO job_events (job_id, target, reason)
SELECT id, 'generating', 'submitted' FROM jobs, generate_series(2, %(each)s) WHERE finished_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to delete: rows, seconds, CPU seconds of PostgreSQL, bytes of WAL."""

    rows: int
    seconds: float
    cpu_s: float
    wal: float


def measure_retention(db: Database, postgres: int, jobs: int, rounds: int) -> dict[str, Cost]:
    """Fill an empty database with ended jobs, two thirds of them in a partition, and delete from it."""
    half = datetime.now(UTC) - timedelta(days=DAYS / 3)
    old = Partition("job_events_bench", id_at(half - timedelta(days=DAYS)), id_at(half))
    fill(db, Sizes(ended=jobs, queued=0, generating=0, transferring=0, receivers=0))
    with db.begin() as conn:
        conn.execute(_MORE, {"each": EVENTS_OF_A_JOB})
    found = {"events, row by row": _cost(db, postgres, lambda conn: forget_events(conn, 2 * DAY_S, 5_000), rounds)}
    partitions.create(db.begin, old)
    with db.begin() as conn:
        row = conn.execute("SELECT count(*) FROM job_events_bench").fetchone()
    before = _meters(db, postgres)
    if not partitions.drop(db.begin, old, 2 * DAY_S):
        raise RuntimeError("the partition was not dropped, although every job of it ended long ago")
    after = _meters(db, postgres)
    found["events, a partition"] = Cost(row[0] if row else 0, *(b - a for a, b in zip(before, after, strict=True)))
    found["jobs, row by row"] = _cost(db, postgres, lambda conn: forget_jobs(conn, 2 * DAY_S, 1_000), rounds)
    return found


def _cost(db: Database, postgres: int, run: Callable[[Connection], int], rounds: int) -> Cost:
    rows = 0
    before = _meters(db, postgres)
    for _ in range(rounds):
        with db.begin() as conn:
            rows += run(conn)
    after = _meters(db, postgres)
    return Cost(rows, *(b - a for a, b in zip(before, after, strict=True)))


def _meters(db: Database, postgres: int) -> tuple[float, float, float]:
    with db.begin() as conn:
        row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    return time.monotonic(), tree_cpu_s(postgres), float(row[0]) if row else 0.0

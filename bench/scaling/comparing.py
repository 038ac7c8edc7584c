"""The figures of a real run beside those of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, LiteralString

import psycopg

from bench.scaling.costs import Costs
from bench.scaling.machinery import Layout
from bench.scaling.run import Figures, simulate
from bench.scaling.stack import TICK_S
from bench.scaling.workload import Workload

WITHIN = 0.15
BY_TIME = ("transactions_per_s", "wal_bytes_per_job")
BY_TIME_WITHIN = 0.25
"""These figures contain what is done by time: rounds, which take longer while there is work, autovacuum, statistics,
counters."""
RUNS = 10
IN_TICKS = ("detection_p50_s", "queue_wait_p50_s", "queue_wait_p99_s")
"""These figures may also be off by half a tick, because jobs are claimed once per tick."""
LOOSE = ("detection_p99_s", "scheduler_ms", "submit_poll_ms", "transfer_ms")
"""Shown, but not judged. With a few hundred jobs the first depends on the three slowest; the others are parts of
`cpu_ms_per_job`."""
_JOBS = """
SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM submitted_at)::float8,
       extract(epoch FROM generated_at)::float8, extract(epoch FROM finished_at)::float8, polls, gateway_task_id
FROM jobs WHERE request ->> 'duration' = '5'
"""
_COUNTERS: LiteralString = """
SELECT extract(epoch FROM clock_timestamp())::float8, pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
       (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid())
"""
_ANALYZE: Sequence[LiteralString] = (
    "ALTER SYSTEM SET autovacuum = off",
    "SELECT pg_reload_conf()",
    "VACUUM (ANALYZE)",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of the real run, named as in `Figures`."""

    makespan_s: float
    jobs_per_s: float
    polls_per_job: float
    detection_p50_s: float
    detection_p99_s: float
    queue_wait_p50_s: float
    queue_wait_p99_s: float
    cpu_ms_per_job: float
    servers_ms_per_job: float
    scheduler_ms: float
    submit_poll_ms: float
    transfer_ms: float
    transactions_per_s: float
    wal_bytes_per_job: float
    pace_ms: float
    round_transactions: float
    """Transactions of a scheduler's round without jobs, with all that the system always does."""


COMPARED = tuple(name for name in Measured.__slots__ if name not in ("pace_ms", "round_transactions"))


@dataclass(frozen=True, slots=True)
class Counters:
    """What the database has counted so far, and its connections now. `at_s`: its clock."""

    at_s: float
    wal_bytes: float
    transactions: float
    connections: int


class Observer:
    """Reads the counters on a connection of its own, whose transactions do not count."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        self._own = 0
        self.most_connections = 0

    def read(self) -> Counters:
        """The counters. A backend reports its transactions up to a second later."""
        self._own += 1
        row = self._conn.execute(_COUNTERS).fetchone()
        assert row is not None
        self.most_connections = max(self.most_connections, row[3])
        return Counters(row[0], float(row[1]), float(row[2] - self._own), row[3])

    def analyze(self) -> None:
        """Vacuum and analyze all tables, for the last time: autovacuum is off from now on."""
        for statement in _ANALYZE:
            self._own += 1
            self._conn.execute(statement)

    def succeeded(self) -> int:
        """The jobs that have succeeded."""
        self._own += 1
        row = self._conn.execute("SELECT count(*) FROM jobs WHERE state = 'succeeded'").fetchone()
        return 0 if row is None else int(row[0])


@dataclass(frozen=True, slots=True)
class Spent:
    """What a time of the run took: CPU seconds by role (see `bench.scaling.stack.ROLES`), while the machine had this
    pace."""

    seconds: float
    pace_ms: float
    cpu_s: Mapping[str, float]
    transactions: float
    wal_bytes: float


def spent(before: Counters, after: Counters, cpu_s: Mapping[str, float], pace_ms: float) -> Spent:
    """The difference of two readings."""
    return Spent(
        after.at_s - before.at_s,
        pace_ms,
        cpu_s,
        after.transactions - before.transactions,
        after.wal_bytes - before.wal_bytes,
    )


def within(run: Spent, idle: Spent, seconds: float) -> Spent:
    """What a run took in its first seconds: after them the system did what it does in `idle`. The WAL is that of jobs
    alone."""
    after = (run.seconds - seconds) / idle.seconds
    return Spent(
        seconds,
        run.pace_ms,
        {role: value - idle.cpu_s[role] * after for role, value in run.cpu_s.items()},
        run.transactions - idle.transactions * after,
        run.wal_bytes - idle.wal_bytes * run.seconds / idle.seconds,
    )


def measured(
    conn: psycopg.Connection[Any], ends: Mapping[str, float], run: Spent, idle: Spent, schedulers: int = 1
) -> tuple[Measured, Spent]:
    """The figures of the jobs in the table, and what these jobs took.

    `ends`: when each generation ended, by the gateway's task. `idle`: a time before the jobs, in which the system did
    what it always does.
    """
    rows = conn.execute(_JOBS).fetchall()
    count = len(rows)
    created_s, finished_s = min(row[0] for row in rows), max(row[3] for row in rows)
    waits = sorted(row[1] - row[0] for row in rows)
    late = sorted(row[2] - ends[row[5]] for row in rows)
    took = within(run, idle, finished_s - created_s)
    cpu_ms = {role: value / count * 1000 for role, value in took.cpu_s.items()}
    transfer_ms = cpu_ms["transfer"] + cpu_ms["decoder"]
    figures = Measured(
        makespan_s=took.seconds,
        jobs_per_s=count / took.seconds,
        polls_per_job=sum(row[4] for row in rows) / count,
        detection_p50_s=median(late),
        detection_p99_s=late[int(count * 0.99)],
        queue_wait_p50_s=median(waits),
        queue_wait_p99_s=waits[int(count * 0.99)],
        cpu_ms_per_job=cpu_ms["scheduler"] + cpu_ms["submit_poll"] + transfer_ms,
        servers_ms_per_job=cpu_ms["database"] + cpu_ms["broker"],
        scheduler_ms=cpu_ms["scheduler"],
        submit_poll_ms=cpu_ms["submit_poll"],
        transfer_ms=transfer_ms,
        transactions_per_s=took.transactions / took.seconds,
        wal_bytes_per_job=took.wal_bytes / count,
        pace_ms=run.pace_ms,
        round_transactions=idle.transactions / (idle.seconds / TICK_S * schedulers),
    )
    return figures, took


def predicted(work: Workload, layout: Layout, costs: Costs, round_transactions: float) -> dict[str, float]:
    """The same figures in the model: means of several runs, because polls have jitter and each run learns by itself."""
    runs = [simulate(work, layout, costs, seed=seed) for seed in range(RUNS)]

    def figure(run: Figures, name: str) -> float:
        if name == "transactions_per_s":
            return (run.transactions_per_job * run.ended + run.rounds * round_transactions) / run.makespan_s
        return float(getattr(run, name))

    return {name: sum(figure(run, name) for run in runs) / RUNS for name in COMPARED}


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both."""

    name: str
    predicted: float
    measured: float

    @property
    def off(self) -> float:
        """The model's deviation as a share of the real figure."""
        return self.predicted / self.measured - 1 if self.measured else 0.0

    @property
    def is_good(self) -> bool:
        """Whether the deviation is allowed."""
        near = self.name in IN_TICKS and abs(self.predicted - self.measured) <= TICK_S / 2
        within = BY_TIME_WITHIN if self.name in BY_TIME else WITHIN
        return near or self.name in LOOSE or abs(self.off) <= within


def compare(model: Mapping[str, float], real: Measured) -> list[Compared]:
    """Both, figure by figure."""
    found = asdict(real)
    return [Compared(name, model[name], found[name]) for name in COMPARED]


def show(figures: Sequence[Compared]) -> int:
    """Print them. Returns 1 if a judged figure is off by more than allowed."""
    print(f"{'':24}{'predicted':>12}{'measured':>12}{'off by':>10}")
    for one in figures:
        note = "   (not judged)" if one.name in LOOSE else "" if one.is_good else "   too much"
        print(f"{one.name:24}{one.predicted:12.3f}{one.measured:12.3f}{one.off:+10.1%}{note}")
    wrong = ", ".join(one.name for one in figures if not one.is_good)
    print(f"allowed: {WITHIN:.0%} ({', '.join(BY_TIME)}: {BY_TIME_WITHIN:.0%}); off by more: {wrong or 'none'}")
    return 1 if wrong else 0

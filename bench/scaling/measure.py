"""Measure whole runs, solve for the cost of each part of the work, and write `bench/costs.toml`.

The runs have different shapes: jobs one by one, slow generations, claimed polls, large videos, several accounts, many
jobs at once. The meters of the check measure them. The model of each run says how often each part was done, so the
costs are those with which the model takes as much as all runs did.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg

from bench.metering import pss_bytes
from bench.scaling.check import Ran, Trial, layout_of, real_run
from bench.scaling.comparing import RUNS, Spent
from bench.scaling.costs import COSTS_FILE, PARTS, WAL, Costs, Memory, TableCosts, load_costs, save_costs
from bench.scaling.observed import Observed
from bench.scaling.run import simulate
from bench.scaling.solving import Run, solve
from bench.scaling.stack import TICK_S
from bench.scaling.storing import stored

SHAPES = {
    "one by one": Trial(240, per_second=8.0),
    "slow generations, large videos": Trial(240, slots=120, median_s=4.0, video_bytes=4 * 2**20),
    "claimed polls": Trial(360, slots=120, median_s=4.0, lease_s=24.0),
    "several accounts": Trial(240, accounts=8, slots=8),
    "many at once": Trial(1000, slots=500),
}
PASSES = 3
"""How often the costs are solved for: the model of a run needs costs, which it hardly depends on."""
_SIZES: LiteralString = """
SELECT pg_table_size('jobs'), pg_indexes_size('jobs'), pg_total_relation_size('attempts'),
       (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('job_events'))::bigint,
       (SELECT count(*) FROM job_events)
"""


def observed(name: str, trial: Trial, ran: Ran) -> list[Observed]:
    """A run, and the idle time before it."""
    calm = _by_time(ran.idle.seconds)
    idle = {role: value for role, value in _took(ran.idle).items() if role in calm}
    return [
        Observed(f"{name}, before", idle, ran.idle.pace_ms, calm),
        Observed(name, _took(ran.took), ran.took.pace_ms, _by_time(ran.took.seconds), trial),
    ]


def _by_time(seconds: float) -> dict[str, dict[str, float]]:
    """The parts that are done by time, whatever the jobs."""
    return {
        **{role: {"tick": seconds / TICK_S} for role in ("scheduler", "database")},
        **{role: {"second": seconds} for role in ("submit_poll", "transfer", "broker")},
    }


def _took(spent: Spent) -> dict[str, float]:
    return {role: value * 1000 for role, value in spent.cpu_s.items()} | {WAL: spent.wal_bytes}


def times_in_model(trial: Trial, costs: Costs) -> dict[str, dict[str, float]]:
    """How often each part is done in the model of a run: means of several, because polls have jitter."""
    runs = [simulate(trial.in_model(), layout_of(trial), costs, seed=seed).parts for seed in range(RUNS)]
    return {
        role: {part: sum(run[role].get(part, 0.0) for run in runs) / RUNS for part in parts}
        for role, parts in PARTS.items()
    }


def solved(runs: list[Observed], costs: Costs) -> Costs:
    """The costs with which the model takes as much as these runs did, from costs that are near."""
    for _ in range(PASSES):
        equations: dict[str, list[Run]] = {role: [] for role in PARTS}
        for run in runs:
            of_jobs = times_in_model(run.trial, costs.at_pace(run.pace_ms)) if run.trial else {}
            for role in run.took:
                times = {**of_jobs.get(role, {}), **run.times.get(role, {})}
                equations[role].append(Run(times, _at_pace(run, role, costs.pace_ms)))
        costs = replace(costs, parts={role: solve(found) for role, found in equations.items()})
    return costs


def _at_pace(run: Observed, role: str, pace_ms: float) -> float:
    """What the run would have taken on a machine of this pace."""
    return run.took[role] * (1.0 if role == WAL else pace_ms / run.pace_ms)


def measure(*, quick: bool = False) -> Costs:
    """Measure all costs on this machine."""
    runs = stored()
    for name, trial in SHAPES.items():
        given = replace(trial, jobs=trial.jobs // 2) if quick else trial
        with real_run(given) as ran:
            runs += observed(name, given, ran)
            # Those of the last shape, which has the most jobs, are kept.
            memory, tables = _memory(ran.pids), _tables(ran.conn, given.warm + given.jobs)
    kept = load_costs()
    return replace(
        solved(runs, replace(kept, pace_ms=sum(run.pace_ms for run in runs) / len(runs))),
        as_of=datetime.now(UTC).date().isoformat(),
        machine=f"{psutil.cpu_count()} cores of {_cpu_name()}, Python {platform.python_version()}",
        tables=tables,
        memory=memory,
    )


def _tables(conn: psycopg.Connection[Any], jobs: int) -> TableCosts:
    """Sizes without dead rows and without what empty tables take. Deletes the jobs."""

    def sizes() -> list[float]:
        conn.execute("VACUUM (FULL, ANALYZE)")
        row = conn.execute(_SIZES).fetchone()
        assert row is not None
        return [float(value) for value in row]

    full = sizes()
    conn.execute("TRUNCATE jobs CASCADE")
    return TableCosts(*((one - empty) / jobs for one, empty in zip(full, sizes(), strict=True)))


def _memory(processes: Mapping[str, int]) -> Memory:
    return Memory(*(pss_bytes([processes[role]]) / 2**20 for role in ("scheduler", "submit_poll", "transfer")))


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main(quick: bool) -> int:
    """Measure the costs, write the file, and print its content."""
    save_costs(measure(quick=quick))
    print(COSTS_FILE.read_text(encoding="utf-8"))
    return 0

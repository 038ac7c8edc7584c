"""The part `history`: what retention costs, and how long writers wait for an upgrade of a large database.

python -m bench.history.run --jobs 5000000 --since 0033
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

from bench.history.retention import Cost, measure_retention
from bench.history.upgrade import Upgraded, prepare, upgrade_under_load
from bench.report import Report, Table, Target, Value, quantile
from bench.servers import Servers, run_servers
from storage import database
from storage.database import BULK, Database

JOBS, RETAINED, ROUNDS = 200_000, 60_000, 8
QUICK_JOBS, QUICK_RETAINED = 2_000, 3_000
SINCE = "0040"
"""The newest revision of the release before."""
LONGEST_WAIT_S = 1.0
JOBS_A_SECOND = 10_000_000 / 86_400
"""What retention must keep up with: 10 M jobs a day, each with five events."""
BUSY_SHARE = 0.1
"""The share of a core of PostgreSQL that retention may take at that rate."""


def measure(servers: Servers, jobs: int, retained: int, since: str) -> Report:
    """Measure both on these servers."""
    url = servers.database("retention")
    database.upgrade(url)
    with closing(Database(url, name="bench", size=2, limits=BULK)) as db:
        costs = measure_retention(db, servers.pids["postgres"], retained, ROUNDS if retained >= RETAINED else 1)
    servers.drop("retention")
    url = servers.database("upgraded")
    prepare(url, jobs, since)
    upgraded = upgrade_under_load(url)
    servers.drop("upgraded")
    waits = f"Upgrade from {since} with {jobs:,} ended jobs, in use: seconds of a statement of a writer"
    return Report(
        "history",
        [
            Table("Retention", ("what", "rows", "rows/s", "PostgreSQL µs/row", "WAL B/row"), _costs(costs)),
            Table(waits, ("statement", "count", "median", "p99", "longest before", "longest"), _waits(upgraded)),
        ],
        [
            Target("longest wait of a writer", upgraded.during.longest_s(), "<=", LONGEST_WAIT_S, " s"),
            Target("statements that failed", len(upgraded.during.failures), "<=", 0),
            Target("retention of 10 M jobs a day, cores", _cores(costs), "<=", BUSY_SHARE),
        ],
        [f"the upgrade took {upgraded.seconds:.1f} s", *sorted(set(upgraded.during.failures))[:5]],
    )


def _cores(costs: Mapping[str, Cost]) -> float:
    """Of PostgreSQL, for events by partition and jobs row by row."""
    of_jobs, of_events = costs["jobs, row by row"], costs["events, a partition"]
    a_job = of_jobs.cpu_s / max(of_jobs.rows, 1) + 5 * of_events.cpu_s / max(of_events.rows, 1)
    return JOBS_A_SECOND * a_job


def _costs(costs: Mapping[str, Cost]) -> list[dict[str, Value]]:
    return [
        {
            "what": what,
            "rows": cost.rows,
            "rows/s": cost.rows / cost.seconds,
            "PostgreSQL µs/row": cost.cpu_s * 1e6 / max(cost.rows, 1),
            "WAL B/row": cost.wal / max(cost.rows, 1),
        }
        for what, cost in costs.items()
    ]


def _waits(upgraded: Upgraded) -> list[dict[str, Value]]:
    return [
        {
            "statement": kind,
            "count": len(values),
            "median": quantile(values, 0.5),
            "p99": quantile(values, 0.99),
            "longest before": max(upgraded.before.seconds[kind], default=None),
            "longest": max(values, default=None),
        }
        for kind, values in upgraded.during.seconds.items()
    ]


def measure_part(quick: bool) -> Report:
    """The part of `reelq bench`."""
    with run_servers() as servers:
        return measure(servers, *((QUICK_JOBS, QUICK_RETAINED) if quick else (JOBS, RETAINED)), SINCE)


def main(arguments: Sequence[str]) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.history.run", description="Measure retention and upgrades.")
    parser.add_argument("--jobs", type=int, default=JOBS, help="ended jobs of the database that is upgraded")
    parser.add_argument("--retained", type=int, default=RETAINED, help="ended jobs of the database with retention")
    parser.add_argument("--since", default=SINCE, help="the revision of the schema before the upgrade")
    given = parser.parse_args(arguments)
    with run_servers() as servers:
        report = measure(servers, given.jobs, given.retained, given.since)
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if all(target.reached for target in report.targets) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Growth: what each statement that runs by itself or for a page costs at 100,000 jobs and at many more.

    python -m bench.growth --history 0.05 --live 0.2     # 500,000 ended jobs, 200,000 queued, …

`--scale 1` is 10 M ended jobs over 90 days, 1 M queued in 1,000 campaigns, 100,000 generating, 200,000 waiting to be
copied and 20,000 webhook receivers. Each database is filled in a PostgreSQL of its own in `--dir`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import psycopg

from bench.growing.filling import fill, settings_of, settle_statistics
from bench.growing.sizes import REFERENCE, Sizes, scaled
from bench.growing.statement import Statement
from bench.growing.statements import FULL_TICK, TICK, statements
from bench.report import Report, Table, Target, Value, quantile
from producer.local.servers.servers import local_servers, running
from producer.local.state import load_state
from storage import database
from storage.database import Connection, Database
from worker.garbage import spare_loaded
from worker.scheduling.beside import beside

ROUNDS, TICKS, QUICK_ROUNDS = 15, 60, 3
TICK_P50_MS, TICK_P99_MS, PAGE_MS, GROWTH = 25.0, 100.0, 100.0, 2.0
NOISE_MS = 2.0
"""A statement below this is fast enough, however its cost grew."""
Times = dict[str, list[float]]


@contextmanager
def filled(directory: Path, sizes: Sizes) -> Iterator[Database]:
    """A database with these rows, in a PostgreSQL that runs as long as the block; a filled one is used again."""
    directory.mkdir(parents=True, exist_ok=True)
    servers = local_servers(directory, load_state(directory), valkey=False, s3=False)
    servers.prepare("reelq")
    assert servers.postgres is not None
    with running(servers.specs()):
        database.upgrade(servers.postgres.url)
        db = Database(servers.postgres.url, name="bench", size=2)
        try:
            with db.begin() as conn:
                is_empty = conn.execute("SELECT FROM jobs LIMIT 1").fetchone() is None
            if is_empty:
                fill(db, sizes)
            with psycopg.connect(servers.postgres.url, autocommit=True) as own:
                settle_statistics(own)
            yield db
        finally:
            db.close()


def timed(db: Database, statement: Statement) -> float:
    """Milliseconds of one run; nothing that it writes stays."""
    spent = 0.0
    for step in statement.steps:
        with ExitStack() as transactions:
            as_scheduler = statement.kind in ("tick", "claim")
            conns = [transactions.enter_context(db.begin(planned_once=as_scheduler)) for _ in step]
            start = time.perf_counter()
            run_beside(list(zip(step, conns, strict=True)))
            spent += time.perf_counter() - start
            for conn in conns:
                conn.pgconn.exec_(b"ROLLBACK")  # unseen by psycopg, which would forget what it has prepared
    return spent * 1000


def run_beside(runs: Sequence[tuple[Callable[[Connection], object], Connection]]) -> None:
    """Run one transaction, or two side by side, as the scheduler does."""
    first, *others = runs
    if not others:
        first[0](first[1])
        return
    [(run, conn)] = others
    with beside(lambda: run(conn), lambda _: None) as result:
        first[0](first[1])
        result()


def measure(db: Database, sizes: Sizes, rounds: int, only: str) -> Times:
    """Milliseconds of each run of each statement whose name contains `only`, after two runs that do not count."""
    found: Times = {}
    spare_loaded()  # as the scheduler and workers do: to look through all that is loaded takes 90 ms of a round
    for statement in statements(db, settings_of(sizes)):
        if only not in f"{statement.kind}: {statement.name}":
            continue
        count = max(rounds, TICKS) if statement.kind == "tick" and rounds >= ROUNDS else rounds
        found[f"{statement.kind}: {statement.name}"] = [timed(db, statement) for _ in range(count + 2)][2:]
    return found


def compare(sizes: Sizes, rounds: int, directory: Path, only: str = "") -> Report:
    """Fill both databases, measure, and judge."""
    with filled(directory / "reference", REFERENCE) as db:
        before = measure(db, REFERENCE, rounds, only)
    with filled(directory / f"{sizes.jobs}", sizes) as db:
        after = measure(db, sizes, rounds, only)
    rows: list[dict[str, Value]] = []
    targets: list[Target] = []
    for name, values in after.items():
        small, large = median(before[name]), median(values)
        worst = quantile(values, 0.99) or 0.0
        growth = large / small
        rows.append({"what": name, "at 100,000": small, "median": large, "p99": worst, "ratio": growth})
        if name == f"tick: {TICK}":
            targets.append(Target(f"{name}, median", large, "<=", TICK_P50_MS, " ms"))
        elif name == f"tick: {FULL_TICK}":
            targets.append(Target(f"{name}, p99", worst, "<=", TICK_P99_MS, " ms"))
        else:
            targets.append(Target(f"{name}, growth", growth if large > NOISE_MS else 1.0, "<=", GROWTH, " ×"))
            if name.startswith("page"):
                targets.append(Target(name, large, "<=", PAGE_MS, " ms"))
    title = (
        f"Growth: ms with {sizes.jobs:,} jobs ({sizes.queued:,} queued, {sizes.generating:,} generating, "
        f"{sizes.transferring:,} to copy), {sizes.receivers:,} receivers"
    )
    missed = [target for target in targets if not target.reached]
    kept = [target for target in targets if target.what.startswith("tick")]
    shown = [*kept, *(target for target in missed if target not in kept)]
    notes = [f"{len(targets) - len(missed)} of {len(targets)} goals reached; those of statements below are missed"]
    table = Table(title, ("what", "at 100,000", "median", "p99", "ratio"), rows)
    return Report("growth", [table], shown, notes, {"before": before, "after": after})


def measure_part(quick: bool) -> Report:
    """The part of `reelq bench`: 600,000 jobs, half of them live."""
    sizes, rounds = (scaled(0.001, 0.001), QUICK_ROUNDS) if quick else (scaled(0.03, 0.2), ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        return compare(sizes, rounds, Path(name))


def main(arguments: Sequence[str]) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="Measure how costs grow with the rows.")
    parser.add_argument("--scale", type=float, default=0.05, help="size of everything, 1: 10 M ended jobs")
    parser.add_argument("--history", type=float, help="size of the history alone")
    parser.add_argument("--live", type=float, help="size of everything that has not ended")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each statement")
    parser.add_argument("--only", default="", help="only statements with this in their name; tick: both ticks")
    parser.add_argument("--dir", type=Path, help="where to keep the databases; a filled one is used again")
    given = parser.parse_args(arguments)
    sizes = scaled(*(given.scale if value is None else value for value in (given.history, given.live)))
    directory = given.dir or Path(tempfile.mkdtemp(prefix="reelq-growth-"))
    try:
        report = compare(sizes, given.rounds, directory, given.only)
    finally:
        if given.dir is None:
            shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 0 if all(target.reached for target in report.targets) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

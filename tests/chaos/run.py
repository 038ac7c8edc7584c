"""`make chaos`: inject every fault, for at most a quarter of an hour, and check the promises.

    python -m tests.chaos.run [--seed N] [--only TEXT] [--seconds N] [--dir DIR]

Exit code 0: every promise held; 1: a promise was broken; 2: the run could not start.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from producer.local.errors import StackError
from tests.chaos.gateway_faults import KINDS
from tests.chaos.partition import two_hosts
from tests.chaos.play import HEADINGS, Row, play, play_gateway_faults
from tests.chaos.rounds import EVERYTHING, PARTITION, ROUNDS
from tests.chaos.system import running_system

LIMIT_S = 15 * 60.0
RESERVE_S = 150.0
"""Time kept for the last rounds; earlier rounds are skipped when less is left."""


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def report(row: Row) -> None:
    verdict = row.verdict
    words = "held" if not verdict.broken else "BROKEN"
    say(f"  {row.fault}: {verdict.jobs} jobs, {verdict.held} held, {row.recovered_s:.1f} s; promises {words}")
    for line in verdict.broken[:10]:
        say(f"    {line}")


@contextmanager
def working_directory(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="reelq-chaos-") as temporary:
        yield Path(temporary)


def run(seed: int, only: str, limit_s: float, directory: Path) -> int:
    until = time.monotonic() + limit_s
    rows: list[Row] = []

    def wanted(fault: str) -> bool:
        return only in fault

    say(f"chaos with seed {seed}; to repeat: make chaos SEED={seed}")
    with running_system(_below(directory, "system"), seed, fault_kinds=tuple(KINDS)) as system:
        for item in ROUNDS:
            if wanted(item.fault) and until - time.monotonic() > RESERVE_S * 2:
                rows.append(play(system, item))
                report(rows[-1])
        if wanted("gateway: each fault"):
            kinds = play_gateway_faults(system)
            rows += kinds
            for row in kinds:
                report(row)
        if wanted(EVERYTHING.fault) and until - time.monotonic() > RESERVE_S:
            rows.append(play(system, EVERYTHING))
            report(rows[-1])
    if wanted(PARTITION.fault):
        rows += _partition(_below(directory, "partition"), seed)
    say()
    say(table(rows))
    broken = [line for row in rows for line in row.verdict.broken]
    say()
    if broken:
        say(f"{len(broken)} violations; seed {seed}; logs in {directory}")
        return 1
    jobs = sum(row.verdict.jobs for row in rows)
    say(f"{jobs} jobs: none lost, none paid for twice; seed {seed}, {limit_s - until + time.monotonic():.0f} s")
    return 0


def _partition(directory: Path, seed: int) -> list[Row]:
    try:
        with two_hosts() as partition, running_system(directory, seed, partition=partition, pairs=1) as system:
            row = play(system, PARTITION)
            report(row)
            return [row]
    except OSError as exc:
        say(f"  network partition: not possible here ({exc})")
        return []


def _below(directory: Path, name: str) -> Path:
    found = directory / name
    found.mkdir(exist_ok=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description="Inject every fault and check the promises.")
    parser.add_argument("--seed", type=int, help="repeat an earlier run with its seed")
    parser.add_argument("--only", default="", help="only the rounds whose name contains this")
    parser.add_argument("--seconds", type=float, default=LIMIT_S, help="skip the remaining rounds after this time")
    parser.add_argument("--dir", type=Path, help="directory for data and logs; kept (default: a temporary one)")
    given = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # logs of the checks are not part of the report
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    try:
        with working_directory(given.dir) as directory:
            return run(seed, given.only, given.seconds, directory.absolute())
    except StackError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""`make upgrade`: programs of the past, killed in the middle of their work or left running, and the promises after it.

    python -m tests.upgrade.run [--from COMMIT] [--only TEXT] [--dir DIR]

Needs the repository's history and a package registry: older programs are built and installed with their own locks.
Exit code 0: every promise held; 1: something broke; 2: the run could not start.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.chaos.run import say, working_directory
from tests.stack import running_stack
from tests.upgrade.in_flight import JOBS, World, a_world, check_ends, kill_all, put_in_flight, states
from tests.upgrade.installed import CannotInstall, install
from tests.upgrade.releases import NoHistory, OldProgram, at_commit, oldest_that_fits, previous_release
from tests.upgrade.side_by_side import left_running

ROOT = Path(__file__).parents[2]


def killed(_: OldProgram, reelq: Path, directory: Path, world: World) -> None:
    """Kill the old program with jobs in every state, and start the new one on the same directory."""
    with running_stack(directory, world.settings, world.gateway, program=[str(reelq)]) as old:
        put_in_flight(old, world)
        say(f"  killed with {dict(sorted(states(old).items()))}")
        kill_all(old)
    with running_stack(directory, world.settings, world.gateway) as new:
        check_ends(new, world)


def _play(
    name: str,
    program: OldProgram,
    directory: Path,
    round_: Callable[[OldProgram, Path, Path, World], None],
) -> list[str]:
    """Install the program, play the round, and return what is wrong."""
    since = time.monotonic()
    say(f"{name}: {program.name} ({program.commit[:9]}, schema {program.revision})")
    directory.mkdir()
    reelq = install(program, ROOT, directory)
    say(f"  installed after {time.monotonic() - since:.0f} s")
    data = directory / "data"
    data.mkdir()
    with a_world() as world:
        try:
            round_(program, reelq, data, world)
        except AssertionError as exc:
            world.wrong.append(str(exc))
    say(f"  {len(world.wrong)} violations after {time.monotonic() - since:.0f} s")
    return [f"{name}: {line}" for line in world.wrong]


def run(directory: Path, commit: str | None, only: str) -> list[str]:
    previous = at_commit(ROOT, commit) if commit else previous_release(ROOT)
    wrong = []
    for name, program, round_ in (
        ("killed", previous, killed),
        ("left running", previous, left_running),
        ("oldest that fits, left running", oldest_that_fits(ROOT), left_running),
    ):
        if only in name and program is None:
            say(f"{name}: none; the schema fits only this program")
        elif only in name and program is not None:
            wrong += _play(name, program, directory / name.replace(" ", "-").replace(",", ""), round_)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make upgrade", description="Upgrade from older programs under way.")
    parser.add_argument("--from", dest="commit", help="a commit instead of the previous release")
    parser.add_argument("--only", default="", help="only the rounds whose name contains this")
    parser.add_argument("--dir", type=Path, help="directory for data and logs; kept (default: a temporary one)")
    given = parser.parse_args(arguments)
    logging.disable(logging.ERROR)  # what the gateway logs about killed clients is not part of the report
    try:
        with working_directory(given.dir) as directory:
            wrong = run(directory.absolute(), given.commit, given.only)
    except (NoHistory, CannotInstall) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    say()
    for line in wrong[:20]:
        say(line)
    say(f"{len(wrong)} violations" if wrong else f"{JOBS} jobs: none lost, none paid for twice")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""An old program that keeps running while `reelq db upgrade` of the new one changes the schema below it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx

from storage.revisions import newest_revision
from tests.stack import END_S, REELQ, Stack, running_stack
from tests.upgrade.in_flight import JOBS, World, check_ends, put_in_flight, states
from tests.upgrade.releases import OldProgram, oldest_program
from tests.waiting import PATIENCE_S, wait_for


def left_running(program: OldProgram, reelq: Path, directory: Path, world: World) -> None:
    """Upgrade the schema below the old program. It goes on if the schema fits it, else it says that it does not."""
    fits = program.revision >= oldest_program()
    with running_stack(directory, world.settings, world.gateway, program=[str(reelq)]) as old:
        put_in_flight(old, world)
        upgraded = subprocess.run(
            [*REELQ, "db", "upgrade", "--data-dir", str(directory)],
            env=dict(old.environ),
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )
        world.check(upgraded.returncode == 0, f"db upgrade: {upgraded.stderr}")
        if fits:
            check_ends(old, world)
            world.check(_ready(old) == 200, f"the old program answers {_ready(old)} at /readyz, although it fits")
        else:
            _refused(old, world)
    if not fits:
        with running_stack(directory, world.settings, world.gateway) as new:
            check_ends(new, world)


def _refused(old: Stack, world: World) -> None:
    """It is not ready, names the schema, and its commands change nothing."""
    _holds(world, "the old program is still ready at /readyz", lambda: _ready(old) == 503)
    answer = httpx.get(f"{old.info()['api']}/readyz", timeout=PATIENCE_S).text
    world.check(newest_revision() in answer, f"/readyz of the old program does not name the schema: {answer}")
    refused = old.reelq("submit", "one more")
    world.check(refused.returncode == 2, f"`reelq submit` of the old program ends with {refused.returncode}")
    world.check(states(old).total() == JOBS, f"the old program added a job: {dict(states(old))}")


def _ready(stack: Stack) -> int:
    return httpx.get(f"{stack.info()['api']}/readyz", timeout=PATIENCE_S).status_code


def _holds(world: World, what: str, condition: Callable[[], bool]) -> None:
    try:
        wait_for(what, condition)
    except AssertionError:
        world.wrong.append(what)

"""Processes of an older release on a schema that does not fit them: they stop, and say what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from producer.local.processes.commands import SCHEDULER, WORKER_SUBMIT_POLL
from storage.database import connect
from storage.settings import Settings
from tests.servers import environ_for
from tests.waiting import PATIENCE_S, wait_for

PARTS = {"scheduler": SCHEDULER, "worker": WORKER_SUBMIT_POLL}
BEATS = {"scheduler": "scheduler", "worker": "submit"}
LATER = """
UPDATE alembic_version SET version_num = '9999';
UPDATE schema_compatibility SET oldest_program = '9999'
"""


def start(settings: Settings, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *command[1:]],
            env=environ | environ_for(settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_the_schema_no_longer_fits_stops(settings: Settings, tmp_path: Path, part: str) -> None:
    log = tmp_path / "part.log"

    def beats() -> bool:
        with connect(settings.require_database_url()) as conn:
            found = conn.execute("SELECT FROM heartbeats WHERE component = %s", [BEATS[part]]).fetchone()
        return found is not None

    running = start(settings, PARTS[part], log)
    try:
        wait_for("it works", beats)
        with connect(settings.require_database_url()) as conn:
            conn.execute(LATER)
        running.wait(PATIENCE_S)
        with connect(settings.require_database_url()) as conn:
            conn.execute("DELETE FROM heartbeats")
        again = start(settings, PARTS[part], log)
        assert again.wait(PATIENCE_S) == 1
    finally:
        running.kill()
    text = log.read_text()
    assert text.count("this program is older than the schema") == 2, text
    assert "Traceback" not in text
    assert not beats()

"""How workers and the scheduler start: with what they need, and no more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

OTHERS = ("flower", "tornado", "fastapi", "alembic", "sqlalchemy", "boto3", "PIL", "av", "jinja2", "producer")
LOADED = """
import sys
import worker.__main__, worker.app, worker.scheduling.scheduler
worker.app.app.loader.import_default_modules()
print(worker.app.app.tasks["worker.submit"].name, [name for name in {others!r} if name in sys.modules])
"""
ENVIRON = {"REELQ_BROKER_URL": "redis://127.0.0.1:1/0", "REELQ_DATABASE_URL": "postgresql://reelq@127.0.0.1:1/reelq"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environ = dict(os.environ) | ENVIRON
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_they_load_the_tasks_and_no_other_program() -> None:
    done = run("-c", LOADED.format(others=OTHERS))
    assert (done.stdout, done.stderr) == ("worker.submit []\n", "")


@pytest.mark.parametrize("arguments", [(), ("flower",), ("--help",)])
def test_any_other_command_is_refused_with_the_one_that_has_it(arguments: tuple[str, ...]) -> None:
    done = run("-m", "worker", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: python -m worker {worker,beat} …; every other command: celery -A worker …\n"

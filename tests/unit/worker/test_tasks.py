"""What the log says of a task that fails."""

from __future__ import annotations

import logging

import pytest
from celery import Celery

from storage.database import DatabaseUnavailable
from worker import tasks


def test_a_database_that_is_away_is_one_line_and_no_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise DatabaseUnavailable("database at 127.0.0.1:1/reelq: refused")

    monkeypatch.setattr(tasks, "current", away)
    with Celery("test", set_as_current=False) as app:
        app.finalize()
        own = [name for name in app.tasks if name.startswith("worker.")]
        for name in own:
            caplog.clear()
            app.tasks[name].apply(args=() if name == "worker.sweep" else ("main", []))
            [said] = [record for record in caplog.records if record.levelno >= logging.WARNING]
            assert said.getMessage().startswith(
                f"task.not_done task={name} error=database at 127.0.0.1:1/reelq: refused"
            )
            assert said.exc_info is None
    assert len(own) >= 7

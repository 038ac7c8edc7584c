"""The scheduler's comparison of the database with its journal, without a database."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from storage.database import DatabaseUnavailable
from tests.waiting import wait_for
from worker.scheduling.restores import RestoreWatch


class Down:
    """A database that cannot be reached."""

    asked = 0

    def begin(self) -> None:
        self.asked += 1
        raise DatabaseUnavailable("down")


def test_a_comparison_begins_at_a_later_tick_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    database = Down()
    watch = RestoreWatch(cast(Any, database), cast(Any, None))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            watch.may_run()
    assert not watch.may_run()
    wait_for("it compares", lambda: database.asked > 0)

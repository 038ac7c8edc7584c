"""A task that a process keeps grows older, also before its first poll."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from seedance.boot_clock import boottime_s
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.polling.ask import Task

READ = datetime(2026, 11, 29, tzinfo=UTC)


def task_read(ago_s: float, **more: Any) -> Task:
    work = Work(
        *(uuid4(), 1, JobState.GENERATING, 1, 0, 0, 2, Reason.ACCEPTED, "main", {"prompt": "a cat"}, "task-1"),
        *(None, None, READ, 0.2, None, 60.0, None, None),
        **more,
        lease_left_s=40.0,
        read_at=READ,
    )
    return Task(work, cast(Any, None), boottime_s() - ago_s, None, work.story)


def test_a_task_that_was_just_accepted_is_as_old_as_it_is_at_its_first_poll() -> None:
    """Otherwise the plan begins again at that poll, and the next one comes too late."""
    now = task_read(100.0).present()
    assert now.submitted_age_s == pytest.approx(100.2, abs=5.0)
    assert now.deadline_in_s == pytest.approx(-40.0, abs=5.0)
    assert now.read_at - READ == pytest.approx(timedelta(seconds=100), abs=timedelta(seconds=5))
    assert (now.unfinished_age_s, now.polls, now.reason) == (None, 2, Reason.ACCEPTED)


def test_what_another_process_saw_is_older_by_then() -> None:
    assert task_read(100.0, unfinished_age_s=3.0).present().unfinished_age_s == pytest.approx(103.0, abs=5.0)


def test_looks_that_are_not_written_count() -> None:
    task = replace(task_read(100.0), looks=3, seen_at=boottime_s() - 10.0)
    now = task.present()
    assert now.unfinished_age_s == pytest.approx(10.0, abs=5.0)
    assert (now.polls, now.reason) == (5, Reason.GENERATING)

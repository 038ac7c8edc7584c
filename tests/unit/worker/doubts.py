"""Attempts in doubt and listed tasks for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from seedance.gateways.base import ListedTask, TaskReport, TaskStatus
from storage.jobs.doubts import Doubt, OpenAttempt, Standing
from storage.jobs.enqueue import new_job_id

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MODEL = "doubao-seedance-2-0-260128"


def an_attempt(
    prompt: str = "a fox",
    *,
    mark: int | None = None,
    seed: int | None = None,
    standing: Standing = "doubt",
    after_s: float = 0.0,
    model: str = MODEL,
    **fields: Any,
) -> OpenAttempt:
    request = {"prompt": prompt} | fields
    started_at = NOW + timedelta(seconds=after_s)
    return OpenAttempt(new_job_id(), 1, "main", model, started_at, seed, mark, request, standing)


def a_doubt(attempt: OpenAttempt | None = None, age_s: float = 10.0, **fields: Any) -> Doubt:
    given = {
        "claim": 4,
        "age_s": age_s,
        "reported_task_id": None,
        "cancel_request": None,
        "doubtful": 1,
        "taken": False,
        "error": None,
        "candidates": None,
    }
    return Doubt(attempt or an_attempt(), **(given | fields))


def listed(
    task_id: str,
    mark: int | None = None,
    seed: int | None = None,
    status: TaskStatus = TaskStatus.RUNNING,
    after_s: float | None = 1.0,
    model: str = MODEL,
    **fields: Any,
) -> ListedTask:
    created_at = None if after_s is None else int(NOW.timestamp() + after_s)
    report = TaskReport(status, str(status), seed=seed)
    return ListedTask(task_id, created_at, model, report, execution_expires_after=mark, **fields)

"""Where an unconfirmed job goes, by what was found of its task: a table, and the search in a gateway's list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from seedance.gateways.base import ListedTask, TaskReport, TaskStatus
from storage.jobs.enqueue import new_job_id
from storage.jobs.records import Doubt, Move
from storage.jobs.states import JobState
from storage.settings import Settings
from worker.polling.reconcile import CLOCK_SKEW_S, Evidence, Found, RetryLater, Unproven, decide, search

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LEASE_S = 90.0
DOUBT = Doubt(
    id=new_job_id(),
    claim=4,
    attempt=2,
    model="m",
    started_at=NOW,
    seed=7,
    seed_is_own=True,
    reported_task_id=None,
    age_s=10.0,
    cancel_request=None,
)
HOLD = Settings(unconfirmed_grace_seconds=100)
RESUBMIT = Settings(unconfirmed_grace_seconds=100, unconfirmed_policy="resubmit")
OLD = replace(DOUBT, age_s=101.0)


def listed(
    task_id: str, seed: int | None = None, status: TaskStatus = TaskStatus.SUCCEEDED, after_s: float = 1.0
) -> ListedTask:
    report = TaskReport(status, status.value, seed=seed)
    return ListedTask(task_id, int(NOW.timestamp() + after_s), "m", report)


@pytest.mark.parametrize(
    ("doubt", "evidence", "settings", "target", "reason"),
    [
        (DOUBT, Found("t"), HOLD, JobState.GENERATING, "adopted"),
        (OLD, Found("t"), RESUBMIT, JobState.GENERATING, "adopted"),
        (DOUBT, Unproven.NOT_TAKEN, HOLD, None, "looking"),
        (OLD, Unproven.NOT_TAKEN, HOLD, JobState.QUEUED, "proven_not_submitted"),
        (DOUBT, Unproven.UNCLEAR, HOLD, None, "looking"),
        (OLD, Unproven.UNCLEAR, HOLD, None, "looking"),
        (DOUBT, Unproven.NO_MEANS, HOLD, None, "held"),
        (OLD, Unproven.NO_MEANS, HOLD, None, "held"),
        (DOUBT, Unproven.NO_MEANS, RESUBMIT, None, "held"),
        (OLD, Unproven.NO_MEANS, RESUBMIT, JobState.QUEUED, "resubmitted_by_policy"),
        (OLD, Unproven.UNCLEAR, RESUBMIT, JobState.QUEUED, "resubmitted_by_policy"),
        (replace(OLD, cancel_request="keep"), Unproven.NOT_TAKEN, HOLD, JobState.CANCELLED, "proven_not_submitted"),
        (replace(OLD, cancel_request="discard"), Unproven.NO_MEANS, HOLD, JobState.CANCELLED, "discarded"),
    ],
)
def test_where_a_doubt_goes(
    doubt: Doubt, evidence: Evidence, settings: Settings, target: JobState | None, reason: str
) -> None:
    decision = decide(doubt, evidence, settings)
    assert decision.reason == reason
    if target is None:
        assert isinstance(decision, RetryLater)
        assert 0 < decision.seconds <= 100
    else:
        assert isinstance(decision, Move)
        assert decision.target is target
        assert (decision.claim, decision.attempt) == (4, 2)


@pytest.mark.parametrize(
    ("strangers", "evidence"),
    [
        ([], Unproven.NOT_TAKEN),
        ([listed("a", seed=7)], Found("a")),
        ([listed("a", seed=8), listed("b", seed=7), listed("c", seed=9)], Found("b")),
        ([listed("a", seed=8)], Unproven.NOT_TAKEN),
        ([listed("a", status=TaskStatus.RUNNING)], Unproven.UNCLEAR),
        ([listed("a", status=TaskStatus.QUEUED), listed("b", seed=8)], Unproven.UNCLEAR),
        ([listed("a", status=TaskStatus.FAILED)], Unproven.NOT_TAKEN),
        ([listed("a", status=TaskStatus.SUCCEEDED)], Unproven.UNCLEAR),
        ([listed("a", seed=7), listed("b", seed=7)], Unproven.UNCLEAR),
        ([listed("a", seed=7, after_s=-CLOCK_SKEW_S - 5)], Unproven.NOT_TAKEN),
        ([listed("a", status=TaskStatus.RUNNING, after_s=LEASE_S + CLOCK_SKEW_S + 5)], Unproven.NOT_TAKEN),
    ],
)
def test_a_task_is_found_by_its_own_seed_or_left_open(strangers: list[ListedTask], evidence: Evidence) -> None:
    assert search(DOUBT, [DOUBT], strangers, LEASE_S) == evidence


def test_two_jobs_that_asked_for_the_same_seed_are_not_told_apart() -> None:
    asked = replace(DOUBT, seed_is_own=False)
    rival = replace(asked, id=new_job_id())
    assert search(asked, [asked], [listed("a", seed=7)], LEASE_S) == Found("a")
    assert search(asked, [asked, rival], [listed("a", seed=7)], LEASE_S) is Unproven.UNCLEAR


def test_without_a_seed_no_task_can_be_ruled_out() -> None:
    blind = replace(DOUBT, seed=None)
    assert search(blind, [blind], [listed("a", seed=8)], LEASE_S) is Unproven.UNCLEAR
    assert search(blind, [blind], [], LEASE_S) is Unproven.NOT_TAKEN

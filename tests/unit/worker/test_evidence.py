"""Where an unconfirmed job goes, by what was found of its task: a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.jobs.doubts import Doubt
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.unit.worker.doubts import a_doubt
from worker.polling.evidence import (
    LATEST_CHECK_S,
    MAX_DOUBTFUL,
    SETTLE_S,
    Evidence,
    Found,
    RetryLater,
    Unproven,
    decide,
)

DOUBT = a_doubt()
HOLD = Settings(unconfirmed_grace_seconds=100)
RESUBMIT = Settings(unconfirmed_grace_seconds=100, unconfirmed_policy="resubmit")
OLD = a_doubt(DOUBT.attempt, age_s=101.0)
OLDER = a_doubt(DOUBT.attempt, age_s=201.0)
LAST = replace(OLD, doubtful=MAX_DOUBTFUL, error={"message": "502 Bad Gateway", "status": 502})


@pytest.mark.parametrize(
    ("doubt", "evidence", "settings", "target", "reason"),
    [
        (DOUBT, Found("t"), HOLD, JobState.GENERATING, "adopted"),
        (OLD, Found("t"), RESUBMIT, JobState.GENERATING, "adopted"),
        (LAST, Found("t"), HOLD, JobState.GENERATING, "adopted"),
        (DOUBT, Unproven.NOT_TAKEN, HOLD, None, "looking"),
        (OLD, Unproven.NOT_TAKEN, HOLD, JobState.QUEUED, "proven_not_submitted"),
        (LAST, Unproven.NOT_TAKEN, HOLD, JobState.FAILED, "never_accepted"),
        (replace(LAST, cancel_request="keep"), Unproven.NOT_TAKEN, HOLD, JobState.CANCELLED, "proven_not_submitted"),
        (replace(OLD, unanswered_s=41.0), Unproven.NOT_TAKEN, HOLD, None, "looking"),
        (replace(OLD, unanswered_s=41.0), Unproven.NO_MEANS, RESUBMIT, None, "held"),
        (DOUBT, Unproven.NOT_SHOWN, HOLD, None, "looking"),
        (OLD, Unproven.NOT_SHOWN, HOLD, None, "held"),
        (DOUBT, Unproven.PENDING, HOLD, None, "looking"),
        (OLD, Unproven.PENDING, HOLD, None, "looking"),
        (OLDER, Unproven.PENDING, HOLD, None, "held"),
        (DOUBT, Unproven.UNCLEAR, HOLD, None, "looking"),
        (OLD, Unproven.UNCLEAR, HOLD, None, "held"),
        (DOUBT, Unproven.NO_MEANS, HOLD, None, "held"),
        (OLD, Unproven.NO_MEANS, HOLD, None, "held"),
        (OLD, Unproven.OUT_OF_REACH, HOLD, None, "held"),
        (OLD, Unproven.TAKEN, HOLD, None, "held"),
        (OLD, Unproven.TAKEN, RESUBMIT, None, "held"),
        (DOUBT, Unproven.NO_MEANS, RESUBMIT, None, "held"),
        (OLD, Unproven.NO_MEANS, RESUBMIT, JobState.QUEUED, "resubmitted_by_policy"),
        (OLD, Unproven.UNCLEAR, RESUBMIT, JobState.QUEUED, "resubmitted_by_policy"),
        (LAST, Unproven.NO_MEANS, RESUBMIT, None, "held"),
        (replace(OLD, cancel_request="keep"), Unproven.NOT_TAKEN, HOLD, JobState.CANCELLED, "proven_not_submitted"),
        (replace(DOUBT, cancel_request="discard"), Found("t"), HOLD, JobState.GENERATING, "adopted"),
        (replace(DOUBT, cancel_request="discard"), Unproven.PENDING, HOLD, None, "looking"),
        (replace(DOUBT, cancel_request="discard"), Unproven.NOT_TAKEN, HOLD, JobState.CANCELLED, "discarded"),
        (replace(DOUBT, cancel_request="discard"), Unproven.NO_MEANS, HOLD, JobState.CANCELLED, "discarded"),
        (replace(OLDER, cancel_request="discard"), Unproven.PENDING, HOLD, JobState.CANCELLED, "discarded"),
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
        assert (decision.claim, decision.attempt) == (4, 1)


def test_a_job_that_is_never_accepted_ends_with_the_gateways_words() -> None:
    decision = decide(LAST, Unproven.NOT_TAKEN, HOLD)
    assert isinstance(decision, Move)
    error = decision.patch["error"]
    assert (error["code"], error["status"]) == ("never_accepted", 502)
    assert str(MAX_DOUBTFUL) in error["message"] and "502 Bad Gateway" in error["message"]


def test_young_doubts_are_looked_into_soon_and_old_ones_rarely() -> None:
    patient = Settings(unconfirmed_grace_seconds=3600)
    waits = {}
    for age_s in (1.0, 20.0, 300.0, 3700.0, 86_400.0, 10 * 86_400.0):
        decision = decide(a_doubt(age_s=age_s), Unproven.NO_MEANS, patient)
        assert isinstance(decision, RetryLater)
        waits[age_s] = decision.seconds
    assert list(waits.values()) == [2.0, 10.0, 60.0, 185.0, LATEST_CHECK_S, LATEST_CHECK_S]


def test_no_gateway_is_asked_before_a_list_has_had_time_to_show_the_task() -> None:
    patient = Settings(unconfirmed_grace_seconds=3600)
    reasons = [decide(a_doubt(age_s=s), Unproven.NOT_SHOWN, patient).reason for s in (SETTLE_S - 1, SETTLE_S + 1)]
    assert reasons == ["looking", "held"]

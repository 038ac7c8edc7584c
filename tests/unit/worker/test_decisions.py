"""The decision for each outcome of a POST and a query, as tables of cases."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from seedance.errors import (
    AccountProblem,
    BadAnswer,
    GatewayError,
    InputNotReady,
    ModelProblem,
    Moderated,
    NotSent,
    NotServed,
    NotTried,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
    Unavailable,
)
from seedance.gateways.base import CancelOutcome, Submitted, TaskFailure, TaskReport, TaskStatus
from seedance.gateways.registry import DIALECTS
from storage.jobs.enqueue import new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker import retry
from worker.decisions import EVIDENCE_S, MAX_COUNT, NO_ACCOUNT, Decision, fail
from worker.polling.cancelling import MAX_DISCARD_TRIES, decide_cancel, wants_cancel
from worker.polling.decisions import LINK_LIVES, MISSING_TIMES, SILENT_TIMES, decide_poll, decide_without_account
from worker.polling.pacing import PollPacing
from worker.submitting.decisions import MAX_INPUT_NOT_READY, decide_submit, refusals_of

PACING = PollPacing(2.0, 60.0)
DIALECT = DIALECTS["anyfast"]
LIFE_S = DIALECT.video_life_s
S = JobState


def a_job(**changes: Any) -> Work:
    fields: dict[str, Any] = {
        "id": new_job_id(),
        "claim": 3,
        "state": S.GENERATING,
        "attempt": 1,
        "refusals": 0,
        "setbacks": 0,
        "polls": 2,
        "reason": "generating",
        "account": "a",
        "request": {"prompt": "x"},
        "gateway_task_id": "t",
        "video_url": None,
        "last_frame_url": None,
        "created_at": datetime.now(UTC),
        "submitted_age_s": 30.0,
        "generated_age_s": None,
        "deadline_in_s": None,
        "expires_in_s": None,
        "cancel_request": None,
    }
    return Work(**fields | changes)


@pytest.mark.parametrize(
    ("result", "target"),
    [
        (Submitted("t1"), S.GENERATING),
        (NotSent("refused"), S.QUEUED),
        (Throttled("429"), S.QUEUED),
        (Unavailable("a failure that may come after the gateway took it"), S.UNCONFIRMED),
        (NotServed("404"), S.QUEUED),
        (InputNotReady("timeout while fetching resource"), S.QUEUED),
        (AccountProblem("401"), S.QUEUED),
        (ModelProblem("not activated"), S.QUEUED),
        (Rejected("400"), S.FAILED),
        (Moderated("no"), S.FAILED),
        (OutcomeUnknown("read timeout"), S.UNCONFIRMED),
        (BadAnswer("an answer to a POST that cannot be read"), S.UNCONFIRMED),
        (TaskUnknown("out of place"), S.UNCONFIRMED),
        (GatewayError("anything new"), S.UNCONFIRMED),
    ],
)
def test_each_outcome_of_a_post_has_its_target_state(result: Submitted | GatewayError, target: JobState) -> None:
    assert decide_submit(result, 0, PACING).target is target


def test_only_proof_of_no_acceptance_requeues_a_job() -> None:
    """The paid-once rule for the whole tree of errors: a new branch is unconfirmed by default."""

    def tree(kind: type[GatewayError]) -> list[type[GatewayError]]:
        return [kind, *(below for sub in kind.__subclasses__() for below in tree(sub))]

    requeued = {kind for kind in tree(GatewayError) if decide_submit(kind("x"), 0, PACING).target is S.QUEUED}
    assert requeued == {NotSent, NotTried, NotServed, Throttled, InputNotReady, AccountProblem, ModelProblem}


def test_a_job_waits_for_as_long_as_the_gateway_asks() -> None:
    assert decide_submit(Throttled("429", retry_after_s=7.0), 3, PACING).due_in_s == 7.0
    assert 0 < decide_submit(Throttled("429"), 3, PACING).due_in_s <= retry.THROTTLED.cap_s


@pytest.mark.parametrize("error", [AccountProblem("bad key"), ModelProblem("closed"), NotServed("404"), NotSent("x")])
def test_a_job_that_comes_back_is_free_for_another_account(error: GatewayError) -> None:
    waits = []
    for refusals in (0, 3, 50_000):
        decision = decide_submit(error, refusals, PACING, random.Random(1))
        assert (decision.target, decision.reason) == (S.QUEUED, error.code)
        assert decision.patch == {**NO_ACCOUNT, "refusals": min(refusals + 1, MAX_COUNT)}
        waits.append(decision.due_in_s)
    assert waits == sorted(waits)
    assert waits[-1] <= (120.0 if isinstance(error, NotServed) else 20.0)


def test_a_file_that_is_not_ready_is_retried_a_few_times_only() -> None:
    last = MAX_INPUT_NOT_READY - 1
    assert decide_submit(InputNotReady("x"), last - 1, PACING).target is S.QUEUED
    assert decide_submit(InputNotReady("x"), last, PACING).target is S.FAILED


def test_only_refusals_of_the_same_kind_in_a_row_count() -> None:
    again = a_job(refusals=7, reason="throttled")
    assert refusals_of(again, Throttled("x")) == 7
    assert refusals_of(again, NotSent("x")) == refusals_of(a_job(refusals=7, reason="not_sent"), Throttled("x")) == 0
    assert refusals_of(again, Submitted("t")) == 0


def poll(result: TaskReport | GatewayError, work: Work) -> Decision:
    return decide_poll(result, work, DIALECT, PACING, 172800.0, random.Random(1))


SUCCEEDED = TaskReport(TaskStatus.SUCCEEDED, "SUCCESS", video_url="https://x/v.mp4", usage={"total_tokens": 5}, seed=7)


def test_a_finished_generation_is_transferred_and_keeps_its_usage() -> None:
    decision = poll(SUCCEEDED, a_job())
    assert decision.target is S.TRANSFERRING
    assert decision.patch["usage"] == {"total_tokens": 5}


HOUR = 3600.0
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def link_life_s(url: str = "https://x/v.mp4", finished_ago_s: float | None = None, **changes: Any) -> float | None:
    finished_at = None if finished_ago_s is None else int(NOW.timestamp() - finished_ago_s)
    report = TaskReport(TaskStatus.SUCCEEDED, "SUCCESS", video_url=url, finished_at=finished_at)
    return poll(report, a_job(read_at=NOW, submitted_age_s=20 * HOUR, **changes)).expires_in_s


def test_a_link_without_an_expiry_lives_from_the_end_of_the_generation() -> None:
    assert link_life_s(finished_ago_s=HOUR) == LIFE_S - HOUR
    assert link_life_s(finished_ago_s=HOUR, unfinished_age_s=2 * HOUR) == LIFE_S - HOUR
    assert link_life_s(finished_ago_s=15 * HOUR) == LIFE_S - 15 * HOUR < 0, "it may be dead by the time we read it"
    assert link_life_s(finished_ago_s=-HOUR) == LIFE_S, "a clock that is ahead gives at most a whole life"
    assert link_life_s(finished_ago_s=1000 * HOUR) == LIFE_S - 20 * HOUR, "it was not finished before it was submitted"


def test_without_a_finish_time_a_link_lives_from_the_last_unfinished_poll() -> None:
    assert link_life_s(unfinished_age_s=60.0) == LIFE_S - 60
    assert link_life_s(unfinished_age_s=11 * HOUR) == HOUR, "the workers were down for a long time"
    assert link_life_s() == LIFE_S - 20 * HOUR, "never polled before"


def test_the_expiry_in_a_link_counts() -> None:
    dead = f"https://x/v.mp4?Expires={int(NOW.timestamp() - 60)}"
    assert link_life_s(dead, finished_ago_s=HOUR) == -60.0, "no fresh life for a dead link"
    assert link_life_s(f"https://x/v.mp4?Expires={int(NOW.timestamp() + 60)}", finished_ago_s=HOUR) == 60.0
    assert link_life_s("https://x/v.mp4?x-amz-expires=7200", finished_ago_s=HOUR) == HOUR


@pytest.mark.parametrize(
    ("created_ago_s", "age_s"),
    [(None, HOUR), (3 * HOUR, 3 * HOUR), (HOUR / 2, HOUR), (-HOUR, HOUR)],
    ids=["the gateway names no time", "its clock is behind", "it took the task later", "its clock is ahead"],
)
def test_a_draft_ends_seven_days_after_the_earlier_of_two_times(created_ago_s: float | None, age_s: float) -> None:
    created_at = None if created_ago_s is None else int(NOW.timestamp() - created_ago_s)
    report = TaskReport(TaskStatus.SUCCEEDED, "succeeded", video_url="https://x/v.mp4", created_at=created_at)
    request = {"prompt": "a fox", "model": "seedance-2.5", "draft": True, "resolution": "480p"}
    work = a_job(read_at=NOW, submitted_age_s=HOUR, request=request)
    decision = decide_poll(report, work, DIALECTS["ark"], PACING, 172800.0)
    ends_at = datetime.fromisoformat(decision.patch["draft_ends_at"])
    assert (ends_at - NOW).total_seconds() == 7 * 24 * HOUR - age_s
    plain = a_job(read_at=NOW, submitted_age_s=HOUR, request=request | {"draft": False})
    assert "draft_ends_at" not in decide_poll(report, plain, DIALECTS["ark"], PACING, 172800.0).patch


def test_a_finished_draft_counts_although_the_rules_have_changed() -> None:
    report = TaskReport(TaskStatus.SUCCEEDED, "succeeded", video_url="https://x/v.mp4")
    work = a_job(read_at=NOW, submitted_age_s=HOUR, request={"prompt": "a fox", "draft": True, "resolution": "9p"})
    decision = decide_poll(report, work, DIALECTS["ark"], PACING, 172800.0)
    assert decision.target is S.TRANSFERRING
    assert "draft_ends_at" not in decision.patch


def test_a_finished_generation_counts_even_past_the_deadline() -> None:
    assert poll(SUCCEEDED, a_job(deadline_in_s=-5.0)).target is S.TRANSFERRING


@pytest.mark.parametrize("status", [TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.UNKNOWN])
def test_an_unfinished_task_is_polled_again(status: TaskStatus) -> None:
    decision = poll(TaskReport(status, "x"), a_job())
    assert decision.target is S.GENERATING
    assert PACING.min_s * 0.9 <= decision.due_in_s <= PACING.max_s * 1.1


@pytest.mark.parametrize("error", [Throttled("x"), Unavailable("x"), BadAnswer("x"), AccountProblem("x"), NotSent("x")])
def test_a_failed_query_never_fails_a_job(error: GatewayError) -> None:
    decision = poll(error, a_job(setbacks=10_000, reason=error.code))
    assert decision.target is S.GENERATING
    assert decision.due_in_s <= PACING.max_s * 1.1


NO_URL = TaskReport(TaskStatus.SUCCEEDED, "SUCCESS")


@pytest.mark.parametrize(
    ("result", "missing", "code"),
    [(TaskUnknown("no such task"), "task_unknown", "task_lost"), (NO_URL, "result_missing", "result_missing")],
)
def test_a_task_that_stays_unknown_or_without_a_result_fails_in_the_end(
    result: TaskReport | GatewayError, missing: str, code: str
) -> None:
    other = "task_unknown" if missing == "result_missing" else "result_missing"
    for changes in (
        {},
        {"missing": missing, "missing_times": 500, "missing_for_s": EVIDENCE_S - 1},
        {"missing": missing, "missing_times": MISSING_TIMES - 2, "missing_for_s": 86400.0},
        {"missing": other, "missing_times": 500, "missing_for_s": 86400.0},
        {"setbacks": 500, "reason": missing},
    ):
        decision = poll(result, a_job(**changes))
        assert (decision.target, decision.missing) == (S.GENERATING, missing)
    ended = poll(result, a_job(missing=missing, missing_times=MISSING_TIMES - 1, missing_for_s=EVIDENCE_S))
    assert ended.target is S.FAILED
    assert ended.patch["error"]["code"] == code


@pytest.mark.parametrize("deadline_in_s", [None, -86_400.0])
def test_a_video_without_a_link_is_fetched_with_the_gateways_own_call_before_it_counts_as_lost(
    deadline_in_s: float | None,
) -> None:
    result = replace(NO_URL, content_url="https://g.example/v1/videos/t/content")
    said = {"missing": "result_missing", "missing_times": MISSING_TIMES - 1, "missing_for_s": EVIDENCE_S}
    assert poll(result, a_job(**said | {"missing_for_s": EVIDENCE_S - 1})).target is S.GENERATING
    found = poll(result, a_job(**said, deadline_in_s=deadline_in_s))
    assert (found.target, found.patch["video_url"]) == (S.TRANSFERRING, result.content_url)


def test_only_a_clear_answer_resets_the_count_of_missing_reports() -> None:
    reported = {"missing": "task_unknown", "missing_times": 500, "missing_for_s": 86400.0}
    assert poll(TaskReport(TaskStatus.RUNNING, "x"), a_job(**reported)).missing == ""
    for error in (Unavailable("504"), BadAnswer("html"), Throttled("429"), NotServed("404 of a proxy")):
        assert poll(error, a_job(**reported)).missing is None, "the count is unchanged"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (TaskStatus.FAILED, "generation_failed"),
        (TaskStatus.CANCELLED, "cancelled_upstream"),
        (TaskStatus.EXPIRED, "expired_upstream"),
        (TaskStatus.LOST, "gateway_lost"),
    ],
)
def test_a_task_that_ends_without_a_video_fails_the_job(status: TaskStatus, code: str) -> None:
    assert poll(TaskReport(status, "x"), a_job()).patch["error"]["code"] == code


def test_a_failure_keeps_what_people_need_to_act() -> None:
    failure = TaskFailure("moderation_blocked", "a face", "OutputVideo…", "output", "video", retryable=True)
    error = poll(TaskReport(TaskStatus.FAILED, "x", failure=failure), a_job()).patch["error"]
    assert error == {
        "code": "moderation_blocked",
        "message": "a face",
        "gateway_code": "OutputVideo…",
        "stage": "output",
        "modality": "video",
        "retryable": True,
    }


QUEUED, RUNNING = TaskReport(TaskStatus.QUEUED, "queued"), TaskReport(TaskStatus.RUNNING, "running")
STRANGE, CANCELLED = TaskReport(TaskStatus.UNKNOWN, "paused"), TaskReport(TaskStatus.CANCELLED, "cancelled")
LATE, NO_WAY = CancelOutcome.TOO_LATE, CancelOutcome.NOT_OFFERED


def test_a_generation_that_outlives_its_deadline_fails() -> None:
    error = poll(RUNNING, a_job(deadline_in_s=-1.0)).patch["error"]
    assert (error["code"], error["may_be_billed"]) == ("deadline_exceeded", True)
    assert poll(RUNNING, a_job(submitted_age_s=172801.0)).patch["error"]["code"] == "generation_timeout"


@pytest.mark.parametrize("unclear", [Unavailable("502"), TaskUnknown("no such task"), NO_URL])
def test_a_deadline_fails_no_job_until_the_gateway_had_time_for_a_clear_answer(
    unclear: TaskReport | GatewayError,
) -> None:
    """The task may have been finished, and paid for, before the gateway went down."""
    assert poll(unclear, a_job(deadline_in_s=-EVIDENCE_S + 1)).target is S.GENERATING
    assert poll(unclear, a_job(deadline_in_s=-EVIDENCE_S)).patch["error"]["code"] == "deadline_exceeded"


def test_a_queued_task_past_its_deadline_is_cancelled_if_that_is_free() -> None:
    ark = DIALECTS["ark"]
    late = a_job(deadline_in_s=-1.0)

    def decided(cancelled: CancelOutcome | None, work: Work = late) -> Decision:
        return decide_poll(QUEUED, work, ark, PACING, 172800.0, cancelled=cancelled)

    assert wants_cancel(late)
    assert not wants_cancel(a_job(deadline_in_s=1.0))
    assert decided(CancelOutcome.CANCELLED).patch["error"]["may_be_billed"] is False
    assert decided(CancelOutcome.TOO_LATE).patch["error"]["may_be_billed"] is True
    assert decided(None).target is S.GENERATING, "the call was not answered: it is repeated"
    assert decided(None, a_job(deadline_in_s=-EVIDENCE_S)).patch["error"]["may_be_billed"] is True
    assert poll(QUEUED, late).patch["error"]["may_be_billed"] is True, "AnyFast cannot cancel"


_NOTHING_FRESH = [
    NO_URL,
    TaskUnknown("x"),
    *(TaskReport(status, "x") for status in TaskStatus if status != "succeeded"),
]


@pytest.mark.parametrize("answer", [*_NOTHING_FRESH, Unavailable("502"), NotServed("404 of a proxy")])
@pytest.mark.parametrize("expires_in_s", [600.0, -600.0])
def test_no_answer_of_a_gateway_fails_a_generated_video(answer: TaskReport | GatewayError, expires_in_s: float) -> None:
    """Its link was refused for a while; the deadline and all time limits have passed."""
    reported = {"missing": "task_unknown", "missing_times": 500, "missing_for_s": 86400.0}
    past = {"deadline_in_s": -86400.0, "submitted_age_s": 200_000.0, "generated_age_s": 40_000.0}
    work = a_job(video_url="https://x/v.mp4", expires_in_s=expires_in_s, **past, **reported)
    decision = poll(answer, work)
    if expires_in_s > 0 or not isinstance(answer, Unavailable | NotServed):
        assert (decision.target, decision.reason) == (S.TRANSFERRING, "no_fresh_link"), "the known link is tried again"
        assert "video_url" not in decision.patch
    else:
        assert decision.target is S.GENERATING, "the gateway is asked again"
    assert not wants_cancel(work)


def test_a_gateway_that_gives_only_a_dead_link_is_not_asked_for_ever() -> None:
    dead = TaskReport(TaskStatus.SUCCEEDED, "x", video_url=f"https://x/v.mp4?Expires={int(NOW.timestamp()) - 60}")
    first = poll(dead, a_job(read_at=NOW))
    assert (first.target, first.reason, first.expires_in_s) == (S.TRANSFERRING, "generated", -60.0)
    again = poll(dead, a_job(read_at=NOW, generated_age_s=5.0, video_url="https://x/v.mp4", expires_in_s=-65.0))
    assert (again.target, again.reason) == (S.TRANSFERRING, "no_fresh_link")
    gone = a_job(generated_age_s=LINK_LIVES * LIFE_S + 1, video_url="https://x/v.mp4", expires_in_s=-60.0)
    assert poll(Unavailable("502"), gone).target is S.GENERATING, "all may have stood still for days"
    silent = replace(gone, setbacks=SILENT_TIMES, reason="unavailable")
    assert poll(Unavailable("502"), silent).target is S.TRANSFERRING, "the transfer decides"


def test_values_of_an_earlier_answer_are_kept_if_a_later_one_leaves_them_out() -> None:
    bare = TaskReport(TaskStatus.SUCCEEDED, "SUCCESS", video_url="https://x/other.mp4")
    patch = poll(bare, a_job(generated_age_s=5.0, video_url="https://x/v.mp4", expires_in_s=60.0)).patch
    assert patch == {"video_url": "https://x/other.mp4", "setbacks": 0, "polls": 3}


@pytest.mark.parametrize(
    ("result", "outcome", "wanted", "target", "reason", "request_stays"),
    [
        (QUEUED, CancelOutcome.CANCELLED, "keep", S.CANCELLED, "cancelled_upstream", True),
        (CANCELLED, None, "keep", S.CANCELLED, "cancelled_upstream", True),  # the answer to an earlier call was lost
        (QUEUED, LATE, "keep", S.GENERATING, "cancel_too_late", False),
        (QUEUED, NO_WAY, "keep", S.GENERATING, "cancel_too_late", False),
        (RUNNING, None, "keep", S.GENERATING, "cancel_too_late", False),
        (QUEUED, Unavailable("500"), "keep", S.GENERATING, "cancelling", True),
        (QUEUED, TaskUnknown("?"), "keep", S.GENERATING, "cancelling", True),
        (STRANGE, None, "keep", S.GENERATING, "cancelling", True),
        (Unavailable("502"), None, "keep", S.GENERATING, "cancelling", True),
        (TaskUnknown("gone"), None, "keep", S.GENERATING, "task_unknown", True),
        (SUCCEEDED, None, "keep", S.TRANSFERRING, "generated", True),
        (QUEUED, CancelOutcome.CANCELLED, "discard", S.CANCELLED, "cancelled_upstream", True),
        (QUEUED, Unavailable("500"), "discard", S.GENERATING, "cancelling", True),
        (Unavailable("502"), None, "discard", S.GENERATING, "cancelling", True),
        (QUEUED, LATE, "discard", S.CANCELLED, "discarded", True),
        (QUEUED, NO_WAY, "discard", S.CANCELLED, "discarded", True),
        (RUNNING, None, "discard", S.CANCELLED, "discarded", True),
        (SUCCEEDED, None, "discard", S.CANCELLED, "discarded", True),
    ],
)
def test_each_answer_to_a_cancel_request_has_its_decision(
    result: TaskReport | GatewayError,
    outcome: CancelOutcome | GatewayError | None,
    wanted: str,
    target: JobState,
    reason: str,
    *,
    request_stays: bool,
) -> None:
    """A call without an answer is not a refusal: the request stays, and the gateway is asked again soon."""
    job = a_job(cancel_request=wanted)
    decision = decide_cancel(result, outcome, job, poll(result, job), random.Random(1))
    assert (decision.target, decision.reason) == (target, reason)
    assert ("cancel_request" not in decision.patch) == request_stays
    if reason == "cancelling":
        assert decision.due_in_s <= 0.5


@pytest.mark.parametrize(("wanted", "target"), [("keep", S.GENERATING), ("discard", S.CANCELLED)])
def test_a_cancel_call_that_is_never_answered_ends_only_a_discarded_job(wanted: str, target: JobState) -> None:
    waits = []
    for setbacks in range(MAX_DISCARD_TRIES):
        job = a_job(cancel_request=wanted, reason="cancelling", setbacks=setbacks)
        decision = decide_cancel(QUEUED, Unavailable("500"), job, poll(QUEUED, job), random.Random(1))
        assert decision.target is S.GENERATING
        waits.append(decision.due_in_s)
    assert waits == sorted(waits)
    assert sum(waits) < 60.0
    job = a_job(cancel_request=wanted, reason="cancelling", setbacks=MAX_DISCARD_TRIES)
    assert decide_cancel(QUEUED, Unavailable("500"), job, poll(QUEUED, job)).target is target


def test_a_task_that_is_lost_during_a_cancel_ends_as_cancelled() -> None:
    job = a_job(cancel_request="keep")
    decision = decide_cancel(TaskUnknown("gone"), None, job, fail(Reason.TASK_LOST, "gone"))
    assert (decision.target, decision.reason) == (S.CANCELLED, "task_lost")


def test_a_throttled_cancel_call_waits_as_long_as_the_gateway_asks() -> None:
    job = a_job(cancel_request="keep")
    assert decide_cancel(QUEUED, Throttled("429", retry_after_s=9.0), job, poll(QUEUED, job)).due_in_s == 9.0


def test_a_task_without_an_account_waits_for_it_but_not_for_ever() -> None:
    assert decide_without_account(a_job(), 100.0, 60.0).target is S.GENERATING
    assert decide_without_account(a_job(cancel_request="keep"), 100.0, 60.0).reason == "account_missing"
    assert decide_without_account(a_job(cancel_request="discard"), 100.0, 60.0).reason == "discarded"
    assert decide_without_account(a_job(deadline_in_s=-1.0), 100.0, 60.0).reason == "deadline_exceeded"
    assert decide_without_account(a_job(submitted_age_s=101.0), 100.0, 60.0).reason == "generation_timeout"
    generated = a_job(generated_age_s=5.0, video_url="https://x/v.mp4", expires_in_s=60.0, deadline_in_s=-1.0)
    assert decide_without_account(generated, 100.0, 60.0).target is S.TRANSFERRING

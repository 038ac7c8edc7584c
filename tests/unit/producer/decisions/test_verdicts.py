"""What each verb does with a row in each state: one table of cases."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from producer.campaigns.decisions.verdicts import Cure, Terms, Verb, Verdict, Why, cure_of, verdict_on
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowView
from storage.jobs.reasons import Reason
from storage.jobs.records import JobView
from storage.jobs.states import JobState

S = JobState
NOW = datetime(2026, 11, 28, tzinfo=UTC)
TERMS = Terms(NOW)
FLAGGED: dict[str, Any] = {"code": "moderation_blocked", "stage": "input", "modality": "text"}
OUTPUT = FLAGGED | {"stage": "output", "modality": "video"}
SOUND = OUTPUT | {"modality": "audio"}


def a_job(state: JobState, **values: Any) -> JobView:
    known: dict[str, Any] = {item.name: None for item in fields(JobView)}
    known |= {"id": UUID(int=1), "state": state, "request": {"prompt": "a lamp"}, "metadata": {}, "tags": []}
    return JobView(**known | {"priority": 5, "attempt": 1, "finals": []} | values)


def a_row(state: JobState, **values: Any) -> RowView:
    known: dict[str, Any] = {item.name: None for item in fields(RowView)}
    known |= {"id": UUID(int=1), "number": 2, "state": state, "review": Review.OPEN, "edited": False}
    return RowView(**known | values)


def judged(verb: Verb, job: JobView, terms: Terms = TERMS, **values: Any) -> Verdict:
    return verdict_on(verb, a_row(job.state, **values), job, job, terms)


@pytest.mark.parametrize(
    ("verb", "state", "why"),
    [
        (Verb.APPROVE, S.SUCCEEDED, None),
        (Verb.APPROVE, S.FAILED, Why.NO_VIDEO),
        (Verb.APPROVE, S.QUEUED, Why.RUNNING),
        (Verb.REJECT, S.SUCCEEDED, None),
        (Verb.REJECT, S.UNCONFIRMED, Why.UNCONFIRMED),
        (Verb.REROLL, S.SUCCEEDED, None),
        (Verb.REROLL, S.FAILED, None),
        (Verb.REROLL, S.CANCELLED, None),
        (Verb.REROLL, S.GENERATING, Why.RUNNING),
        (Verb.REROLL, S.UNCONFIRMED, Why.UNCONFIRMED),
        (Verb.RETRY, S.SUCCEEDED, Why.NOT_FAILED),
        (Verb.RETRY, S.FAILED, None),
        (Verb.RETRY, S.CANCELLED, None),
        (Verb.RETRY, S.QUEUED, Why.RUNNING),
        (Verb.CANCEL, S.QUEUED, None),
        (Verb.CANCEL, S.SUBMITTING, None),
        (Verb.CANCEL, S.TRANSFERRING, Why.BILLED),
        (Verb.CANCEL, S.SUCCEEDED, Why.HAS_ENDED),
        (Verb.RESUME, S.QUEUED, Why.NOT_KEPT_BACK),
        (Verb.SET, S.QUEUED, None),
        (Verb.SET, S.GENERATING, Why.SUBMITTED),
        (Verb.SET, S.FAILED, Why.HAS_ENDED),
    ],
)
def test_what_each_verb_does_in_each_state(verb: Verb, state: JobState, why: Why | None) -> None:
    assert judged(verb, a_job(state)).why is why


@pytest.mark.parametrize(
    ("error", "cure", "why"),
    [
        (FLAGGED, Cure.OTHER_INPUT, Why.FLAGGED_INPUT),
        (FLAGGED | {"stage": None}, Cure.OTHER_INPUT, Why.FLAGGED_INPUT),
        ({"code": "invalid_request"}, Cure.OTHER_REQUEST, Why.REFUSED),
        ({"code": "input_gone"}, Cure.OTHER_FILE, Why.INPUT_GONE),
        (OUTPUT, Cure.OTHER_SEED, None),
        (SOUND, Cure.NO_SOUND, None),
        ({"code": "generation_failed"}, Cure.AGAIN, None),
        ({"code": "deadline_exceeded"}, Cure.AGAIN, None),
        (None, Cure.AGAIN, None),
    ],
)
@pytest.mark.parametrize("verb", [Verb.RETRY, Verb.REROLL])
def test_what_cannot_succeed_is_never_made_again(
    verb: Verb, error: dict[str, Any] | None, cure: Cure, why: Why | None
) -> None:
    assert cure_of(error) is cure
    job = a_job(S.FAILED, error=error)
    assert judged(verb, job).why is why
    assert judged(verb, job, edited=True).why is None, "the sheet asks for something else now"


def test_flagged_output_gets_another_seed_and_flagged_sound_none_unless_the_row_asks_for_it() -> None:
    assert judged(Verb.RETRY, a_job(S.FAILED, error=OUTPUT)) == Verdict(new_seed=True)
    assert judged(Verb.RETRY, a_job(S.FAILED, error=SOUND)) == Verdict(new_seed=True, no_sound=True)
    wanted = a_job(S.FAILED, error=SOUND, request={"prompt": "a band", "audio": True})
    assert judged(Verb.RETRY, wanted) == Verdict(new_seed=True)
    assert judged(Verb.RETRY, a_job(S.FAILED, error={"code": "generation_failed"})) == Verdict()


def test_an_approved_draft_is_made_final_in_time_and_a_final_is_rerolled_from_a_new_draft() -> None:
    draft = a_job(S.SUCCEEDED, request={"prompt": "x", "draft": True}, draft_ends_at=NOW + timedelta(days=1))
    assert judged(Verb.APPROVE, draft).why is None
    assert judged(Verb.APPROVE, draft, review=Review.APPROVED).why is None, "its final is missing"
    assert judged(Verb.APPROVE, replace(draft, draft_ends_at=NOW)).why is Why.DRAFT_OVER
    final = replace(draft, draft_of=UUID(int=9))
    assert judged(Verb.APPROVE, final, review=Review.APPROVED).why is Why.DONE_ALREADY
    running = replace(final, state=S.GENERATING)
    assert judged(Verb.APPROVE, running, review=Review.APPROVED).why is Why.DONE_ALREADY
    assert judged(Verb.REROLL, final) == Verdict(new_seed=True, new_draft=True)
    late = replace(final, state=S.FAILED, draft_ends_at=NOW)
    assert judged(Verb.RETRY, late).why is Why.DRAFT_OVER
    assert judged(Verb.REROLL, late) == Verdict(new_seed=True, new_draft=True)
    queued = replace(final, state=S.QUEUED)
    assert judged(Verb.SET, queued, Terms(NOW, fields={"duration": 5})).why is Why.OF_DRAFT
    assert judged(Verb.SET, queued, Terms(NOW, fields={"priority": 9})).why is None


def test_a_review_is_written_again_only_with_another_comment() -> None:
    done = a_job(S.SUCCEEDED)
    known: dict[str, Any] = {"review": Review.REJECTED, "review_comment": "dark"}
    assert judged(Verb.REJECT, done, **known).why is Why.DONE_ALREADY
    assert judged(Verb.REJECT, done, replace(TERMS, comment="too dark"), **known).why is None
    assert judged(Verb.APPROVE, done, **known).why is None


def test_discarding_cancels_what_is_billed_and_only_kept_rows_are_released() -> None:
    assert judged(Verb.CANCEL, a_job(S.TRANSFERRING), replace(TERMS, discard=True)).why is None
    assert judged(Verb.RESUME, a_job(S.QUEUED, reason=Reason.KEPT_BACK)).why is None


def test_a_resume_of_rows_submits_what_was_kept_back_and_says_what_a_pause_holds() -> None:
    def resumed(reason: Reason | None, *, paused: bool, whole: bool) -> Why | None:
        job = a_job(S.QUEUED, reason=reason)
        return verdict_on(Verb.RESUME, a_row(S.QUEUED), job, job, Terms(NOW, whole=whole), paused=paused).why

    for paused in (True, False):
        for whole in (True, False):
            assert resumed(Reason.KEPT_BACK, paused=paused, whole=whole) is None
    assert resumed(None, paused=False, whole=False) is resumed(None, paused=False, whole=True) is Why.NOT_KEPT_BACK
    assert resumed(None, paused=True, whole=True) is None
    assert resumed(None, paused=True, whole=False) is Why.PAUSED and not Why.PAUSED.is_idle
    running = a_job(S.GENERATING)
    verdict = verdict_on(Verb.RESUME, a_row(S.GENERATING), running, running, TERMS, paused=True)
    assert verdict.why is Why.NOT_KEPT_BACK

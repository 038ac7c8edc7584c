"""The decision for each answer to a webhook delivery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.webhooks.outbox import EventType
from worker.retry import WEBHOOK
from worker.webhooks.decisions import RETRY_FOR_S, Verdict, decide
from worker.webhooks.sender import Answer


def judged(answer: Answer, *, event: str = "job.succeeded", attempts: int = 0, tried_for_s: float = 0.0) -> Verdict:
    return decide(answer, event=event, attempts=attempts, tried_for_s=tried_for_s)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_means_delivered(status: int) -> None:
    assert judged(Answer(status), tried_for_s=2 * RETRY_FOR_S) == Verdict(delivered=True)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 408, 409, 429, 500, 503, None])
def test_any_other_answer_is_retried_for_a_day(status: int | None) -> None:
    first = judged(Answer(status, "refused"))
    assert first.due_in_s is not None
    assert 4 <= first.due_in_s <= 6
    assert not (first.delivered or first.dead or first.disable)
    assert judged(Answer(status, "refused"), tried_for_s=RETRY_FOR_S).dead


def test_410_disables_the_endpoint() -> None:
    assert judged(Answer(410)) == Verdict(dead=True, error="HTTP 410", disable=True)


def test_an_unusable_url_and_a_test_message_are_not_retried() -> None:
    assert judged(Answer(None, "the URL cannot be used", never=True)).dead
    assert judged(Answer(500), event=EventType.TEST).dead


def test_retry_after_only_lengthens_a_wait() -> None:
    assert judged(Answer(503, retry_after_s=600.0)).due_in_s == 600.0
    assert (judged(Answer(503, retry_after_s=0.0)).due_in_s or 0) >= 4


@given(attempts=st.integers(0, 40_000), tried_for_s=st.floats(0, RETRY_FOR_S, exclude_max=True))
def test_every_delay_is_bounded_and_the_last_attempt_comes_within_the_day(attempts: int, tried_for_s: float) -> None:
    due_in_s = judged(Answer(500), attempts=attempts, tried_for_s=tried_for_s).due_in_s
    assert due_in_s is not None
    assert 1.0 <= due_in_s <= WEBHOOK.cap_s * 1.2
    assert tried_for_s + due_in_s <= RETRY_FOR_S + 1.0


def test_a_day_has_about_a_dozen_attempts() -> None:
    for _ in range(50):
        attempts, tried_for_s = 0, 0.0
        while not (verdict := judged(Answer(500), attempts=attempts, tried_for_s=tried_for_s)).dead:
            attempts += 1
            tried_for_s += verdict.due_in_s or 0.0
        assert 11 <= attempts <= 15

"""What a look finds due is what the claims and duties after it find; polls keep the limits of their accounts."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

import pytest

from storage.database import connect
from storage.jobs import claims
from storage.jobs.due_work import due_duties, due_work, has_queue

JOB = """
INSERT INTO jobs (id, request, request_hash, gateways, lane, state, account, attempt, gateway_task_id, due_at,
                  cancel_request, deadline_at, draft_of, draft_ends_at, account_pin, draft_task_id, draft_model,
                  video_url, finished_at, error)
SELECT gen_random_uuid(), '{}', 'h', '{anyfast}', 'fast/text/720p', %(state)s, 'a1', 1, gen_random_uuid()::text,
       %(due_at)s::timestamptz, %(cancel)s, %(deadline)s::timestamptz,
       CASE WHEN ends IS NOT NULL THEN gen_random_uuid() END,
       ends, 'a1', 'draft', 'm', 'https://h.example/v', CASE WHEN %(state)s = 'failed' THEN now() END, '{}'
FROM (SELECT %(draft_ends)s::timestamptz AS ends) draft
"""
ATTEMPT = """
INSERT INTO attempts (job_id, number, account, model, model_key, look_at)
SELECT id, 1, 'a1', 'm', 'fast', %s::timestamptz FROM jobs
"""
COPY = "INSERT INTO playable_copies (job_id, due_at) SELECT id, %s::timestamptz FROM jobs"
MESSAGE = """
INSERT INTO webhook_messages (id, tenant, type, url, target, due_at)
VALUES (gen_random_uuid(), 't', 'job.succeeded', 'https://a.example/', 'a.example', %s::timestamptz)
"""
PAST, FUTURE = "2020-01-01", "2100-01-01"
NOTHING: dict[str, str | None] = {"due_at": FUTURE, "cancel": None, "deadline": None, "draft_ends": None}
KINDS: dict[str, dict[str, str | None]] = {
    "lost_submits": {"state": "submitting", "due_at": PAST},
    "cancelled": {"state": "queued", "cancel": "discard"},
    "past_deadline": {"state": "queued", "deadline": PAST},
    "dead_drafts": {"state": "queued", "draft_ends": PAST},
    "transfers": {"state": "transferring", "due_at": PAST},
    "polls": {"state": "generating", "due_at": PAST},
    "unconfirmed": {"state": "unconfirmed", "due_at": PAST},
}
ELSEWHERE = {"playable_copies": COPY, "looks": ATTEMPT, "messages": MESSAGE}


def found(url: str) -> set[str]:
    with connect(url) as conn:
        seen = asdict(due_duties(conn)) | asdict(due_work(conn)) | {"first_poll": None}
    return {kind for kind, is_due in seen.items() if is_due}


@pytest.mark.parametrize("kind", KINDS)
def test_a_look_finds_a_job_that_is_due_and_nothing_else(postgres_url: str, kind: str) -> None:
    with connect(postgres_url) as conn:
        conn.execute(JOB, NOTHING | KINDS[kind])
    assert found(postgres_url) == {kind}


def test_a_look_finds_nothing_that_is_due_later(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for values in KINDS.values():
            later = {name: FUTURE if value == PAST else value for name, value in values.items()}
            conn.execute(JOB, NOTHING | later | {"cancel": None})
        for sql in ELSEWHERE.values():
            conn.execute(sql, [FUTURE])
    assert found(postgres_url) == set()


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_a_look_finds_what_is_due_beside_the_jobs(postgres_url: str, kind: str) -> None:
    with connect(postgres_url) as conn:
        conn.execute(JOB, NOTHING | {"state": "failed", "due_at": None})
        conn.execute(ELSEWHERE[kind], [PAST])
    assert found(postgres_url) == {kind}


def test_a_queue_is_seen_whether_its_jobs_are_due_or_not(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        assert not has_queue(conn)
        conn.execute(JOB, NOTHING | {"state": "queued"})
        assert has_queue(conn)


_POLLS = """
INSERT INTO jobs (id, request, request_hash, gateways, lane, state, account, attempt, gateway_task_id, due_at)
SELECT gen_random_uuid(), '{}', 'h', '{anyfast}', 'fast/text/720p', 'generating', %(account)s, 1, %(account)s || n,
       now() - make_interval(secs => %(since)s - n * 0.001)
FROM generate_series(1, %(count)s) n
"""


@pytest.mark.parametrize("backlog", [40, claims.DUE_POLLS + 1], ids=["few", "more than are read at once"])
def test_polls_of_an_account_with_a_limit_hide_no_others_and_stay_within_it(postgres_url: str, backlog: int) -> None:
    with connect(postgres_url) as conn:
        for account, since, count in (("limited", 9000, backlog), ("held", 8000, 30), ("free", 60, 30)):
            conn.execute(_POLLS, {"account": account, "since": since, "count": count})
        most = {"limited": 7, "held": 0}
        first = claims.claim_polls(conn, 20, 90.0, most)
        assert Counter(item.account for item in first) == {"limited": 7, "free": 13}
        assert min(item.late_s or 0.0 for item in first) > 50
        rest = claims.claim_polls(conn, 500, 90.0, most)
        assert Counter(item.account for item in rest) == {"limited": 7, "free": 17}, "what is leased is not due"
        assert claims.claim_polls(conn, 5, 90.0, most | {"limited": 9})[0].account == "limited"
        assert len({item.id for item in (*first, *rest)}) == 44
        held_back = claims.claim_polls(conn, 5000, 90.0)
        assert Counter(item.account for item in held_back) == {"limited": backlog - 19, "held": 30}


def test_a_poll_that_another_scheduler_holds_is_skipped(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        conn.execute(_POLLS, {"account": "a1", "since": 60, "count": 10})
    with connect(postgres_url) as one, connect(postgres_url) as other:
        held = {item.id for item in claims.claim_polls(one, 4, 90.0)}
        assert len(held) == 4
        assert held.isdisjoint(item.id for item in claims.claim_polls(other, 10, 90.0))

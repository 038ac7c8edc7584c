"""`/metrics` agrees with the rows."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from storage import heartbeats
from storage.admission.circuit_breaker import Cause
from storage.database import connect
from storage.jobs import attempts, transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Correlation, Move, NewJob
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.webhooks import outbox
from tests.claiming import claim_submits, close_account
from tests.integration.api.api_server import calling

S = JobState


def get(settings: Settings, path: str) -> httpx.Response:
    async def run() -> httpx.Response:
        key = "the-operators-own-key"
        keyed = Settings.model_validate(settings.model_dump() | {"api_key": key})
        async with calling(keyed, "http://127.0.0.1") as client:
            return await client.get(path, headers={"X-API-Key": key})

    return asyncio.run(run())


def test_metrics_count_the_rows(settings: Settings) -> None:
    assert settings.database_url is not None
    with connect(settings.database_url) as conn:
        new = [NewJob(new_job_id(), {"prompt": str(i)}, f"h{i}", ["anyfast"]) for i in range(3)]
        enqueue_jobs(conn, new)
        close_account(conn, "main", Cause.ACCOUNT, "no credit")
        heartbeats.beat(conn, "scheduler", "here")
        outbox.tell_test(conn, "default", {}, url="https://a.example")
    with connect(settings.database_url) as conn:
        [taken, *_] = claim_submits(conn, "main", "anyfast", 1, 60.0)
        patch = {"gateway": "anyfast", "model": "seedance"}
        move = Move(taken.id, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, taken.claim, due_in_s=60.0, patch=patch)
        attempts.begin_attempts(conn, [move], {taken.id: Correlation()})
        transitions.move(conn, [Move(taken.id, (S.SUBMITTING,), S.UNCONFIRMED, Reason.HELD, due_in_s=60.0)])
        conn.execute("UPDATE webhook_messages SET created_at = now() - interval '1 day'")
    answer = get(settings, "/metrics")
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    assert 'reelq_jobs{state="queued"} 2.0' in lines
    assert 'reelq_jobs_waiting{reason="held",state="unconfirmed"} 1.0' in lines
    assert 'reelq_account_in_flight{account="main"} 1.0' in lines
    assert 'reelq_account_paused{account="main",model="",why="suspended"} 1.0' in lines
    assert 'reelq_webhook_messages{state="pending"} 1.0' in lines
    assert 'reelq_webhook_messages{state="dead"} 0.0' in lines
    [oldest] = [line for line in lines if line.startswith("reelq_webhook_oldest_seconds ")]
    assert 86_400 <= float(oldest.split()[1]) < 90_000
    assert any(line.startswith('reelq_component_unseen_seconds{component="scheduler"}') for line in lines)
    assert any(line.startswith('reelq_job_lateness_seconds{state="queued"}') for line in lines)


def test_metrics_without_a_database_answer_503(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.api.app.DATABASE_WAIT_S", 0.5)
    answer = get(settings.model_copy(update={"database_url": "postgresql://x@127.0.0.1:1/x"}), "/metrics")
    assert answer.status_code == 503
    assert "127.0.0.1:1" in answer.text

"""Callbacks of gateways: hints that make a job due, accepted only with the attempt's token."""

from __future__ import annotations

import asyncio
import secrets
from uuid import UUID

import httpx
import pytest

from producer.api.app import create_app
from producer.api.callbacks import MAX_BODY_BYTES
from storage.database import connect
from storage.jobs import attempts, claims, doubts, history, queries, transitions
from storage.jobs.callbacks import hash_token
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Correlation, Move, NewJob
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import claim_submits

S = JobState


def post(settings: Settings, path: str, **body: object) -> httpx.Response:
    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, **body)  # type: ignore[arg-type] # httpx's own keywords

    return asyncio.run(run())


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url


def an_unconfirmed_job(url: str, token: str) -> UUID:
    job = NewJob(new_job_id(), {"prompt": "x"}, "h", ["ark"])
    with connect(url) as conn:
        enqueue_jobs(conn, [job])
    with connect(url) as conn:
        [taken] = claim_submits(conn, "main", "ark", 1, 60.0)
        patch = {"gateway": "ark", "model": "m"}
        move = Move(taken.id, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, taken.claim, due_in_s=60.0, patch=patch)
        attempts.begin_attempts(conn, [move], {taken.id: Correlation(callback_hash=hash_token(token))})
        transitions.move(conn, [Move(taken.id, (S.SUBMITTING,), S.UNCONFIRMED, Reason.OUTCOME_UNKNOWN, due_in_s=600.0)])
    return job.id


def reported(url: str, job_id: UUID) -> str | None:
    with connect(url) as conn:
        [attempt] = history.attempts_of(conn, job_id)
    task_id = attempt["reported_task_id"]
    return None if task_id is None else str(task_id)


def test_a_callback_makes_its_job_due_and_stores_the_task_id(settings: Settings, url: str) -> None:
    token = secrets.token_urlsafe(32)
    job_id = an_unconfirmed_job(url, token)
    with connect(url) as conn:
        assert claims.claim_unconfirmed(conn, 9, 60.0) == []
    assert post(settings, f"/callbacks/ark/{token}", json={"id": "cgt-1", "status": "running"}).status_code == 200
    assert reported(url, job_id) == "cgt-1"
    assert post(settings, f"/callbacks/ark/{token}", json={"id": "cgt-2"}).status_code == 200, "a replay is harmless"
    assert reported(url, job_id) == "cgt-1"
    with connect(url) as conn:
        [held] = claims.claim_unconfirmed(conn, 9, 60.0)
        [doubt] = doubts.doubts(conn, [(held.id, held.claim)])
    assert doubt.reported_task_id == "cgt-1"
    with connect(url) as conn:
        assert queries.get_jobs(conn, DEFAULT_TENANT, [job_id])[job_id].state is S.UNCONFIRMED, (
            "nothing is believed before it is asked"
        )


@pytest.mark.parametrize("path", ["ark/{other}", "anyfast/{token}", "nobody/{token}", "ark/x", "ark/{token}x"])
def test_an_unknown_gateway_or_token_is_not_found(settings: Settings, url: str, path: str) -> None:
    token = secrets.token_urlsafe(32)
    job_id = an_unconfirmed_job(url, token)
    target = path.format(token=token, other=secrets.token_urlsafe(32))
    assert post(settings, f"/callbacks/{target}", json={"id": "cgt-1"}).status_code == 404
    assert reported(url, job_id) is None


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[]", b'{"id": 5}', b'{"id": "' + b"x" * 500 + b'"}', b'{"id": "a\\u0000b"}']
)
def test_a_body_that_names_no_task_is_still_a_hint(settings: Settings, url: str, body: bytes) -> None:
    token = secrets.token_urlsafe(32)
    job_id = an_unconfirmed_job(url, token)
    assert post(settings, f"/callbacks/ark/{token}", content=body).status_code == 200
    assert reported(url, job_id) in (None, "5", "ab")


def test_a_large_body_is_refused(settings: Settings, url: str) -> None:
    token = secrets.token_urlsafe(32)
    an_unconfirmed_job(url, token)
    assert post(settings, f"/callbacks/ark/{token}", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413


def test_only_the_tokens_hash_is_stored(url: str) -> None:
    token = secrets.token_urlsafe(32)
    an_unconfirmed_job(url, token)
    with connect(url) as conn:
        rows = conn.execute("SELECT a::text FROM attempts a").fetchall()
    assert token not in str(rows)

"""Callbacks of gateways: hints that make a job due, accepted only with the attempt's token."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producer.api.callbacks import MAX_BODY_BYTES
from producer.http.doors.callback_proofs import CallbackProofs, KeysUnavailable
from seedance.account import Account
from seedance.gateways.base import Callback
from storage.database import connect
from storage.jobs import attempts, claims, doubts, history, queries, transitions
from storage.jobs.callbacks import hash_token
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Correlation, Move, NewJob
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from storage.waking.hints import KEY
from tests.claiming import claim_submits
from tests.integration.api.api_server import calling
from tests.waiting import wait_for

S = JobState


def post(settings: Settings, path: str, **body: object) -> httpx.Response:
    async def run() -> httpx.Response:
        async with calling(settings, "http://test") as client:
            return await client.post(path, **body)  # type: ignore[arg-type] # httpx's own keywords

    return asyncio.run(run())


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url


def an_unconfirmed_job(url: str, token: str, gateway: str = "ark", model: str = "m") -> UUID:
    job = NewJob(new_job_id(), {"prompt": "x"}, "h", [gateway])
    with connect(url) as conn:
        enqueue_jobs(conn, [job])
    with connect(url) as conn:
        [taken] = claim_submits(conn, "main", gateway, 1, 60.0)
        patch = {"gateway": gateway, "model": model}
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
    with redis.Redis.from_url(settings.require_broker_url()) as broker:
        wait_for("the scheduler's hint", lambda: broker.zrange(KEY, 0, -1) == [b"poll"])
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


@pytest.mark.parametrize("path", ["ark/{other}", "anyfast/{token}", "unknown/{token}", "ark/x", "ark/{token}x"])
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


def with_account(settings: Settings, gateway: str, **more: Any) -> Settings:
    account = Account.model_validate({"name": "main", "gateway": gateway, "api_key": "sk-x", **more})
    return settings.model_copy(update={"accounts": (account,)})


def openrouter_body(secret: str, at: float, task_id: str = "job-1") -> dict[str, Any]:
    body = orjson.dumps({"type": "video.generation.completed", "data": {"id": task_id, "status": "completed"}})
    time_ = str(int(at))
    signature = hmac.new(secret.encode(), f"{time_},".encode() + body, "sha256").hexdigest()
    return {"content": body, "headers": {"X-OpenRouter-Signature": f"t={time_},v1={signature}"}}


def test_a_callback_with_a_wrong_signature_moves_nothing(settings: Settings, url: str) -> None:
    token = secrets.token_urlsafe(32)
    job_id = an_unconfirmed_job(url, token, "openrouter")
    signing = with_account(settings, "openrouter", webhook_secret="whsec-right")
    path, now = f"/callbacks/openrouter/{token}", time.time()
    unsigned = {"json": {"data": {"id": "job-1"}}}
    for wrong in (unsigned, openrouter_body("whsec-wrong", now), openrouter_body("whsec-right", now - 400)):
        refused = post(signing, path, **wrong)
        assert (refused.status_code, refused.json()["error"][:12]) == (403, "not accepted")
    with connect(url) as conn:
        assert claims.claim_unconfirmed(conn, 9, 60.0) == []
    assert reported(url, job_id) is None
    assert post(signing, path, **openrouter_body("whsec-right", now)).status_code == 200
    assert reported(url, job_id) == "job-1"


def test_without_a_secret_the_token_alone_suffices(settings: Settings, url: str) -> None:
    token = secrets.token_urlsafe(32)
    job_id = an_unconfirmed_job(url, token, "kie")
    body = {"code": 200, "data": {"taskId": "task-1"}}
    assert post(with_account(settings, "kie"), f"/callbacks/kie/{token}", json=body).status_code == 200
    assert reported(url, job_id) == "task-1"


class Jwks(BaseHTTPRequestHandler):
    body = b""
    fetches = 0

    def do_GET(self) -> None:
        Jwks.fetches += 1
        self.send_response(200 if self.body else 500)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


def fal_body(key: Ed25519PrivateKey) -> dict[str, Any]:
    body, now = orjson.dumps({"request_id": "r-1", "status": "OK", "payload": {}}), str(int(time.time()))
    signed = f"r-1\nuser\n{now}\n{hashlib.sha256(body).hexdigest()}"
    given = {"Request-Id": "r-1", "User-Id": "user", "Timestamp": now, "Signature": key.sign(signed.encode()).hex()}
    return {"content": body, "headers": {f"X-Fal-Webhook-{name}": value for name, value in given.items()}}


def test_fals_callbacks_are_checked_with_its_published_keys(settings: Settings, url: str) -> None:
    token, key = secrets.token_urlsafe(32), Ed25519PrivateKey.generate()
    job_id = an_unconfirmed_job(url, token, "fal", "bytedance/seedance-2.0/text-to-video")
    path = f"/callbacks/fal/{token}"
    with ThreadingHTTPServer(("127.0.0.1", 0), Jwks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        keys_url = f"http://127.0.0.1:{server.server_address[1]}/.well-known/jwks.json"
        checked = with_account(settings, "fal", webhook_keys_url=keys_url)
        Jwks.body = b""
        unavailable = post(checked, path, **fal_body(key))
        assert (unavailable.status_code, unavailable.headers["retry-after"]) == (503, "5")
        x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
        Jwks.body = orjson.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]})
        assert post(checked, path, **fal_body(Ed25519PrivateKey.generate())).status_code == 403
        assert reported(url, job_id) is None
        assert post(checked, path, **fal_body(key)).status_code == 200
        server.shutdown()
    assert reported(url, job_id) == "bytedance/seedance-2.0/r-1", "with the app, by which the task is queried"


def test_callbacks_do_not_wait_in_line_for_keys_that_cannot_be_fetched(settings: Settings) -> None:
    async def verify(keys_url: str) -> list[object]:
        fal = with_account(settings, "fal", webhook_keys_url=keys_url)
        proofs = CallbackProofs(lambda: fal, settings.outbound())
        callback = Callback({}, b"")
        return await asyncio.gather(*(proofs.forgery("main", callback) for _ in range(20)), return_exceptions=True)

    Jwks.body, Jwks.fetches = b"", 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Jwks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answers = asyncio.run(verify(f"http://127.0.0.1:{server.server_address[1]}/.well-known/jwks.json"))
        server.shutdown()
    assert [type(answer) for answer in answers] == [KeysUnavailable] * 20
    assert Jwks.fetches == 1

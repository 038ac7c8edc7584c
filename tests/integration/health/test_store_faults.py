"""Faults of the object store, planted in front of a real one: doctor finds each and says what to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web

from producer.health import store_proof
from producer.health.findings import Finding, Level
from producer.health.store_proof import prove_store
from storage.settings import Settings
from tests.integration.health.diagnosis import assert_found, assert_well, diagnose
from tests.ruled_store import Rule, refusal, ruled
from tests.servers import Bucket
from tests.store_door import Door, what


def found_with(settings: Settings, s3: Bucket, rule: Rule, **more: object) -> list[Finding]:
    with ruled(s3, rule, settings, **more) as (_, ours):
        return diagnose(ours, "bucket")


def refuse(kind: str, status: int, code: str, message: str = "said the store") -> Rule:
    return lambda request: refusal(status, code, message) if what(request) == kind else None


def test_a_store_that_works_and_one_that_is_down(settings: Settings, closed_port: int) -> None:
    assert_well(diagnose(settings, "bucket"), "bucket")
    down = settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{closed_port}"})
    assert_found(diagnose(down, "bucket"), "store_down", "check REELQ_S3_ENDPOINT_URL", str(closed_port))


def test_a_misspelt_bucket_is_named_and_never_created(settings: Settings, s3: Bucket) -> None:
    name = f"{s3.bucket}s"
    found = diagnose(settings.model_copy(update={"s3_bucket": name}), "bucket")
    finding = assert_found(found, "bucket_missing", name, "correct s3_bucket", "`reelq bucket create`")
    assert "REELQ_S3_ENDPOINT_URL" not in finding.message, "the store itself answers"
    assert not (s3.directory.parent / name).exists()


@pytest.mark.parametrize(
    ("kind", "status", "said", "code", "advice"),
    [
        ("put", 403, "AccessDenied", "store_right", "allow s3:PutObject"),
        ("get", 403, "AccessDenied", "store_right", "allow s3:GetObject"),
        ("put", 403, "SignatureDoesNotMatch", "store_key", "check s3_access_key_id and s3_secret_access_key"),
        ("put", 403, "QuotaExceeded", "store_full", "free space in the store"),
        ("part", 507, "InsufficientStorage", "store_full", "free space in the store"),
        ("put", 507, "XMinioStorageFull", "store_full", "free space in the store"),
        ("put", 403, "RequestTimeTooSkewed", "store_clock", "set both by NTP"),
        ("put", 400, "AuthorizationHeaderMalformed", "store_region", "set s3_region to the region of the bucket"),
        ("put", 418, "Teapot", "store_refuses", "Teapot: said the store"),
    ],
)
def test_a_refusal(settings: Settings, s3: Bucket, kind: str, status: int, said: str, code: str, advice: str) -> None:
    assert_found(found_with(settings, s3, refuse(kind, status, said)), code, advice)


def test_a_policy_that_allows_videos_alone(settings: Settings, s3: Bucket) -> None:
    def rule(request: web.Request) -> web.Response | None:
        of_journal = request.method == "PUT" and "/journal/" in request.path
        return refusal(403, "AccessDenied", "said the store") if of_journal else None

    advice = "allow s3:PutObject for this key below journal/ too"
    assert_found(found_with(settings, s3, rule), "journal_right", advice, level=Level.WARN)
    with ruled(s3, rule, settings) as (_, ours):
        assert prove_store(ours, journal=False).code is None, "a tenant's bucket holds no journal"
    assert not [path for path in s3.directory.rglob("*") if path.is_file()], "doctor leaves nothing behind"


def test_a_store_that_works_but_needs_a_look(settings: Settings, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_with(settings, s3, refuse("delete", 403, "AccessDenied"))
    assert_found(found, "store_delete_right", "allow s3:DeleteObject", level=Level.WARN)

    def elsewhere(request: web.Request) -> web.Response | None:
        words = "the region 'mars-1' is wrong; expecting 'eu-west-1'"
        signed = "/eu-west-1/" in request.headers.get("Authorization", "") + request.query.get("X-Amz-Credential", "")
        return None if signed else refusal(400, "AuthorizationHeaderMalformed", words)

    found = found_with(settings, s3, elsewhere, s3_region="mars-1")
    assert_found(found, "store_region", "s3_region is mars-1, but the store says eu-west-1", level=Level.WARN)

    now = time.time
    monkeypatch.setattr("storage.bucket.refusals.time", SimpleNamespace(time=lambda: now() + 600))
    found = found_with(settings, s3, lambda _request: None)
    assert_found(found, "store_clock", "differ by 6", "set both by NTP", level=Level.WARN)


def test_a_store_that_hangs(settings: Settings, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit_s in (("ANSWER_S", 0.5), ("LIMIT_S", 3.0), ("CLEAN_UP_S", 0.5)):
        monkeypatch.setattr(store_proof, name, limit_s)

    async def wait(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    def hang(*kinds: str) -> Rule:
        return lambda request: wait(request) if what(request) in kinds else None

    found = found_with(settings, s3, hang("put", "delete"))
    assert_found(found, "store_slow", "did not store a few bytes within 0.5 s")
    assert_found(found_with(settings, s3, hang("begin", "delete")), "store_slow", "took more than 3 s")


class _Other(Door):
    async def serve(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="another program")


@contextmanager
def another_program() -> Iterator[str]:
    with _Other("").running() as url:
        yield url


def test_links_that_lead_astray(settings: Settings, closed_port: int) -> None:
    away = settings.model_copy(update={"s3_public_endpoint_url": f"http://127.0.0.1:{closed_port}"})
    assert_found(diagnose(away, "bucket"), "links_unreachable", "open one from a client", level=Level.WARN)
    with another_program() as url:
        away = settings.model_copy(update={"s3_public_endpoint_url": url})
        assert_found(diagnose(away, "bucket"), "links_elsewhere", "s3_public_endpoint_url lead to the same store?")

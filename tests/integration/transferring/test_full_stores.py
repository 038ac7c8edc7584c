"""A store that has no room left: the job says so, in words that name the remedy, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from aiohttp import web

from storage.bucket.objects import PART_BYTES
from storage.settings import Settings
from tests.integration.producer.command_line import CommandLine
from tests.ruled_store import refusal, ruled
from tests.servers import Bucket
from tests.store_door import what
from tests.transfers import Files, a_video, generated, running_runtime, transfer
from worker.retry import Backoff
from worker.transferring import store_gate, store_requests

SMALL = a_video()
LARGE = SMALL + (PART_BYTES + 8).to_bytes(4, "big") + b"free" + os.urandom(PART_BYTES)
ACCOUNTS = [{"name": "main", "gateway": "anyfast", "api_key": "sk-test"}]


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(store_requests, "STORE_REQUEST", Backoff(0.0, 0.0))
    monkeypatch.setattr(store_gate, "STORE_DOWN", Backoff(0.0, 0.0))
    with Files({"/small.mp4": SMALL, "/large.mp4": LARGE}).running() as url:
        yield url


@pytest.mark.parametrize(
    ("kinds", "video", "status", "code", "said"),
    [
        ({"probe", "put"}, "small", 507, "XMinioStorageFull", "PUT: HTTP 507: XMinioStorageFull"),
        ({"put"}, "small", 403, "QuotaExceeded", "PUT: HTTP 403: QuotaExceeded"),
        ({"put"}, "small", 507, None, "PUT: HTTP 507: no space left"),
        ({"begin"}, "large", 507, "InsufficientStorage", "multipart upload, begin: HTTP 507"),
        ({"part"}, "large", 403, "QuotaExceeded", "HTTP 403: QuotaExceeded"),
        ({"complete"}, "large", 507, "XMinioStorageFull", "complete: HTTP 507: XMinioStorageFull"),
        ({"companion"}, "small", 507, "XMinioStorageFull", "PUT: HTTP 507: XMinioStorageFull"),
    ],
)
def test_jobs_show_says_that_the_store_is_full(
    settings: Settings,
    s3: Bucket,
    base: str,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    kinds: set[str],
    video: str,
    status: int,
    code: str | None,
    said: str,
) -> None:
    is_full = True

    def rule(request: web.Request) -> web.Response | None:
        if not is_full or what(request) not in kinds:
            return None
        return web.Response(status=status, text="no space left") if code is None else refusal(status, code, "no room")

    with ruled(s3, rule, settings) as (_, ours), running_runtime(ours, base, poster=False) as runtime:
        job_id = generated(ours, f"{base}/{video}.mp4")
        row = transfer(runtime, job_id)
        assert (row["state"], row["reason"]) == ("transferring", "store_unavailable")
        exit_code, out, errors = CommandLine(monkeypatch, capsysbinary).with_environ(ours, ACCOUNTS)(
            "jobs", "show", job_id
        )
        assert (exit_code, errors) == (0, "")
        shown = " ".join(out.split())
        assert said in shown
        assert f"bucket {s3.bucket} at " in shown
        assert "free space in the store, or raise its quota" in shown
        is_full = False
        assert transfer(runtime, job_id)["state"] == "succeeded"

"""The three steps of a job on aiohttp: submit, ask, copy. boto3 uploads in a thread, or a hand-signed PUT does."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import asyncio
import os
from functools import cache
from urllib.parse import quote

import aiohttp
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from bench.contenders import settings, work

BY_HAND = os.environ.get("BENCH_UPLOAD") == "by-hand"
"""Sign the PUT here and send it with the same client: faster than boto3, but more code."""


def open_session() -> aiohttp.ClientSession:
    """One client for the lifetime of the process."""
    connector = aiohttp.TCPConnector(limit=100)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=work.TIMEOUT_S))


async def submit(session: aiohttp.ClientSession, number: int) -> str:
    """Start a generation; returns the gateway's task id."""
    async with session.post(settings.CREATE_URL, json=settings.body(number), headers=settings.HEADERS) as response:
        response.raise_for_status()
        return (await response.json())["id"]


async def ask(session: aiohttp.ClientSession, task_id: str) -> str | None:
    """The URL of the video; None while it is not ready."""
    async with session.get(f"{settings.CREATE_URL}/{task_id}", headers=settings.HEADERS) as response:
        response.raise_for_status()
        task = (await response.json())["data"]
    if task["status"] == "FAILURE":
        raise RuntimeError(task["fail_reason"])
    return task["result_url"] if task["status"] == "SUCCESS" else None


async def copy(session: aiohttp.ClientSession, url: str, number: int) -> None:
    """Stream the video into the bucket."""
    if BY_HAND:
        await _copy_signed(session, url, number)
    else:
        await asyncio.to_thread(work.copy, url, number)


async def _copy_signed(session: aiohttp.ClientSession, url: str, number: int) -> None:
    async with session.get(url) as source:
        source.raise_for_status()
        target = f"{settings.S3_ENDPOINT}/{settings.BUCKET}/{quote(settings.object_key(number))}"
        headers = _signed(target) | {"Content-Length": source.headers["Content-Length"]}
        async with session.put(target, data=source.content, headers=headers) as answer:
            answer.raise_for_status()


def _signed(url: str) -> dict[str, str]:
    request = AWSRequest("PUT", url, headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    request.context["payload_signing_enabled"] = False
    SigV4Auth(_credentials(), "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


@cache
def _credentials():
    return botocore.session.Session().get_credentials()

"""A source host, a store or an account that stalls holds up its own videos and no others.

The functions of the scheduler and the worker, with a real PostgreSQL, Valkey and S3.
"""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
import redis
from aiohttp import web
from celery import Celery

from storage.database import Database, connect
from storage.jobs import claims
from storage.settings import Settings
from tests.store_door import Door, an_error
from tests.transfers import Files, a_video, generated, row_of, running_runtime, transfer
from tests.waiting import PATIENCE_S, wait_for
from worker.retry import Backoff
from worker.runtime import Runtime
from worker.scheduling.batches import TRANSFER_BATCH, mixed_messages
from worker.scheduling.dispatch import Dispatcher
from worker.transferring import download, fetch, store_gate, store_requests
from worker.transferring.capacity import COPIES_AT_ONCE, URGENT_COPIES_AT_ONCE
from worker.transferring.resources import CopyResources
from worker.transferring.transfer import start_transfer, transfer_batch

CELERY_THREADS = 4


class Dripping(Files):
    """Sends a few bytes at a time."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = self.bodies[request.path]
        response = web.StreamResponse(headers={"ETag": '"one"'})
        response.content_length = len(body)
        await response.prepare(request)
        for start in range(0, len(body), 10):
            await response.write(body[start : start + 10])
            if not self.go_on.is_set():
                await asyncio.sleep(0.05)
        return response


def stalled_files() -> Files:
    """Sends the beginning of each file, then nothing until `go_on` is set."""
    return Files({"/v.mp4": a_video()}, held_at=100)


@contextmanager
def workers(runtime: Runtime) -> Iterator[None]:
    """A scheduler's claims and a worker's threads, as Celery runs them: a thread takes one message after another."""
    messages: queue.Queue[Sequence[Any]] = queue.Queue(8)
    done = threading.Event()

    def schedule() -> None:
        while not done.is_set():
            if messages.empty():
                with connect(runtime.settings.require_database_url()) as conn:
                    urgent = claims.claim_transfers(conn, TRANSFER_BATCH, runtime.settings.lease_seconds, urgent=True)
                    others = claims.claim_transfers(conn, 6 * TRANSFER_BATCH, runtime.settings.lease_seconds)
                for message in [*mixed_messages(urgent, TRANSFER_BATCH), *mixed_messages(others, TRANSFER_BATCH)]:
                    messages.put(message)
            time.sleep(0.05)

    def work() -> None:
        while not done.is_set():
            try:
                message = messages.get(timeout=0.05)
            except queue.Empty:
                continue
            start_transfer(runtime, [(item.id, item.claim) for item in message])

    threads = [threading.Thread(target=schedule), *(threading.Thread(target=work) for _ in range(CELERY_THREADS))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join(PATIENCE_S)


def stored(runtime: Runtime, ids: Sequence[UUID]) -> int:
    with runtime.database.begin() as conn:
        row = conn.execute(
            "SELECT count(*) FROM jobs WHERE id = ANY(%s) AND state = 'succeeded'", [list(ids)]
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("stalled_left_s", [80_000.0, 300.0], ids=["links live all day", "links expire soon"])
def test_a_host_that_stalls_does_not_hold_up_videos_of_other_hosts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stalled_left_s: float
) -> None:
    """The host has 100 older videos; the others' links live for minutes. No stall is detected while this runs."""
    monkeypatch.setattr(fetch, "STALL_S", 3600.0)
    slow, quick = stalled_files(), Files({"/v.mp4": a_video()})
    with (
        slow.running() as stalled,
        quick.running() as healthy,
        running_runtime(settings, None, allow_private_networks=True, poster=False) as runtime,
    ):
        older = [
            generated(settings, f"{stalled}/v.mp4", age_s=3000.0, left_s=stalled_left_s - number)
            for number in range(100)
        ]
        with workers(runtime):
            wait_for("the host has its full share", lambda: len(slow.asked) >= COPIES_AT_ONCE // 2)
            newer = [generated(settings, f"{healthy}/v.mp4", age_s=3000.0, left_s=600.0 + n) for n in range(40)]
            wait_for("all others are in the bucket", lambda: stored(runtime, newer) == 40)
            assert stored(runtime, older) == 0
            assert len(slow.asked) <= (COPIES_AT_ONCE + URGENT_COPIES_AT_ONCE) // 2
            slow.go_on.set()
            wait_for("the stalled videos are in the bucket", lambda: stored(runtime, older) == 100)
    assert len(quick.asked) <= 44, "a busy store may refuse a video now and then"


def test_a_download_that_stalls_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "STALL_S", 0.5)
    files = stalled_files()
    with files.running() as url, running_runtime(settings, url) as runtime:
        row = transfer(runtime, generated(settings, f"{url}/v.mp4"))
        assert (row["state"], row["reason"]) == ("transferring", "download_failed")
        assert len(files.asked) == 2, "it resumed once where it had stopped"
        files.go_on.set()
        assert transfer(runtime, row["id"])["state"] == "succeeded"


def test_a_download_that_drips_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "WINDOW_S", 1.0)
    files = Dripping({"/v.mp4": a_video()})
    with files.running() as url, running_runtime(settings, url) as runtime:
        job_id = generated(settings, f"{url}/v.mp4")
        row = transfer(runtime, job_id)
        assert (row["state"], row["reason"]) == ("transferring", "download_failed")
        files.go_on.set()
        assert transfer(runtime, job_id)["state"] == "succeeded"


def test_videos_are_copied_and_leave_the_line_where_no_thread_can_be_started(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full line would stop all copies of the process for good."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "reelq-transfer":
            raise RuntimeError("can't start new thread")
        start(thread)

    files = Files({"/v.mp4": a_video()})
    with files.running() as url, running_runtime(settings, url, poster=False) as runtime:
        monkeypatch.setattr(runtime.part(CopyResources).capacity.line, "_most", 2)
        ids = [generated(settings, f"{url}/v.mp4") for _ in range(4)]
        monkeypatch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with runtime.database.begin() as conn:
                claimed = claims.claim_transfers(conn, 2, runtime.settings.lease_seconds)
            start_transfer(runtime, [(item.id, item.claim) for item in claimed])
        monkeypatch.undo()
        assert stored(runtime, ids) == 4


# --- the store ---


CLOSED_S = 1.0


@pytest.fixture
def quick_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_requests, "STORE_REQUEST", Backoff(0.01, 0.01))
    monkeypatch.setattr(store_gate, "STORE_DOWN", Backoff(CLOSED_S, CLOSED_S, 1.0, (1.0, 1.0)))
    monkeypatch.setattr(store_gate, "FRESH_S", 3600.0)


def copy_all(runtime: Runtime) -> None:
    """Try each video once, after the store gate has opened again."""
    time.sleep(CLOSED_S)
    with runtime.database.begin() as conn:
        conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'transferring'")
        claimed = claims.claim_transfers(conn, 100, runtime.settings.lease_seconds)
    transfer_batch(runtime, [(item.id, item.claim) for item in claimed])


@pytest.mark.usefixtures("quick_store")
@pytest.mark.parametrize("fault", [an_error(503, "SlowDown"), an_error(507, "InsufficientStorage")])
def test_no_video_is_downloaded_while_the_store_is_down(settings: Settings, fault: Any) -> None:
    door, files = Door(settings.s3_endpoint_url or ""), Files({"/v.mp4": a_video()})
    with (
        door.running() as store,
        files.running() as url,
        running_runtime(settings, url, s3_endpoint_url=store) as runtime,
    ):
        runtime.objects.check_bucket()  # as when a worker starts
        ids = [generated(settings, f"{url}/v.mp4") for _ in range(20)]
        door.faults = {kind: [fault] * 10_000 for kind in ("probe", "put", "companion", "begin")}
        for _ in range(3):
            copy_all(runtime)
        assert files.asked == [], "a link may be fetched a hundred times"
        assert {row_of(runtime, job_id)["reason"] for job_id in ids} == {"store_unavailable"}
        assert 0 < door.seen["probe"] < 30, "the 60 tries share probes"
        door.faults.clear()
        for _ in range(5):  # a busy store may answer 500 by itself
            copy_all(runtime)
            if stored(runtime, ids) == 20:
                break
        assert stored(runtime, ids) == 20
        assert 20 <= len(files.asked) <= 40


@pytest.mark.usefixtures("quick_store")
def test_a_store_outage_wastes_only_the_downloads_in_progress(settings: Settings) -> None:
    door, files = Door(settings.s3_endpoint_url or ""), Files({"/v.mp4": a_video()})
    with (
        door.running() as store,
        files.running() as url,
        running_runtime(settings, url, s3_endpoint_url=store) as runtime,
    ):
        first = generated(settings, f"{url}/v.mp4")
        assert transfer(runtime, first)["state"] == "succeeded"
        assert transfer(runtime, generated(settings, f"{url}/v.mp4"))["state"] == "succeeded"
        assert door.seen["probe"] == 1, "none while uploads succeed"
        files.asked.clear()
        door.faults = {kind: [an_error(500, "InternalError")] * 10_000 for kind in ("probe", "put", "companion")}
        ids = [generated(settings, f"{url}/v.mp4") for _ in range(20)]
        for _ in range(3):
            copy_all(runtime)
        assert len(files.asked) <= COPIES_AT_ONCE // 2
        door.faults.clear()
        copy_all(runtime)
        assert stored(runtime, ids) == 20


@pytest.mark.usefixtures("quick_store")
def test_a_put_that_the_store_fails_is_repeated_without_a_second_download(settings: Settings) -> None:
    door, files = Door(settings.s3_endpoint_url or ""), Files({"/v.mp4": a_video()})
    with (
        door.running() as store,
        files.running() as url,
        running_runtime(settings, url, s3_endpoint_url=store) as runtime,
    ):
        door.faults = {"put": [an_error(500, "InternalError"), an_error(503, "SlowDown")]}
        assert transfer(runtime, generated(settings, f"{url}/v.mp4"))["state"] == "succeeded"
        assert (files.asked, door.seen["put"]) == (["/v.mp4"], 3)


def test_a_store_that_hangs_delays_a_copy_only_briefly(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_gate, "LIMIT_S", 0.2)
    with running_runtime(settings, None) as runtime:
        runtime.objects.check_bucket()
        gate = runtime.part(CopyResources).store_gate

        async def hang() -> None:
            await asyncio.sleep(3600)

        monkeypatch.setattr(gate, "_write", hang)
        job_id = generated(settings, "http://127.0.0.1:1/v.mp4")
        row = transfer(runtime, job_id)
        assert (row["state"], row["reason"]) == ("transferring", "store_unavailable")
        assert "small PUT" in gate._why


def test_the_probe_writes_one_small_object(settings: Settings) -> None:
    files = Files({"/v.mp4": a_video()})
    with files.running() as url, running_runtime(settings, url) as runtime:
        assert transfer(runtime, generated(settings, f"{url}/v.mp4"))["state"] == "succeeded"
        found = runtime.objects.head("videos/probe")
        assert found is not None
        assert found.size_bytes < 100


# --- accounts and claims ---


def test_videos_of_many_small_accounts_share_messages(settings: Settings, broker_url: str) -> None:
    """With one message per account, eight videos filled the queue, and a worker copied only four at once."""
    ids = {generated(settings, f"https://cdn.example/{number}.mp4") for number in range(60)}
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET account = 'small-' || left(id::text, 36)")
    app = Celery(broker=broker_url)
    app.conf.task_create_missing_queues = True
    database = Database(settings.require_database_url(), name="test", size=1)
    dispatcher = Dispatcher(app, settings, database)
    try:
        assert dispatcher.run() == 60
    finally:
        dispatcher.close()
        database.close()
    with redis.Redis.from_url(broker_url) as client:
        bodies = [json.loads(base64.b64decode(json.loads(m)["body"]))[0] for m in client.lrange("transfer", 0, -1)]
    sizes = [60 - TRANSFER_BATCH, TRANSFER_BATCH]  # the newest message first
    assert [(account, len(items)) for account, items in bodies] == [(f"{size} accounts", size) for size in sizes]
    assert {UUID(job_id) for _, items in bodies for job_id, _ in items} == ids


def test_source_hosts_take_turns(settings: Settings) -> None:
    older = [generated(settings, f"https://big.example/{n}?a=b", left_s=1000.0 + n) for n in range(50)]
    other = [generated(settings, f"https://small.example:8443/{n}", left_s=9000.0 + n) for n in range(3)]
    third = [generated(settings, "http://third.example", left_s=50_000.0)]
    with connect(settings.require_database_url()) as conn:
        found = [item.id for item in claims.claim_transfers(conn, 10, 60.0)]
        assert found == [older[0], other[0], third[0], older[1], other[1], older[2], other[2], *older[3:6]]
        assert [item.id for item in claims.claim_transfers(conn, 3, 60.0)] == older[6:9], "the rest is not due"


def test_two_schedulers_claim_each_video_once(settings: Settings) -> None:
    ids = {generated(settings, f"https://{n % 7}.example/{n}") for n in range(70)}
    taken: list[UUID] = []
    with connect(settings.require_database_url()) as one, connect(settings.require_database_url()) as two:
        taken += [item.id for item in claims.claim_transfers(one, 30, 60.0)]
        taken += [item.id for item in claims.claim_transfers(two, 70, 60.0)]
        one.commit()
        two.commit()
        taken += [item.id for item in claims.claim_transfers(one, 70, 60.0)]
    assert len(taken) == 70
    assert set(taken) == ids

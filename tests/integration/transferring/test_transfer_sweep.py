"""Uploads of killed workers are removed from the store; uploads in progress are left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from storage.bucket.objects import PART_BYTES, Objects
from storage.settings import Settings
from tests.servers import TestServers, environ_for
from tests.transfers import Files, a_video, generated, row_of, running_runtime, transfer
from tests.waiting import PATIENCE_S, wait_for
from worker.runtime import Runtime
from worker.transferring.sweep import Swept, sweep_uploads

# A worker that claims the due copies once.
COPY_ONCE = """
from storage.jobs.claims import claim_transfers
from storage.settings import load_settings
from worker.runtime import Runtime
from worker.transferring.transfer import transfer_batch
runtime = Runtime(load_settings())
with runtime.database.begin() as conn:
    claimed = claim_transfers(conn, 20, runtime.settings.lease_seconds)
transfer_batch(runtime, [(item.id, item.claim) for item in claimed])
"""


@pytest.fixture
def files() -> Files:
    video = a_video()
    padding = 2 * PART_BYTES
    return Files({"/v.mp4": video + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8)})


@pytest.fixture
def base(files: Files) -> Iterator[str]:
    with files.running() as url:
        yield url


@pytest.fixture
def runtime(settings: Settings, base: str) -> Iterator[Runtime]:
    with running_runtime(settings, base) as runtime:
        yield runtime


def swept(runtime: Runtime, older_than_s: float = 0.0) -> Swept | None:
    return sweep_uploads(runtime.database.begin, runtime.objects, every_s=0.0, older_than_s=older_than_s)


def killed_in_the_middle(runtime: Runtime, base: str) -> None:
    """Run a worker process that dies when the first part of its upload is stored."""
    worker_that_is_killed(runtime.settings, base, "transfer.after_first_part")


def worker_that_is_killed(settings: Settings, base: str, point: str) -> None:
    """Run a worker process that copies the due videos and dies at a fail point."""
    account = {"name": "main", "gateway": "anyfast", "base_url": base, "api_key": "sk-test"}
    environ = {
        **os.environ,
        **environ_for(settings),
        "REELQ_ACCOUNTS": json.dumps([account]),
        "REELQ_FAILPOINTS": f"{point}=kill",
        "REELQ_FAILPOINTS_ALLOWED": "this-process-may-be-killed",
    }
    done = subprocess.run([sys.executable, "-c", COPY_ONCE], env=environ, timeout=PATIENCE_S, check=False)
    assert done.returncode == -signal.SIGKILL


def test_an_upload_of_a_killed_worker_is_aborted_once_no_copy_can_need_it(runtime: Runtime, base: str) -> None:
    job_id = generated(runtime.settings, f"{base}/v.mp4")
    killed_in_the_middle(runtime, base)
    assert len(runtime.objects.open_parts("videos/")) == 1
    assert swept(runtime) == Swept(0, 1), "its lease still runs: the copy may be in progress"
    row = transfer(runtime, job_id)
    assert row["state"] == "succeeded"
    assert len(runtime.objects.open_parts("videos/")) == 1, "the second copy has its own upload"
    assert swept(runtime, older_than_s=600.0) == Swept(0, 1), "it is young"
    assert swept(runtime) == Swept(1, 0)
    assert runtime.objects.open_parts() == []
    assert row_of(runtime, job_id)["state"] == "succeeded"
    head = runtime.objects.head(row["object_key"])
    assert head is not None
    assert head.size_bytes == row["size_bytes"]
    assert swept(runtime) == Swept(0, 0)


def test_the_upload_of_an_expired_lease_is_aborted(runtime: Runtime, base: str) -> None:
    job_id = generated(runtime.settings, f"{base}/v.mp4")
    killed_in_the_middle(runtime, base)
    with runtime.database.begin() as conn:
        conn.execute("UPDATE jobs SET due_at = now() WHERE id = %s", [job_id])
    assert swept(runtime) == Swept(1, 0)
    assert transfer(runtime, job_id)["state"] == "succeeded"


def test_a_copy_in_progress_is_left_alone(runtime: Runtime, files: Files, base: str) -> None:
    # The server sends the rest of the file after a sweep has seen its upload.
    files.held_at, files.go_on = 2 * PART_BYTES, threading.Event()
    job_id = generated(runtime.settings, f"{base}/v.mp4")
    with ThreadPoolExecutor(1) as pool:
        copying = pool.submit(transfer, runtime, job_id)
        try:
            found = wait_for(
                "the upload is open", lambda: copying.done() or ((now := swept(runtime)) and now.left and now)
            )
        finally:
            files.go_on.set()
        assert found == Swept(0, 1)
        assert copying.result()["state"] == "succeeded"


def test_uploads_outside_of_videos_are_left_alone(runtime: Runtime, servers: TestServers) -> None:
    for key in ("inputs/x.mp4", "videos/2026/01/02/not-a-job.mp4"):
        servers.s3_client.create_multipart_upload(Bucket=runtime.objects.bucket, Key=key)
    assert swept(runtime) == Swept(1, 0), "under videos/ only jobs write"
    assert [key for key, _, _ in runtime.objects.open_parts()] == ["inputs/x.mp4"]


def test_only_one_of_several_processes_sweeps(runtime: Runtime) -> None:
    def sweep() -> Swept | None:
        return sweep_uploads(runtime.database.begin, runtime.objects, every_s=60.0)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: sweep(), range(6)))
    assert sorted(results, key=str) == [None] * 5 + [Swept()]
    assert sweep() is None


def test_a_sweep_while_the_store_is_down_finds_nothing(settings: Settings) -> None:
    with running_runtime(settings, None, s3_endpoint_url="http://127.0.0.1:1") as runtime:
        away = Objects(runtime.settings)
        assert sweep_uploads(runtime.database.begin, away, every_s=0.0) == Swept()


# A scheduler whose sweep is always due, ticking a few times.
TICKS = """
from worker.app import app
from worker.scheduling.scheduler import DueScheduler
app.conf.beat_schedule["sweep"]["schedule"] = 0.0
scheduler = DueScheduler(app=app)
for _ in range(3):
    scheduler.tick()
    print("ticked")
scheduler.close()
"""


def ticks(settings: Settings, broker_url: str) -> int:
    """The number of ticks that finished."""
    environ = {**os.environ, **environ_for(settings), "REELQ_BROKER_URL": broker_url}
    done = subprocess.run(
        [sys.executable, "-c", TICKS], env=environ, timeout=PATIENCE_S, check=True, capture_output=True, text=True
    )
    return done.stdout.count("ticked")


def test_the_scheduler_asks_a_transfer_worker_to_sweep(settings: Settings, broker_url: str) -> None:
    assert ticks(settings, broker_url) == 3
    with redis.Redis.from_url(broker_url) as client:
        waiting = [json.loads(message)["headers"]["task"] for message in client.lrange("transfer", 0, -1)]
    assert set(waiting) == {"worker.sweep"}


def test_a_sweep_does_not_block_the_scheduler_while_the_broker_is_down(settings: Settings) -> None:
    assert ticks(settings, "redis://127.0.0.1:1/0") == 3

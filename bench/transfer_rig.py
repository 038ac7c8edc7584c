"""Real servers, a simulated gateway and a separate worker process, to measure the cost of transfers.

The measured process runs the code of the `worker.transfer` task as a Celery worker would, four batches at once, without
a broker.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.metering import run
from producer.local.servers.servers import local_servers, running
from producer.local.state import load_state
from storage.database import connect, upgrade
from storage.jobs import claims
from storage.jobs.enqueue import new_job_id
from storage.jobs.states import JobState
from storage.revisions import too_old
from storage.settings import Settings, load_settings
from worker.garbage import spare_loaded
from worker.runtime import Runtime, install
from worker.scheduling.batches import TRANSFER_BATCH
from worker.transferring.transfer import transfer_batch

BUCKET = "reelq"
BATCHES_AT_ONCE = 4
START_S, RUN_S = 30.0, 120.0

_INSERT = """
INSERT INTO jobs (id, request, request_hash, gateways, state, account, gateway, model, gateway_task_id, attempt,
                  submitted_at, generated_at, video_url, video_expires_at)
SELECT %(id)s, '{"prompt": "a lighthouse at dusk", "duration": 5}', 'x', '{anyfast}', 'transferring', 'sim', 'anyfast',
       'seedance', %(id)s, 1, now(), now(), %(url)s, now() + interval '1 day'
"""


@dataclass(frozen=True, slots=True)
class Rig:
    """The running servers, and the environment and settings that configure reelq for them."""

    environ: dict[str, str]
    settings: Settings
    directory: Path

    @contextmanager
    def gateway(self, video_bytes: int) -> Iterator[str]:
        """Run a simulator whose videos have this size and are ready at once; yields its URL."""
        options = ("--video-bytes", str(video_bytes), "--time", "fixed", "--median-seconds", "0")
        with simulated_gateway(self.directory, *options) as url:
            yield url

    @property
    def bucket_directory(self) -> Path:
        """The directory whose files are the bucket's objects."""
        return self.directory / "s3" / "buckets" / BUCKET

    def enqueue(self, url: str, count: int) -> None:
        """Insert jobs in state `transferring`, all with the same video URL."""
        with connect(self.settings.require_database_url()) as conn:
            conn.cursor().executemany(_INSERT, [{"id": new_job_id(), "url": url} for _ in range(count)])

    def clear(self) -> None:
        """Delete all jobs."""
        with connect(self.settings.require_database_url()) as conn:
            conn.execute("DELETE FROM jobs")

    def run_worker(self, gateway: str, **settings: str) -> dict[str, Any]:
        """Run a new process that copies all videos; returns its figures."""
        account = {"name": "sim", "gateway": "anyfast", "base_url": f"{gateway}/anyfast", "api_key": "sk-bench"}
        environ = self.environ | {"REELQ_ACCOUNTS": json.dumps([account])} | settings
        ran = run([sys.executable, "-m", "bench.transfer_rig"], environ, self.directory / "transfer.log", RUN_S)
        result: dict[str, Any] = json.loads(ran.output.strip().splitlines()[-1])  # log lines come first
        return result | {"peak_bytes": ran.peak_bytes}


@contextmanager
def simulated_gateway(directory: Path, *options: str) -> Iterator[str]:
    """Run a simulator in a separate process; yields its URL."""
    port_file = directory / "port"
    command = [sys.executable, "-m", "simulator", "--port-file", str(port_file), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while not (port_file.exists() and port_file.read_text().strip()):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the simulator did not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.terminate()
        process.wait(10)
        port_file.unlink(missing_ok=True)


def video_url(gateway: str) -> str:
    """The URL of a finished video."""
    headers = {"Authorization": "Bearer sk-bench"}
    body = {"model": "seedance", "content": [{"type": "text", "text": "a lighthouse at dusk"}], "resolution": "480p"}
    base = f"{gateway}/anyfast/v1/video/generations"
    with httpx.Client(headers=headers, timeout=300.0) as client:
        task = client.post(base, json=body).raise_for_status().json()["task_id"]
        shown = client.get(f"{base}/{task}").raise_for_status().json()
        url: str = shown["data"]["result_url"]
        client.get(
            url, headers={"Range": "bytes=0-1"}
        ).raise_for_status()  # encode the video now, before the measurement
    return url


@contextmanager
def rig() -> Iterator[Rig]:
    """Run PostgreSQL and S3 in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="reelq-bench-") as name:
        directory = Path(name)
        servers = local_servers(directory, load_state(directory), valkey=False)
        servers.prepare(BUCKET)
        assert servers.postgres is not None
        assert servers.s3 is not None
        with running(servers.specs()):
            url = servers.postgres.url
            upgrade(url)
            own = {
                "REELQ_DATABASE_URL": url,
                "REELQ_BROKER_URL": "redis://127.0.0.1:1/0",
                "REELQ_S3_ENDPOINT_URL": servers.s3.url,
                "REELQ_S3_BUCKET": BUCKET,
                "REELQ_S3_ACCESS_KEY_ID": servers.s3.access_key_id,
                "REELQ_S3_SECRET_ACCESS_KEY": servers.s3.secret_access_key,
            }
            inherited = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
            yield Rig(inherited | own, load_settings(directory, own), directory)


def _work() -> dict[str, Any]:
    """Copy all videos; returns the figures of this process in seconds and bytes."""
    runtime = Runtime(load_settings())
    install(runtime)
    with runtime.database.begin() as conn:  # as a worker prepares itself when it starts
        too_old(conn)
    runtime.outbound.authorities.context()
    runtime.objects.check_bucket()
    spare_loaded()
    began_s, cpu_s = time.monotonic(), time.process_time()
    done = 0
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:
        while True:
            with runtime.database.begin() as conn:
                claimed = claims.claim_transfers(conn, TRANSFER_BATCH * BATCHES_AT_ONCE, 3600.0)
            if not claimed:
                break
            items = [(item.id, item.claim) for item in claimed]
            batches = [items[start : start + TRANSFER_BATCH] for start in range(0, len(items), TRANSFER_BATCH)]
            list(pool.map(lambda batch: transfer_batch(runtime, batch), batches))
            done += len(items)
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    with runtime.database.begin() as conn:
        row = conn.execute(
            "SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM jobs WHERE state = %s", [JobState.SUCCEEDED]
        ).fetchone()
    assert row is not None
    runtime.close()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "claimed": done,
        "succeeded": row[0],
        "bytes": row[1],
        "took_s": took_s,
        "cpu_s": cpu_s,
        "decoder_cpu_s": children.ru_utime + children.ru_stime,
    }


if __name__ == "__main__":
    print(json.dumps(_work()))

"""For tests of transfers: a file server that a test controls, generated jobs, and a worker's runtime to copy them."""

from __future__ import annotations

import asyncio
import io
import random
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import av
from aiohttp import web
from PIL import Image

from storage import jsonb
from storage.database import connect
from storage.jobs import claims
from storage.jobs.enqueue import new_job_id
from storage.settings import Settings
from tests.waiting import PATIENCE_S
from worker.runtime import Runtime
from worker.transferring.transfer import transfer_batch

_INSERT = """
INSERT INTO jobs (id, request, request_hash, gateways, state, account, gateway, model, gateway_task_id, attempt,
                  submitted_at, generated_at, video_url, last_frame_url, video_expires_at, seed, usage)
VALUES (%(id)s, %(request)s, 'x', '{anyfast}', 'transferring', 'main', 'anyfast', 'seedance', 'task-1', 1,
        now(), now() - make_interval(secs => %(age_s)s), %(video_url)s, %(last_frame_url)s,
        now() + make_interval(secs => %(left_s)s), 7, '{"total_tokens": 100}')
"""


@dataclass
class Files:
    """A file server on 127.0.0.1. `bodies` by path, else 404; `asked`: the paths of its GETs."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    held_at: int | None = None
    """After this many bytes of a body, wait for `go_on`."""
    go_on: threading.Event = field(default_factory=threading.Event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        body = self.bodies.get(request.path)
        if body is None:
            return web.Response(status=404)
        if self.held_at is None:
            return web.Response(body=body, headers={"ETag": '"one"'})
        response = web.StreamResponse(headers={"ETag": '"one"'})
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: self.held_at])
        while not self.go_on.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)
        await response.write(body[self.held_at :])
        return response

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve from a thread; gives the base URL."""
        loop = asyncio.new_event_loop()
        started: Future[tuple[web.AppRunner, int]] = Future()

        async def start() -> None:
            app = web.Application()
            app.router.add_get("/{path:.*}", self.serve)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            started.set_result((runner, runner.addresses[0][1]))

        thread = threading.Thread(target=lambda: (loop.run_until_complete(start()), loop.run_forever()))
        thread.start()
        runner, port = started.result(PATIENCE_S)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            asyncio.run_coroutine_threadsafe(clean_up(runner), loop).result(PATIENCE_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE_S)
            loop.close()


async def clean_up(runner: web.AppRunner) -> None:
    """Stop a server and wait until its connections are closed."""
    await runner.cleanup()
    await connections_closed()


async def connections_closed() -> None:
    """Wait until every closing connection of this loop has written its buffer and is closed.

    A PUT that is aborted half way leaves bytes in its buffer, and a busy store takes a moment to read them. A loop that
    ended before that would leave its socket open.
    """
    transports = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]  # only the loop knows all of them
    for _ in range(1000):
        if not any(item.is_closing() and item._sock is not None for item in list(transports.values())):
            return
        await asyncio.sleep(0.01)


@contextmanager
def running_runtime(settings: Settings, base_url: str | None, **more: Any) -> Iterator[Runtime]:
    """A worker's runtime with one account, `main`, at this address."""
    account = {"name": "main", "gateway": "anyfast", "base_url": base_url, "api_key": "sk-test"}
    runtime = Runtime(Settings.model_validate({**settings.model_dump(), "accounts": [account], **more}))
    try:
        yield runtime
    finally:
        runtime.close()


def generated(
    settings: Settings,
    video_url: str,
    last_frame_url: str | None = None,
    request: dict[str, Any] | None = None,
    *,
    age_s: float = 1.0,
    left_s: float = 86400.0,
) -> UUID:
    """A job whose video was generated `age_s` ago and whose URL expires in `left_s`."""
    job_id = new_job_id()
    with connect(settings.require_database_url()) as conn:
        conn.execute(
            _INSERT,
            {
                "id": job_id,
                "request": jsonb.dumps(request or {"prompt": "a fox"}),
                "video_url": video_url,
                "last_frame_url": last_frame_url,
                "age_s": age_s,
                "left_s": left_s,
            },
        )
    return job_id


def transfer(runtime: Runtime, job_id: UUID) -> dict[str, Any]:
    """Make a job due, run its transfer once and return its row."""
    with runtime.database.begin() as conn:
        conn.execute("UPDATE jobs SET due_at = now() WHERE id = %s AND due_at IS NOT NULL", [job_id])
        claimed = claims.claim_transfers(conn, 20, runtime.settings.lease_seconds)
    transfer_batch(runtime, [(item.id, item.claim) for item in claimed])
    return row_of(runtime, job_id)


def row_of(runtime: Runtime, job_id: UUID) -> dict[str, Any]:
    """All columns of a job, with the details of its last event as `last_event`."""
    from psycopg.rows import dict_row

    with runtime.database.begin() as conn, conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT * FROM jobs WHERE id = %s", [job_id]).fetchone()
        assert row is not None
        events = "SELECT detail FROM job_events WHERE job_id = %s ORDER BY id DESC LIMIT 1"
        last = cursor.execute(events, [job_id]).fetchone()
        return row | {"last_event": last["detail"] if last else None}


def a_video(*, frames: int = 3, size: tuple[int, int] = (64, 48), faststart: bool = True, noise: bool = False) -> bytes:
    """A real MP4. Its first frame is red, the others are blue; with `noise` they are random, which makes it large."""
    options = {"movflags": "faststart"} if faststart else {}
    source = random.Random(1)
    # A named file: libav opens it a second time to move the index to the front.
    with tempfile.NamedTemporaryFile(suffix=".mp4") as out, av.open(out.name, "w", options=options) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "1"}
        for number in range(frames):
            picture = Image.new("RGB", size, (0, 0, 255) if number else (255, 0, 0))
            if noise and number:
                picture = Image.frombytes("RGB", size, source.randbytes(size[0] * size[1] * 3))
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        container.close()
        return Path(out.name).read_bytes()


def a_picture(kind: str) -> bytes:
    """A small PNG or JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (0, 255, 0)).save(out, kind)
    return out.getvalue()

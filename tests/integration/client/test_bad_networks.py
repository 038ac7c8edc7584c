"""What the client does when answers are lost, late or cut: against a server that misbehaves as the test says."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from reelq_client import AsyncReelq, ConnectionFailed, DownloadFailed, Job, Reelq, TooManyRequests, Unavailable
from reelq_client.core import retries

JOB = UUID(int=7)
CONTENT = bytes(range(256)) * 4096
NULLS = [name for name, field in Job.model_fields.items() if type(None) in get_args(field.annotation)]
DOCUMENT: dict[str, Any] = dict.fromkeys(NULLS) | {
    "id": str(JOB), "state": "succeeded", "request": {}, "priority": 5, "tags": [], "metadata": {}, "attempt": 1,
    "polls": 1, "created_at": "2030-01-31T18:00:00Z", "updated_at": "2030-01-31T18:00:00Z", "finals": [], "links": {},
}  # fmt: skip
Handle = Callable[["Asked"], None]
UPLOADED = json.dumps(
    {
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "url": "upload://abc.png",
        "name": "a.png",
        "size_bytes": 7,
        "created_at": "2030-01-31T18:00:00Z",
        "in_use": False,
        "expires_at": None,
    }
).encode()


class Asked:
    """One request, and how to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, number: int) -> None:
        self._handler, self.number = handler, number
        self.path, self.headers, self.method = handler.path, handler.headers, handler.command
        self.body = handler.rfile.read(int(handler.headers.get("content-length") or 0))

    def answer(self, status: int, body: bytes = b"", cut: int | None = None, **headers: str) -> None:
        """An answer; `cut`: the connection is lost after that many bytes of the body."""
        self._handler.send_response(status)
        sent = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
        for name, value in sent.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()
        self._handler.wfile.write(body if cut is None else body[:cut])
        self._handler.close_connection = True

    def job(self, **facts: Any) -> None:
        self.answer(200, json.dumps(DOCUMENT | facts).encode())

    def drop(self) -> None:
        """Lose the connection without an answer."""
        self._handler.connection.close()
        self._handler.close_connection = True
        self._handler.wfile = io.BytesIO()


@contextmanager
def serving(handle: Handle) -> Iterator[tuple[str, list[Asked]]]:
    """A server at 127.0.0.1 that answers each request with `handle`."""
    seen: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            asked = Asked(self, len(seen) + 1)
            seen.append(asked)
            handle(asked)

        do_GET = do_POST = _any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.01)


PROBLEM = json.dumps({"title": "x", "status": 503, "detail": "too busy", "code": "busy"}).encode()


@pytest.mark.parametrize("trouble", ["drop", 502, 503, 504, 429])
def test_a_new_job_is_sent_again_with_the_same_key(trouble: str | int) -> None:
    def handle(asked: Asked) -> None:
        if asked.number > 2:
            asked.job()
        elif trouble == "drop":
            asked.drop()
        else:
            asked.answer(int(trouble), PROBLEM, Retry_After="0")

    with serving(handle) as (url, seen), Reelq(url) as reelq:
        assert reelq.jobs.create("a fox").id == JOB
    keys = {asked.headers["idempotency-key"] for asked in seen}
    assert len(seen) == 3 and len(keys) == 1 and UUID(keys.pop())


def test_the_same_with_await() -> None:
    async def create(url: str) -> UUID:
        async with AsyncReelq(url) as reelq:
            return (await reelq.jobs.create("a fox", idempotency_key="own")).id

    with serving(lambda asked: asked.drop() if asked.number < 3 else asked.job()) as (url, seen):
        assert asyncio.run(create(url)) == JOB
    assert [json.loads(asked.body)["idempotency_key"] for asked in seen] == ["own"] * 3


@pytest.mark.parametrize("status", [500, 409, 422, 404])
def test_an_answer_that_is_final_is_not_asked_for_again(status: int) -> None:
    with (
        serving(lambda asked: asked.answer(status, b"<html>no</html>", Retry_After="0")) as (url, seen),
        Reelq(url) as reelq,
        pytest.raises(Exception, match=r"not in reelq's form; .*: no "),
    ):
        reelq.jobs.create("a fox")
    assert len(seen) == 1


def test_a_post_without_a_key_is_never_sent_twice() -> None:
    with serving(lambda asked: asked.drop()) as (url, seen), Reelq(url) as reelq:
        with pytest.raises(ConnectionFailed) as lost:
            reelq.jobs.cancel(JOB)
        assert not lost.value.never_sent
        with pytest.raises(ConnectionFailed):
            reelq.keys.create("backend")
        with pytest.raises(ConnectionFailed):
            reelq.jobs.resolve(JOB, "resubmit")
    assert len(seen) == 3


def test_it_gives_up_in_the_end_and_does_not_wait_for_hours() -> None:
    with serving(lambda asked: asked.answer(503, PROBLEM)) as (url, seen), Reelq(url, max_retries=2) as reelq:
        with pytest.raises(Unavailable, match="too busy"):
            reelq.jobs.create("a fox")
        assert len(seen) == 3
    with serving(lambda asked: asked.answer(429, PROBLEM, Retry_After="3600")) as (url, seen), Reelq(url) as reelq:
        with pytest.raises(TooManyRequests) as limited:
            reelq.jobs.create("a fox")
        assert (limited.value.retry_after_s, len(seen)) == (3600.0, 1)


# --- downloads ---


def range_of(asked: Asked) -> int:
    return int(asked.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


def file_server(cuts: list[int], *, etag: Callable[[int], str] = lambda _: '"v1"', sha256: str | None = None) -> Handle:
    """A job's file, whose first answers are cut after a number of bytes."""

    def handle(asked: Asked) -> None:
        if "/video" not in asked.path:
            digest = hashlib.sha256(CONTENT).hexdigest() if sha256 is None else sha256
            return asked.job(size_bytes=len(CONTENT), sha256=digest)
        start, version = range_of(asked), etag(asked.number)
        if asked.headers.get("if-range") not in (None, version):
            start = 0
        part = CONTENT[start:]
        headers = {"ETag": version}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return asked.answer(206 if start else 200, part, cuts.pop(0) if cuts else None, **headers)

    return handle


@pytest.mark.parametrize("use_async", [False, True])
def test_a_download_continues_where_it_was_cut(tmp_path: Path, use_async: bool) -> None:
    async def save(url: str) -> None:
        async with AsyncReelq(url) as reelq:
            await reelq.jobs.video(JOB).save(tmp_path / "a.mp4")

    with serving(file_server([300_000, 200_000])) as (url, seen):
        if use_async:
            asyncio.run(save(url))
        else:
            with Reelq(url) as reelq:
                reelq.jobs.video(JOB).save(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == CONTENT
    assert [range_of(asked) for asked in seen[1:]] == [0, 300_000, 500_000]
    assert {asked.headers["if-range"] for asked in seen[2:]} == {'"v1"'}
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_another_process_continues_what_one_began(tmp_path: Path) -> None:
    (tmp_path / "a.mp4.part").write_bytes(CONTENT[:1000])
    (tmp_path / "a.mp4.part.etag").write_text('"v1"')
    with serving(file_server([])) as (url, seen), Reelq(url) as reelq:
        reelq.jobs.video(JOB).save(tmp_path / "a.mp4")
    assert range_of(seen[1]) == 1000 and (tmp_path / "a.mp4").read_bytes() == CONTENT


def test_a_part_of_another_version_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "a.mp4.part").write_bytes(b"another version")
    (tmp_path / "a.mp4.part.etag").write_text('"v0"')
    with serving(file_server([])) as (url, _), Reelq(url) as reelq:
        assert reelq.jobs.video(JOB).save(tmp_path / "a.mp4").read_bytes() == CONTENT


def test_a_file_with_another_hash_or_length_is_not_kept(tmp_path: Path) -> None:
    wrong = pytest.raises(DownloadFailed, match="SHA-256")
    with serving(file_server([], sha256="0" * 64)) as (url, _), Reelq(url) as reelq, wrong:
        reelq.jobs.video(JOB).save(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())

    def short(asked: Asked) -> None:
        if "/video" in asked.path:
            asked.answer(200, CONTENT[:-1])
        else:
            asked.job(size_bytes=len(CONTENT))

    wrong = pytest.raises(DownloadFailed, match=f"has {len(CONTENT) - 1} bytes instead of {len(CONTENT)}")
    with serving(short) as (url, _), Reelq(url) as reelq, wrong:
        reelq.jobs.video(JOB).save(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_a_bucket_out_of_reach_is_passed_by(tmp_path: Path, closed_port: int) -> None:
    whole = file_server([])

    def handle(asked: Asked) -> None:
        if asked.path.endswith("/video"):
            asked.answer(302, Location=f"http://127.0.0.1:{closed_port}/bucket/a.mp4")
        else:
            whole(asked)

    with serving(handle) as (url, seen), Reelq(url, "rq_key") as reelq:
        assert reelq.jobs.video(JOB).save(tmp_path / "a.mp4").read_bytes() == CONTENT
    assert seen[-1].path.endswith("/video?proxy=1")


def test_the_key_does_not_follow_a_link_to_another_host(tmp_path: Path) -> None:
    with serving(lambda asked: asked.answer(200, CONTENT, ETag='"v1"')) as (bucket, there):

        def handle(asked: Asked) -> None:
            asked.answer(302, Location=f"{bucket}/a.mp4") if "/video" in asked.path else asked.job()

        with serving(handle) as (url, here), Reelq(url, "rq_secret") as reelq:
            reelq.jobs.video(JOB).save(tmp_path / "a.mp4")
    assert {asked.headers["authorization"] for asked in here} == {"Bearer rq_secret"}
    assert [asked.headers["authorization"] for asked in there] == [None]


# --- events and uploads ---


def test_events_continue_after_the_last_one_seen() -> None:
    def frame(number: int, target: str) -> bytes:
        event = {"id": number, "job_id": str(JOB), "at": "2030-01-31T18:00:00Z", "source": None, "target": target}
        return f"id: {number}\ndata: {json.dumps(event | {'reason': 'x', 'detail': None, 'actor': None})}\n\n".encode()

    def handle(asked: Asked) -> None:
        if asked.number == 1:  # the second event is cut in the middle
            body = b"retry: 10\n\n: heartbeat\n\n" + frame(1, "queued") + frame(2, "submitting")
            asked.answer(200, body, len(body) - 5, Content_Type="text/event-stream")
        elif asked.number == 2:
            asked.drop()
        else:
            asked.answer(200, frame(2, "submitting") + frame(3, "failed"), Content_Type="text/event-stream")

    with serving(handle) as (url, seen), Reelq(url) as reelq:
        assert [event.id for event in reelq.jobs.events(JOB)] == [1, 2, 3]
    assert [asked.headers["last-event-id"] for asked in seen] == [None, "1", "1"]


def test_a_stream_that_never_begins_fails_and_one_that_has_begun_survives_an_outage(closed_port: int) -> None:
    with Reelq(f"http://127.0.0.1:{closed_port}", max_retries=0) as nowhere, pytest.raises(ConnectionFailed):
        next(nowhere.events.stream())
    with (
        serving(lambda asked: asked.answer(503, PROBLEM)) as (url, _),
        Reelq(url, max_retries=0) as reelq,
        pytest.raises(Unavailable, match="too busy"),
    ):
        next(reelq.events.stream())

    def handle(asked: Asked) -> None:
        if asked.number == 2:
            asked.answer(503, PROBLEM)
        else:
            ended = b"" if asked.number == 1 else b"data: " + json.dumps(EVENT).encode() + b"\n\n"
            asked.answer(200, b"retry: 10\n\n" + ended, Content_Type="text/event-stream")

    with serving(handle) as (url, seen), Reelq(url, max_retries=0) as reelq:
        assert [event.target for event in reelq.jobs.events(JOB)] == ["failed"]
    assert len(seen) == 3


def test_a_file_of_rows_without_keys_is_never_sent_twice(tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text('{"prompt": "a fox"}\n')
    with serving(lambda asked: asked.drop()) as (url, seen), Reelq(url) as reelq:
        with pytest.raises(ConnectionFailed):
            reelq.jobs.create_many(tmp_path / "jobs.jsonl")
        assert len(seen) == 1
    with serving(lambda asked: asked.drop()) as (url, seen), Reelq(url, max_retries=1) as reelq:
        with pytest.raises(ConnectionFailed):
            reelq.jobs.create_many([{"prompt": "a fox"}])
        assert len({asked.body for asked in seen}) == 1 and len(seen) == 2
        assert json.loads(seen[0].body)["idempotency_key"]


EVENT = {
    "id": 1, "job_id": str(JOB), "at": "2030-01-31T18:00:00Z", "source": None, "target": "failed", "reason": "x",
    "detail": None, "actor": None,
}  # fmt: skip


class Pipe(io.RawIOBase):
    """A stream that cannot be read twice."""

    def __init__(self, content: bytes) -> None:
        self._left = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self._left.read(size)


@pytest.mark.parametrize("form", ["path", "bytes", "file"])
def test_an_upload_is_sent_whole_again_and_reports_its_progress(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(CONTENT)
    seen_progress: list[tuple[int, int | None]] = []

    def handle(asked: Asked) -> None:
        asked.drop() if asked.number == 1 else asked.answer(200, UPLOADED)

    with serving(handle) as (url, seen), Reelq(url) as reelq, path.open("rb") as file:
        source: Any = {"path": path, "bytes": CONTENT, "file": file}[form]
        stored = reelq.uploads.create(source, name="a.png", progress=lambda have, of: seen_progress.append((have, of)))
    assert stored.url == "upload://abc.png" and seen[-1].body == CONTENT
    assert seen[-1].headers["content-type"] == "image/png"
    assert seen_progress[-1] == (len(CONTENT), len(CONTENT)) and len(seen_progress) >= 4


def test_a_pipe_is_not_sent_again() -> None:
    with serving(lambda asked: asked.drop()) as (url, seen), Reelq(url) as reelq, pytest.raises(ConnectionFailed):
        reelq.uploads.create(Pipe(b"abc"), content_type="image/png")  # type: ignore[arg-type] # enough of a file
    assert len(seen) == 1


def test_local_files_of_a_job_are_uploaded_first(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"picture")

    def handle(asked: Asked) -> None:
        asked.answer(200, UPLOADED) if asked.path.startswith("/v1/uploads?name=") else asked.job()

    with serving(handle) as (url, seen), Reelq(url) as reelq:
        reelq.jobs.create("a fox", first_frame=path, reference_images=[path, "https://a.example/b.png"])
    assert [asked.path.partition("?")[0] for asked in seen] == ["/v1/uploads", "/v1/uploads", "/v1/jobs"]
    sent = json.loads(seen[-1].body)
    assert (sent["first_frame"], sent["reference_images"]) == (
        "upload://abc.png", ["upload://abc.png", "https://a.example/b.png"],
    )  # fmt: skip

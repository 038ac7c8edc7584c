"""Hostile clients on real sockets: each is refused, and the server keeps answering others."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from producer.client import Producer
from producer.http import bodies, connections
from producer.http.connections import BoundedConnection
from seedance.gateways.registry import DIALECTS
from storage.jobs.states import JobState
from tests.integration.api.api_server import bring, serving, with_account
from tests.servers import TestServers, settings_for
from tests.waiting import PATIENCE_S, wait_for

TOKEN = "a" * 43


@pytest.fixture(scope="module")
def api(servers: TestServers) -> Iterator[httpx.Client]:
    """One server for all: what one test does to it, the next one would see."""
    with servers.database() as url, servers.bucket() as bucket:
        configured = with_account(settings_for(url, servers.valkey.url, bucket))
        with serving(configured) as client, Producer(configured) as producer:
            bring(producer, str(producer.enqueue("a red fox", duration=5).id), JobState.UNCONFIRMED)
            yield client


@pytest.fixture(autouse=True)
def alive(api: httpx.Client) -> Iterator[None]:
    yield
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.post("/v1/jobs", json={"prompt": "still here"}).status_code == 202


@contextmanager
def connected(api: httpx.Client, **options: int) -> Iterator[socket.socket]:
    where = urlsplit(str(api.base_url))
    made = socket.socket()
    for name, value in options.items():
        made.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    made.settimeout(PATIENCE_S)
    with made:
        made.connect((where.hostname, where.port))
        yield made


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    found = bytearray()
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            found += chunk
    return bytes(found)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection on which it has sent nothing."""
    readable, _, _ = select.select([connection], [], [], 0)
    try:
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True


# --- bodies ----------------------------------------------------------------------------------------------------------

DEEP = 100_000
BODIES = {
    "half a surrogate pair as a key": b'{"\\ud800": 1}',
    "half a surrogate pair in the prompt": b'{"prompt": "\\ud800"}',
    "half a surrogate pair in a model": b'{"prompt": "a", "model": "\\ud800", "action": "\\udfff"}',
    "half a surrogate pair in a URL": b'{"prompt": "a", "first_frame": "https://a.example/\\ud800.png"}',
    "half a surrogate pair in an object": b'{"prompt": "a", "input_reference": {"image_url": "https://a.b/\\ud800"}}',
    "half a surrogate pair deep inside": b'{"prompt": "a", "metadata": {"a": ["\\ud800"]}}',
    "half a surrogate pair in options": b'{"prompt": "a", "gateway_options": {"\\ud800": 1}}',
    "half a surrogate pair in a task id": b'{"action": "adopt", "task_id": "\\ud800"}',
    "NUL as a key": b'{"prompt": "a", "\\u0000": 1}',
    "NUL in a key of the client": b'{"prompt": "a", "idempotency_key": "a\\u0000"}',
    "NUL in a task id": b'{"action": "adopt", "task_id": "a\\u0000b", "id": "a\\u0000b"}',
    "lists without end": b"[" * DEEP,
    "objects without end": b'{"a":' * DEEP,
    "deep metadata": b'{"prompt": "a", "metadata":' + b'{"a":' * 900 + b"1" + b"}" * 901,
    "deep options": b'{"prompt": "a", "gateway_options":' + b'{"a":' * 900 + b"1" + b"}" * 901,
    "deep video": b'{"prompt": "a", "seconds": "4", "video":' + b"[" * 900 + b"]" * 900 + b"}",
    "a number of 5,000 digits": b'{"prompt": "a", "duration": ' + b"9" * 5000 + b"}",
    "a number of 4,000 digits": b'{"prompt": "a", "metadata": {"a": ' + b"9" * 4000 + b"}}",
    "a size of 4,000 digits": b'{"prompt": "a", "size": "' + b"9" * 4000 + b'x1", "seconds": "' + b"9" * 4000 + b'"}',
    "an infinite number": b'{"prompt": "a", "deadline": 1e999}',
    "not a number": b'{"prompt": "a", "deadline": NaN}',
    "a large exponent": b'{"prompt": "a", "duration": 1e308, "priority": -1e308}',
    "the end of time": b'{"prompt": "a", "deadline": "9999-12-31T23:59:59-23:59"}',
    "the begin of time": b'{"prompt": "a", "deadline": "0001-01-01T00:00:00+23:59"}',
    "not UTF-8": b'{"prompt": "\xff\xfe"}',
    "UTF-16": '{"prompt": "a"}'.encode("utf-16"),
    "a key twice": b'{"prompt": "a", "prompt": "b"}',
    "no object": b'"a"',
    "nothing": b"",
}
RECEIVERS = (
    "/v1/jobs",
    "/v1/estimate",
    "/v1/jobs/batch",
    "/v1/campaigns?name=a",
    "/v1/jobs/{job}/resolve",
    "/v1/jobs/{job}/retry",
    "/v1/videos",
    "/v1/videos/edits",
    "/v1/videos/extensions",
    "/v1/videos/{job}/remix",
    *(f"/callbacks/{gateway}/{TOKEN}" for gateway in DIALECTS),
)


def test_invalid_bodies_are_refused_everywhere(api: httpx.Client) -> None:
    job = api.get("/v1/jobs", params={"state": "unconfirmed"}).json()["data"][0]["id"]
    for path in RECEIVERS:
        kind = "application/x-ndjson" if "batch" in path or "campaigns" in path else "application/json"
        for what, body in BODIES.items():
            if what == "UTF-16" and kind == "application/x-ndjson":
                continue  # files are read in any encoding that is certain
            answer = api.post(path.format(job=job), content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500, (path, what, answer.text)
            if not path.startswith("/callbacks/"):
                assert answer.headers["content-type"] == "application/problem+json", (path, what)
                assert answer.json()["error"]["message"], (path, what)
            assert "Traceback" not in answer.text and "sys." not in answer.text
    partial = api.post("/v1/jobs/batch?partial=true", content=BODIES["half a surrogate pair as a key"])
    assert (partial.status_code, partial.json()["refused"]) == (207, 1)


def test_a_body_of_100_mb_is_refused_before_its_end(api: httpx.Client) -> None:
    piece = b"100000\r\n" + b"a" * 2**20 + b"\r\n"
    for path in (
        "/v1/jobs",
        "/v1/videos",
        "/v1/jobs/batch",
        f"/callbacks/ark/{TOKEN}",
        "/v1/campaigns?name=a",
        "/healthz",
    ):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        if "batch" in path or "campaigns" in path:
            head = head.replace("application/json", "text/csv")
        with connected(api) as connection:
            connection.sendall(f"{head}Content-Length: 104857600\r\n\r\na".encode())
            assert connection.recv(16).startswith(b"HTTP/1.1 4"), path
        if "batch" in path or "campaigns" in path:
            continue  # they may have 64 MiB, which go to disk
        with connected(api) as connection:
            sent = 0
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
                while sent < 100 and not select.select([connection], [], [], 0)[0]:
                    connection.sendall(piece)
                    sent += 1
            assert sent < 40, path


def test_slow_bodies_are_refused(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.5)
    monkeypatch.setattr("producer.api.callbacks.BODY_S", 0.5)
    monkeypatch.setattr("producer.http.forms.BODY_S", 0.5)
    form = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n"
    for path, kind, begin in (
        ("/v1/jobs", "application/json", b"{"),
        (f"/callbacks/ark/{TOKEN}", "application/json", b"{"),
        ("/v1/videos", "multipart/form-data; boundary=x", form),
    ):
        with connected(api) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 90000\r\n\r\n"
            connection.sendall(head.encode() + begin)
            with dribbling(connection, b" "):
                assert connection.recv(16).startswith(b"HTTP/1.1 408"), path


@contextmanager
def dribbling(connection: socket.socket, what: bytes) -> Iterator[None]:
    """Send a byte now and then, for as long as it is taken."""
    stop = threading.Event()

    def run() -> None:
        with suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(what)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# --- heads -----------------------------------------------------------------------------------------------------------

GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HEADS = {
    "a header of 1 MB": GET + b"Host: localhost\r\nA: " + b"a" * 2**20 + b"\r\n\r\n",
    "a header name of 1 MB": GET + b"Host: localhost\r\n" + b"a" * 2**20 + b": a\r\n\r\n",
    "10,000 headers": GET + b"Host: localhost\r\n" + b"A: a\r\n" * 10_000 + b"\r\n",
    "a path of 1 MB": b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no end of a line": b"A" * 2**20,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "no host": GET + b"\r\n",
    "two hosts": GET + b"Host: localhost\r\nHost: other.example\r\n\r\n",
    "NUL in a header": GET + b"Host: localhost\r\nA: a\0b\r\n\r\n",
    "a blank before the colon": GET + b"Host : localhost\r\n\r\n",
    "no colon": GET + b"Host: localhost\r\nnothing\r\n\r\n",
    "a method of 10 kB": b"G" * 10_000 + b" /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "blanks in the path": b"GET /a b c HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a length below zero": POST + b"Content-Length: -1\r\n\r\n{}",
    "a length in words": POST + b"Content-Length: two\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length of 1,000 digits": POST + b"Content-Length: " + b"9" * 1000 + b"\r\n\r\n{}",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 3\r\n\r\n{}",
    "an unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "a coding after chunked": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a hidden chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk without a size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk below zero": POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk of 16 EiB": POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFFF\r\n{}",
    "a chunk with 1 MB beside it": POST
    + b"Transfer-Encoding: chunked\r\n\r\n2;"
    + b"a" * 2**20
    + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "a trailer of 1 MB": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + b"a" * 2**20 + b"\r\n\r\n",
}


def test_invalid_heads_are_refused(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 2.0)
    for what, raw in HEADS.items():
        with connected(api) as connection:
            with suppress(OSError):  # the server may have hung up already
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
            answer = read_all(connection)
        assert set(re.findall(rb"HTTP/1\.1 (\d)", answer)) <= {b"4"}, (what, answer[:200])


def test_a_request_cannot_be_smuggled_in_another_body(api: httpx.Client) -> None:
    """Both lengths at once: who reads the one, and who the other, must not see two requests."""
    inner = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 17\r\n\r\n" + b'{"prompt": "evil"}'
    both = POST + f"Content-Length: {len(inner) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode() + inner
    with connected(api) as connection:
        with suppress(OSError):
            connection.sendall(both)
            connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert all(job["request"]["prompt"] != "evil" for job in api.get("/v1/jobs").json()["data"])


# --- time ------------------------------------------------------------------------------------------------------------


def test_slow_heads_are_closed(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(api)) for _ in range(20)]
        slow = [stack.enter_context(connected(api)) for _ in range(5)]
        for connection in slow:
            connection.sendall(GET + b"A: ")
            stack.enter_context(dribbling(connection, b"a"))
        assert api.get("/healthz").status_code == 200
        wait_for("all are closed", lambda: all(is_closed(connection) for connection in [*silent, *slow]))


def test_an_unread_body_does_not_hold_a_connection(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    with connected(api) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        assert connection.recv(16).startswith(b"HTTP/1.1 200")
        with dribbling(connection, b"a" * 1000):
            read_all(connection)  # ends only when the server closes


def test_idle_connections_make_room_for_others(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_WAITING", 50)
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(api)) for _ in range(300)]
        wait_for("the oldest are closed", lambda: sum(is_closed(connection) for connection in idle) >= 250)
        assert not is_closed(idle[-1])
        idle[-1].sendall(GET + b"Host: localhost\r\n\r\n")
        assert idle[-1].recv(16).startswith(b"HTTP/1.1 200")
        with httpx.Client(base_url=api.base_url, timeout=PATIENCE_S) as another:
            assert another.get("/v1/jobs").status_code == 200


def test_clients_that_do_not_read_are_closed(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WRITE_S", 0.5)
    lost = threading.Event()
    real = BoundedConnection.connection_lost

    def connection_lost(self: BoundedConnection, exc: Exception | None) -> None:
        real(self, exc)
        lost.set()

    with connected(api, SO_RCVBUF=4096) as connection:
        monkeypatch.setattr(BoundedConnection, "connection_lost", connection_lost)
        with suppress(BlockingIOError, ConnectionResetError, BrokenPipeError, TimeoutError):
            connection.settimeout(5.0)
            for _ in range(200):
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert api.get("/healthz").status_code == 200
        assert lost.wait(PATIENCE_S), "the server hangs up"


def test_clients_that_disconnect_leave_nothing_behind(api: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    for raw in (
        POST + b"Content-Length: 50\r\n\r\n{",
        POST.replace(b"/v1/jobs", b"/v1/videos").replace(b"application/json", b"multipart/form-data; boundary=x")
        + b"Content-Length: 5000\r\n\r\n--x\r\n",
        f"POST /callbacks/ark/{TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{{".encode(),
        b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        with connected(api) as connection:
            connection.sendall(raw)
    with connected(api) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(16).startswith(b"HTTP/1.1 200")
    assert "api.failed" not in caplog.text

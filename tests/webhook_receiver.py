"""A webhook receiver for tests: keeps what it gets and answers as the test wants."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from tests.waiting import PATIENCE_S


@dataclass(frozen=True)
class Delivery:
    """One POST that was received."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """The body, if its signature is right."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, dict(self.headers))
        return found

    def content(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Reply:
    """How to answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold: threading.Event | None = None
    """Do not answer before this is set."""
    hang_up: bool = False
    """Close the connection without an answer."""


@dataclass
class Receiver:
    """The deliveries received, and the replies: by path, else `otherwise`."""

    url: str
    deliveries: list[Delivery] = field(default_factory=list)
    replies: dict[str, Reply | Callable[[Delivery], Reply]] = field(default_factory=dict)
    otherwise: Reply = field(default_factory=Reply)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reply_to(self, delivery: Delivery) -> Reply:
        found = self.replies.get(delivery.path, self.otherwise)
        return found if isinstance(found, Reply) else found(delivery)

    def at(self, path: str) -> list[Delivery]:
        with self.lock:
            return [item for item in self.deliveries if item.path == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections are closed on purpose: not an error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        receiver = server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        delivery = Delivery(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with receiver.lock:
            receiver.deliveries.append(delivery)
            receiver.at_once += 1
            receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
        try:
            self._answer(receiver.reply_to(delivery))
        finally:
            with receiver.lock:
                receiver.at_once -= 1

    def _answer(self, reply: Reply) -> None:
        if reply.hold is not None:
            reply.hold.wait(PATIENCE_S)
        if reply.hang_up:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: Any) -> None:
        """Not on the test's output."""


@contextmanager
def receiving(port: int = 0, host: str = "127.0.0.1") -> Iterator[Receiver]:
    """Run a receiver at an address of this machine; port 0: any free port."""
    with _Server((host, port), _Handler) as server:
        server.receiver = Receiver(f"http://{host}:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.receiver
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)

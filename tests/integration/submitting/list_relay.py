"""A relay in front of a simulator, which may change what its list of tasks shows: a cache, another key, a gateway that
drops a field on the way. It may also answer a create itself, after it has passed that on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.waiting import PATIENCE_S

Change = Callable[[dict[str, Any]], dict[str, Any]]
_PASSED_ON = ("authorization", "content-type")


@contextmanager
def list_relay(url: str, change: Change, created: tuple[int, dict[str, Any]] | None = None) -> Iterator[str]:
    """Passes every call on to `url`, and gives its own URL. `change` makes of the list what is shown of it; `created`
    is the answer to every create, None: the gateway's own."""

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
            with httpx.Client(timeout=PATIENCE_S) as client:
                try:
                    answer = client.request(self.command, url + self.path, content=body, headers=headers)
                except httpx.HTTPError:
                    self.close_connection = True
                    self.connection.close()
                    return
            status, content = answer.status_code, answer.content
            if self.command == "POST" and created is not None:
                status, content = created[0], json.dumps(created[1]).encode()
            if self.command == "GET" and urlsplit(self.path).path.endswith("/tasks") and answer.status_code == 200:
                content = json.dumps(change(answer.json())).encode()
            self.send_response(status)
            self.send_header("content-type", answer.headers.get("content-type", ""))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _pass_on

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)

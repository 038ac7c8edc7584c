"""A server of pictures, right and wrong ones, that counts what is asked of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.media_files import picture

FILES = {
    "/good.png": (200, "image/png", picture(640, 480)),
    "/lying.png": (200, "image/png", b"<html>not found</html>"),
    "/tiny.png": (200, "image/png", picture(10, 10)),
    "/empty.png": (200, "image/png", b""),
    "/moved.png": (302, "/good.png", b""),
    "/loop.png": (302, "/loop.png", b""),
    "/inside.png": (302, "http://127.0.0.2:1/good.png", b""),
}


class MediaServer:
    """Its `url`, and how often each path was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: Counter[str] = Counter()


@contextmanager
def serving_media() -> Iterator[MediaServer]:
    """A server that runs until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.asked[self.path] += 1
            status, kind, content = FILES.get(path, (404, "text/plain", b"no"))
            self.send_response(status)
            self.send_header("Location" if status == 302 else "Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = MediaServer(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()

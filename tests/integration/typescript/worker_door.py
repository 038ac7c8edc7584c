"""Lets tests in another language play the worker: one POST moves a job on, with a video in the store if it asks."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from producer.client import Producer
from storage.jobs.states import JobState
from tests.integration.api.api_server import bring

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@contextmanager
def worker_door(producer: Producer, store: S3Client, bucket: str) -> Iterator[str]:
    """The URL that takes `{"id": …, "state": …}`, and for a video `"bytes"` and perhaps a wrong `"sha256"`."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = json.dumps(_move(producer, store, bucket, wanted)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _move(producer: Producer, store: S3Client, bucket: str, wanted: dict[str, Any]) -> dict[str, Any]:
    job_id, state = wanted["id"], JobState(wanted["state"])
    if "bytes" not in wanted:
        bring(producer, job_id, state)
        return {}
    content = os.urandom(wanted["bytes"])
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    key = f"videos/{job_id}.mp4"
    store.put_object(Bucket=bucket, Key=key, Body=content, ContentType="video/mp4")
    columns = facts | ({"sha256": wanted["sha256"]} if "sha256" in wanted else {})
    bring(producer, job_id, state, object_key=key, **columns)
    return facts | {"content": base64.b64encode(content).decode()}

"""A door in front of a gateway that lets no request through until the test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.tcp_door import door
from tests.waiting import PATIENCE_S


@dataclass(frozen=True, slots=True)
class HeldDoor:
    """`url`: of the gateway behind the door."""

    url: str
    go_on: threading.Event


@contextmanager
def held_door(url: str) -> Iterator[HeldDoor]:
    """Connections are accepted at once; the first request on each waits until `go_on` is set."""
    go_on = threading.Event()

    def hold(_client: object, data: bytes) -> bytes:
        go_on.wait(PATIENCE_S)
        return data

    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    with door((parts.hostname, parts.port), first=hold) as opened:
        try:
            yield HeldDoor(f"http://127.0.0.1:{opened.port}", go_on)
        finally:
            go_on.set()

"""A file that the API keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reelq_client.core.requests import Flow, Request


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it arrives; None: nothing is."""

    size: int | None = None
    sha256: str | None = None


def unknown() -> Flow[Expected]:
    """Nothing is known of the file."""
    yield from ()
    return Expected()


@dataclass(frozen=True)
class StoredFile:
    """How to ask for a file, and for what it must be."""

    request: Request
    expected: Callable[[], Flow[Expected]] = unknown
    in_bucket: bool = True
    """False: the API makes the file itself, and never gives a link."""

    def asking(self, *, through_api: bool) -> Request:
        """The request; `through_api`: not by a link into the bucket."""
        if not (through_api and self.in_bucket):
            return self.request
        query: dict[str, Any] = dict(self.request.query) | {"proxy": 1}
        return Request(self.request.operation, self.request.method, self.request.route, at=self.request.at, query=query)

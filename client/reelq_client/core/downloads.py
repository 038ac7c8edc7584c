"""Downloads that continue where they stopped, also in another process, and that are checked before they count.

The bytes go to `NAME.part`, the version of the file to `NAME.part.etag`. A rename makes the file appear whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

import httpx

from reelq_client.core.bodies import Progress
from reelq_client.core.errors import ApiError, DownloadFailed

TRIES = 6
"""How many connections in a row may bring nothing."""
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_HASH_BYTES = 1024 * 1024


class Download:
    """One file on its way. `size` and `sha256`: what it must have; None: not known."""

    def __init__(self, path: Path, size: int | None, sha256: str | None, progress: Progress | None) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._mark = path.with_name(path.name + ".part.etag")
        self._size, self._sha256, self._progress = size, sha256, progress
        self._total = size
        self._file: IO[bytes] | None = None
        self._fruitless = 0
        self._brought = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Download:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def headers(self) -> dict[str, str]:
        """The headers of the next request: for the rest, if part of the same version is here."""
        etag = self._mark.read_text(encoding="ascii") if self._mark.exists() else ""
        have = self._have()
        return {"Range": f"bytes={have}-", "If-Range": etag} if have and etag else {}

    def is_whole(self) -> bool:
        """Whether everything has arrived, though it is not checked yet."""
        return self._total is not None and self._have() >= self._total

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the headers of an answer, 200 or 206.

        Raises:
            DownloadFailed: the answer is for another part of the file.
        """
        self._close()
        self._brought = 0
        found = _RANGE.fullmatch(headers.get("content-range", ""))
        if status == 206 or found is not None:  # some stores answer a range with 200
            if found is None or int(found[1]) != self._have():
                self.start_over()
                raise DownloadFailed(f"{self._path.name}: the server sent another range than was asked for")
            total = found[2]
            self._file = self._part.open("ab")
        else:
            total = headers.get("content-length", "")
            self._file = self._part.open("wb")
            etag = headers.get("etag", "")
            if etag and not etag.startswith("W/") and etag.isascii():
                self._mark.write_text(etag, encoding="ascii")
            else:
                self._mark.unlink(missing_ok=True)
        if total.isdecimal() and "content-encoding" not in headers:
            self._total = int(total)

    def write(self, data: bytes) -> None:
        """Take a piece."""
        assert self._file is not None  # noqa: S101 - `begin` comes first
        self._file.write(data)
        self._brought += len(data)
        if self._progress is not None:
            self._progress(self._file.tell(), self._total)

    def interrupted(self) -> float:
        """The connection was lost: the pause before the next one.

        Raises:
            DownloadFailed: too many connections in a row brought nothing.
        """
        self._close()
        self._fruitless = 0 if self._brought else self._fruitless + 1
        self._brought = 0
        if self._fruitless >= TRIES:
            raise DownloadFailed(
                f"{self._path.name}: the connection was lost {TRIES} times; {self._part.name} has a part"
            )
        return float(min(0.5 * 2**self._fruitless, 8.0))

    def start_over(self) -> None:
        """Forget what has arrived."""
        self._close()
        self._part.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def finish(self) -> Path:
        """Check the length and the SHA-256, and give the file its name.

        Raises:
            DownloadFailed: they are not as they must be; nothing is kept.
        """
        self._close()
        have, wanted = self._have(), self._size if self._size is not None else self._total
        if wanted is not None and have != wanted:
            self.start_over()
            raise DownloadFailed(f"{self._path.name}: has {have} bytes instead of {wanted}")
        if self._sha256 is not None and self._digest() != self._sha256:
            self.start_over()
            raise DownloadFailed(f"{self._path.name}: its SHA-256 is not the one that the API gives")
        os.replace(self._part, self._path)
        self._mark.unlink(missing_ok=True)
        return self._path

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _digest(self) -> str:
        found = hashlib.sha256()
        with self._part.open("rb") as file:
            for chunk in iter(lambda: file.read(_HASH_BYTES), b""):
                found.update(chunk)
        return found.hexdigest()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def is_part(response: httpx.Response) -> bool:
    """Whether an answer is a part of a file; some stores answer a range with 200."""
    return response.status_code == 206 or "content-range" in response.headers


def passes(error: ApiError, url: httpx.URL, base_url: str) -> bool:
    """Whether another request may help: the API is busy, part of the file is of another version, or it is the bucket
    that refuses its link."""
    at_api = url.netloc == httpx.URL(base_url).netloc
    return not at_api or error.status in (416, 429) or error.status >= 500


CUT = (httpx.TransportError, DownloadFailed)
"""What a download survives by a new connection."""

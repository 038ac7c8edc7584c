"""Download the videos of a campaign into a folder: several at once, resumed where an earlier run ended."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from producer.campaigns.results.results import Result
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable

AT_ONCE = 4
BLOCK = 8 * 2**20
PART_SUFFIX = ".part"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is; `bytes` counts what this run has fetched."""

    done: int
    of: int
    bytes: int


@dataclass(slots=True)
class Downloaded:
    """What a download did: `fetched` files, those `present` before, and those that `failed`, with the reason."""

    fetched: int = 0
    present: int = 0
    bytes: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


class Videos(Protocol):
    """Where the videos are. Both raise `StoreUnavailable`."""

    def read(self, result: Result, begin: int, size: int) -> bytes:
        """Some bytes of a row's video."""
        ...

    def chunks(self, result: Result) -> Iterator[bytes]:
        """All of it, piece by piece."""
        ...


class FromBucket:
    """The videos in the bucket."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def read(self, result: Result, begin: int, size: int) -> bytes:
        """As `Videos`."""
        return self._objects.read_range(result.shown.object_key or "", begin, size)

    def chunks(self, result: Result) -> Iterator[bytes]:
        """As `Videos`."""
        return self._objects.chunks(result.shown.object_key or "")


class NotWhole(Exception):
    """The bytes are not those that were stored."""


class _Fetched:
    """Counts the bytes of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0

    def add(self, size: int) -> None:
        with self._lock:
            self.bytes += size


def download(
    videos: Videos,
    named: Sequence[tuple[str, Result]],
    folder: Path,
    *,
    at_once: int = AT_ONCE,
    report: Callable[[Progress], None] = lambda _: None,
) -> Downloaded:
    """Fetch each video to its name below `folder`.

    A file is complete under its name or not there: bytes go to `NAME.JOB.part` first, which a later run continues. A
    file that is there with the size and hash of the video is kept; one with others, such as that of an earlier version
    of the row, is replaced.

    Raises:
        OSError: a folder cannot be made.
    """
    found, fetched = Downloaded(), _Fetched()
    for name, _ in named:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(at_once, thread_name_prefix="download") as pool:
        running = {pool.submit(_one, videos, result, folder / name, fetched): name for name, result in named}
        try:
            for done, future in enumerate(as_completed(running), 1):
                try:
                    was_there = future.result()
                except (StoreUnavailable, NotWhole, OSError) as exc:
                    found.failed.append((running[future], _why(exc)))
                else:
                    found.present += was_there
                    found.fetched += not was_there
                found.bytes = fetched.bytes
                report(Progress(done, len(running), fetched.bytes))
        except BaseException:  # Ctrl-C: those that have begun end with their block; the rest is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _one(videos: Videos, result: Result, target: Path, fetched: _Fetched) -> bool:
    """Fetch one video; True: it was there."""
    job = result.shown
    size = job.size_bytes or 0
    if target.is_file() and target.stat().st_size == size and job.sha256 in (None, _hash(target).hexdigest()):
        return True
    part = target.with_name(f"{target.name[:180]}.{job.id.hex[-8:]}{PART_SUFFIX}")
    begun = part.stat().st_size if part.is_file() else 0
    if begun > size:
        begun = 0
    sha256 = _hash(part) if begun else hashlib.sha256()
    with part.open("r+b" if begun else "wb") as file:
        file.seek(begun)
        while begun < size:
            block = videos.read(result, begun, min(BLOCK, size - begun))
            if not block:
                break
            file.write(block)
            sha256.update(block)
            begun += len(block)
            fetched.add(len(block))
        file.flush()
        os.fsync(file.fileno())
    if begun != size or job.sha256 not in (None, sha256.hexdigest()):
        part.unlink(missing_ok=True)  # a later run begins again
        raise NotWhole(f"the bucket's object is not the video that was stored ({begun:,} of {size:,} bytes)")
    part.replace(target)
    return False


def _hash(path: Path) -> hashlib._Hash:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found


def _why(exc: Exception) -> str:
    return exc.strerror or str(exc) if isinstance(exc, OSError) else str(exc)


def downloadable(results: Iterable[Result]) -> list[Result]:
    """Those whose video is in the bucket."""
    return [result for result in results if result.has_video]

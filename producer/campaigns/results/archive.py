"""The videos of a campaign as one ZIP file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import IO, cast

from producer.campaigns.results.download import NotWhole, Videos
from producer.campaigns.results.results import Result


def write_archive(file: IO[bytes], videos: Videos, named: Sequence[tuple[str, Result]]) -> int:
    """Write the videos, uncompressed, because videos do not shrink; returns their bytes. Memory stays flat.

    Raises:
        StoreUnavailable: the store does not respond, or a video is missing there.
        NotWhole: an object is not the video that was stored.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        return sum(_add(archive, videos, named))


def archive_pieces(videos: Videos, named: Sequence[tuple[str, Result]]) -> Iterator[bytes]:
    """The same archive, piece by piece, for a receiver that cannot seek.

    Raises:
        StoreUnavailable, NotWhole: as `write_archive`. The pieces so far are no complete archive.
    """
    pieces = _Pieces()
    file = cast(IO[bytes], pieces)  # zipfile asks a file that cannot seek for no more than this
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
        closing(_add(archive, videos, named)) as added,
    ):
        for _ in added:
            yield pieces.take()
    yield pieces.take()


class _Pieces:
    """Keeps what is written until it is taken. It cannot seek, so that sizes and checksums follow each video."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        """Keep these bytes."""
        self._written += data
        return len(data)

    def flush(self) -> None:
        """There is nothing to flush to."""

    def take(self) -> bytes:
        """What was written since the last call."""
        piece = bytes(self._written)
        self._written.clear()
        return piece


def _add(archive: zipfile.ZipFile, videos: Videos, named: Sequence[tuple[str, Result]]) -> Generator[int]:
    """Add the videos; gives the size of each chunk once it is written."""
    for name, result in named:
        job = result.shown
        moment = (job.finished_at or job.created_at).timetuple()[:6]
        entry = zipfile.ZipInfo(name, (max(moment[0], 1980), *moment[1:]))
        entry.file_size = job.size_bytes or 0
        entry.external_attr = 0o644 << 16
        sha256 = hashlib.sha256()
        with archive.open(entry, "w", force_zip64=True) as written:
            for chunk in videos.chunks(result):
                written.write(chunk)
                sha256.update(chunk)
                yield len(chunk)
        if job.sha256 not in (None, sha256.hexdigest()):
            raise NotWhole(f"{name}: the bucket's object is not the video that was stored")

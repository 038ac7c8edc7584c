"""Answers that are made piece by piece, in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import IO

from starlette.responses import StreamingResponse
from starlette.types import Send

from producer.campaigns.results.download import NotWhole
from storage.bucket.requests import StoreUnavailable
from storage.database import DatabaseUnavailable

log = logging.getLogger("reelq.api")

BLOCK = 256 * 1024


class PieceStream(StreamingResponse):
    """The pieces as they are made. If the database or the store fails in the middle, the connection is closed, so that
    the client notices."""

    def __init__(self, pieces: Iterator[bytes], media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(_in_blocks(pieces), headers=headers, media_type=media_type)
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        """Send the answer."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for block in self.body_iterator:
                await send({"type": "http.response.body", "body": block, "more_body": True})
        except (StoreUnavailable, DatabaseUnavailable, NotWhole) as exc:
            log.warning("stream.broken type=%s error=%s", self.media_type, exc)
            return
        finally:  # here, and not where blocks are made: a client may leave before the first one
            with suppress(ValueError):  # the generator runs: the client left in the middle of a piece
                close = getattr(self._pieces, "close", None)
                if close is not None:
                    close()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _in_blocks(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, several of them at once."""

    def gather() -> bytes:
        found = bytearray()
        for piece in pieces:
            found += piece
            if len(found) >= BLOCK:
                break
        return bytes(found)

    while block := await asyncio.to_thread(gather):
        yield block


class FileBlocks:
    """The content of a file that is closed with it, also if it was never read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._file.closed and (block := self._file.read(BLOCK)):
            return block
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Close the file."""
        self._file.close()

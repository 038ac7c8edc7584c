"""Bodies of requests: bytes, or files that are sent piece by piece."""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from reelq_client.core.errors import ConfigurationError

CHUNK_BYTES = 256 * 1024
Progress = Callable[[int, "int | None"], None]
"""Called with the bytes so far, and all of them (None: not known)."""
Source = str | os.PathLike[str] | bytes | BinaryIO
"""A file's path, its content, or an open binary file."""


class Body:
    """What a request sends. `size` None: not known. It can be sent again if `reopens`."""

    def __init__(
        self, source: Source, content_type: str | None = None, progress: Progress | None = None, name: str | None = None
    ) -> None:
        self._source = source
        self._progress = progress
        self._start = 0
        self.size: int | None = None
        self.reopens = True
        guessed = name
        if isinstance(source, bytes):
            self.size = len(source)
        elif isinstance(source, str | os.PathLike):
            path = Path(source)
            guessed = name or path.name
            try:
                self.size = path.stat().st_size
            except OSError as exc:
                raise ConfigurationError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
            if path.is_dir():
                raise ConfigurationError(f"{path}: is a directory; give a file")
        else:
            named = getattr(source, "name", "")
            guessed = name or (named if isinstance(named, str) else "")
            self.reopens = source.seekable()
            if self.reopens:
                self._start = source.tell()
                self.size = source.seek(0, io.SEEK_END) - self._start
        self.name = Path(guessed).name if guessed and not guessed.startswith("<") else None
        """The file's name, for people; None: it has none."""
        self.content_type = content_type or mimetypes.guess_type(guessed or "")[0] or "application/octet-stream"

    def chunks(self) -> Iterator[bytes]:
        """The content, piece by piece, from its start."""
        sent = 0
        for chunk in self._pieces():
            yield chunk
            sent += len(chunk)
            if self._progress is not None:
                self._progress(sent, self.size)

    def _pieces(self) -> Iterator[bytes]:
        source = self._source
        if isinstance(source, bytes):
            yield from (source[at : at + CHUNK_BYTES] for at in range(0, len(source), CHUNK_BYTES))
        elif isinstance(source, str | os.PathLike):
            with Path(source).open("rb") as file:
                yield from iter(lambda: file.read(CHUNK_BYTES), b"")
        else:
            if self.reopens:
                source.seek(self._start)
            yield from iter(lambda: source.read(CHUNK_BYTES), b"")

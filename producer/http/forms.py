"""Reading multipart/form-data: text in memory, files on disk, within limits while it arrives."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from producer.http.bodies import BODY_S, MAX_JOB_BYTES, chunks
from producer.http.decompression import CLOSE
from producer.http.problems import ApiProblem
from producer.http.sharing.places import Places

MAX_FORM_BYTES = 128 * 2**20
MAX_PARTS = 256
MAX_FILES = 16
MAX_VALUE_BYTES = 64 * 2**10
"""A longer value must be a data URI, which goes to disk like a file."""
FORM_S = 600.0


@dataclass(frozen=True, slots=True, repr=False)
class FormFile:
    """A file of a form, on disk until the form is closed. `is_data_uri`: it holds the text of a data URI."""

    name: str
    filename: str
    path: Path
    is_data_uri: bool = False

    def __repr__(self) -> str:
        return "a file"  # in messages to clients, who must not see its path


@dataclass(frozen=True, slots=True)
class Form:
    """The values and files of a form, in the order they arrived."""

    values: list[tuple[str, str]] = field(default_factory=list)
    files: list[FormFile] = field(default_factory=list)


@asynccontextmanager
async def read_form(request: Request, uploads: Places) -> AsyncIterator[Form]:
    """The form of a request; its files are deleted at the end. One with files takes a place among `uploads`.

    Raises:
        ApiProblem: it is not a form, it is too large or too slow, or there is no room for it.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _broken("has no boundary in its Content-Type")
    with tempfile.TemporaryDirectory(prefix="reelq-form-") as directory:
        reader = _Reader(Path(directory))
        place: str | None = None
        try:
            parser = reader.parser(boundary)
            loop = asyncio.get_running_loop()
            until = loop.time() + BODY_S
            async for chunk in chunks(request, MAX_FORM_BYTES, FORM_S):
                if place is None and loop.time() > until:  # only files may take long
                    raise ApiProblem(408, "body_too_slow", "the body arrived too slowly", headers=CLOSE)
                # Writing to a disk may block; what stays in memory does not.
                if place is not None:
                    await asyncio.to_thread(parser.write, chunk)
                    continue
                parser.write(chunk)
                if reader.uses_disk:
                    place = uploads.take()
            yield reader.finished()
        except FormParserError as exc:
            raise _broken(f"cannot be read: {exc}") from exc
        finally:
            reader.close()
            if place is not None:
                uploads.give_back(place)


def _broken(problem: str) -> ApiProblem:
    return ApiProblem(
        400, "invalid_form", f"the form {problem}", advice="Send multipart/form-data as in RFC 7578.", headers=CLOSE
    )


def _too_much(what: str) -> ApiProblem:
    return ApiProblem(
        413, "body_too_large", f"the form has {what}", advice="Send large media as files, or as URLs.", headers=CLOSE
    )


class _Reader:
    """The callbacks of the parser."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._form = Form()
        self._parts = 0
        self._text_bytes = 0
        self._ended = False
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._name = self._filename = ""
        self._value = bytearray()
        self._file: BinaryIO | None = None
        self.uses_disk = False
        """True once a file, or a long data URI, has begun."""

    def parser(self, boundary: bytes) -> MultipartParser:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._take_header_name,
                "on_header_value": self._take_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._take_data,
                "on_part_end": self._end,
                "on_end": self._end_all,
            },
        )

    def finished(self) -> Form:
        """The whole form.

        Raises:
            ApiProblem: its end is missing.
        """
        if not self._ended:
            raise _broken("ends before its last boundary")
        return self._form

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    # --- what the parser calls ---

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _too_much(f"more than {MAX_PARTS} parts")
        self._disposition = b""
        self._value = bytearray()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or not options.get(b"name"):
            raise _broken("has a part without a name")
        self._name = _text(options[b"name"], "the name of a part")
        self._filename = ""
        if b"filename" in options:
            self._filename = options[b"filename"].decode("utf-8", "replace") or "file"
            self._open()

    def _open(self) -> None:
        if len(self._form.files) >= MAX_FILES:
            raise _too_much(f"more than {MAX_FILES} files")
        self.uses_disk = True
        path = self._directory / str(len(self._form.files))
        self._file = path.open("wb")
        self._form.files.append(FormFile(self._name, self._filename, path, is_data_uri=not self._filename))

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._file is None:
            if self._value[:5] != b"data:":
                self._text_bytes += len(piece)
            self._value += piece
            if len(self._value) > MAX_VALUE_BYTES:
                self._value_to_disk()
            elif self._text_bytes > MAX_JOB_BYTES:
                raise _too_much(f"more than {MAX_JOB_BYTES // 2**20} MiB of text")
        else:
            self._file.write(piece)

    def _value_to_disk(self) -> None:
        if not self._value.startswith(b"data:"):
            raise _too_much(f"more than {MAX_VALUE_BYTES // 2**10} KiB in {self._name}")
        self._open()
        assert self._file is not None  # noqa: S101 - just opened
        self._file.write(self._value)

    def _end(self) -> None:
        if self._file is None:
            self._form.values.append((self._name, _text(bytes(self._value), self._name)))
        self.close()

    def _end_all(self) -> None:
        self._ended = True


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise _broken(f"is not UTF-8 text in {what} (byte {exc.start + 1})") from exc


def nested(pairs: Iterator[tuple[str, object]] | list[tuple[str, object]]) -> dict[str, object]:
    """Names with brackets as objects and lists: `metadata[a]=1` and `tags[]=x`, as OpenAI's clients write them.

    A name that is repeated is a list.

    Raises:
        ApiProblem: the brackets do not close, are too deep, or contradict each other.
    """
    found: dict[str, object] = {}
    for name, value in pairs:
        keys = _keys(name)
        at: dict[str, object] = found
        for key in keys[:-1]:
            inner = at.setdefault(_fresh(at, key), _Node())
            if not isinstance(inner, _Node):
                raise _contradiction(name)
            at = inner
        last = _fresh(at, keys[-1])
        if isinstance(at.get(last), _Node):
            raise _contradiction(name)
        if last in at:
            at[last] = [*(known if isinstance(known := at[last], list) else [known]), value]
        else:
            at[last] = value
    return {name: _plain(value) for name, value in found.items()}


_MAX_DEPTH = 8


class _Node(dict[str, object]):
    """A value that was written with brackets; the keys of a list are made here, and begin with a bracket."""


def _keys(name: str) -> list[str]:
    first, bracket, rest = name.partition("[")
    if not first or "]" in first or (bracket and not rest.endswith("]")):
        raise _odd(name)
    keys = [first, *(rest[:-1].split("][") if bracket else ())]
    if len(keys) > _MAX_DEPTH or any("[" in key or "]" in key for key in keys):
        raise _odd(name)
    return keys


def _fresh(at: dict[str, object], key: str) -> str:
    return key or f"[{len(at)}"


def _plain(value: object) -> object:
    if not isinstance(value, _Node):
        return value
    if all(key.startswith("[") for key in value):
        return [_plain(item) for item in value.values()]
    return {key: _plain(item) for key, item in value.items()}


def _odd(name: str) -> ApiProblem:
    shown = name if len(name) <= 60 else f"{name[:60]}…"
    return ApiProblem(422, "invalid_request", f"{shown!r} is not a name such as tags[] or metadata[a]", param=shown)


def _contradiction(name: str) -> ApiProblem:
    return ApiProblem(422, "invalid_request", f"{name}: is given both with and without brackets", param=name)

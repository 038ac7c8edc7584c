"""Pictures and clips in a request: checked, and named by their content, like the local files of a command."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from producer.api.videos.fields import MEDIA_FIELDS
from producer.http.forms import FormFile
from producer.intake.uploads import LocalFiles
from seedance.problems import InvalidInput, Problem
from seedance.request import Modality

_MAX_NAME_CHARS = 60
_CHUNK_CHARS = 64 * 1024  # a multiple of four, so that each chunk is valid base64
_PICTURES = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif")
_MODALITIES: Mapping[str, Modality] = {
    "first_frame": "image",
    "last_frame": "image",
    "reference_images": "image",
    "reference_videos": "video",
    "reference_audios": "audio",
}


class Attachments:
    """The files of one request. They are uploaded to the bucket when the job is stored."""

    def __init__(self) -> None:
        self.files = LocalFiles(None)
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._decoded = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.files.close()
        if self._directory is not None:
            self._directory.cleanup()

    def replace(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields with every file replaced by the reference of its content.

        Raises:
            InvalidInput: a file has the wrong kind, or its field takes no file.
        """
        replaced = dict(fields)
        problems = []
        for name, value in fields.items():
            try:
                if isinstance(value, list):
                    replaced[name] = [self._reference(name, item) for item in value]
                else:
                    replaced[name] = self._reference(name, value)
            except ValueError as exc:
                problems.append(Problem(name, str(exc)))
        if problems:
            raise InvalidInput(problems)
        return replaced

    def _reference(self, name: str, value: Any) -> Any:
        if not isinstance(value, FormFile):
            return value
        if name not in MEDIA_FIELDS:
            raise ValueError("does not take a file")
        return self.add(value, _MODALITIES[name])

    def open(self, value: FormFile | str) -> FormFile:
        """A file, or the content of a data URI as a file.

        Raises:
            ValueError: the data URI is not valid.
        """
        if isinstance(value, FormFile) and not value.is_data_uri:
            return value
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="reelq-data-")
        self._decoded += 1
        path = Path(self._directory.name) / str(self._decoded)
        with path.open("wb") as target:
            if isinstance(value, str):
                _decode(value, None, target)
            else:
                with value.path.open("r", encoding="ascii", errors="replace", newline="") as source:
                    _decode(source.read(_CHUNK_CHARS), source, target)
        return FormFile("", "data URI", path)

    def add(self, file: FormFile, modality: Modality) -> str:
        """The reference of a file's content.

        Raises:
            ValueError: it cannot be read as that kind of file.
        """
        opened = self.open(file)
        return self.files.add(opened.path, modality, shown_name(opened.filename))


def _decode(head: str, rest: Any, target: BinaryIO) -> None:
    start, comma, text = head.partition(",")
    if not comma or not start.startswith("data:") or not start.endswith(";base64"):
        raise ValueError("a data URI must be data:image|video/<subtype>;base64,<data>")
    try:
        while text:
            whole = len(text) // 4 * 4
            target.write(base64.b64decode(text[:whole], validate=True))
            left = text[whole:]
            text = rest.read(_CHUNK_CHARS) if rest is not None else ""
            if left and not text:
                raise ValueError("the base64 of the data URI is cut off")
            text = left + text
    except binascii.Error as exc:
        raise ValueError("the data URI is not valid base64") from exc


def shown_name(filename: str) -> str:
    """The name of a file in a request, as a message may show it."""
    base = filename.replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter for letter in base if letter.isprintable())
    return kept[:_MAX_NAME_CHARS] or "file"


def modality_of(path: Path) -> Modality:
    """The kind of a file by its first bytes; the whole file is checked later."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide") and head[8:12] not in _PICTURES:
        return "video"
    if head[:3] == b"ID3" or (head[:4] == b"RIFF" and head[8:12] == b"WAVE"):
        return "audio"
    return "image"

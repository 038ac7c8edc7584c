"""Read workbooks that are ZIP archives of XML as streams: unpacked bytes are counted and never held as a whole."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final
from xml.parsers import expat

from producer.campaigns.reading.table import whole_file

MAX_UNPACKED_BYTES: Final = 768 * 2**20
"""Limit for one workbook; 100,000 rows of thirty columns are about 300 MiB."""
_MAX_MEMBERS = 10_000
_BLOCK = 2**18


class Archive:
    """A ZIP archive. Every problem with it raises an `InvalidInput` with the name of the file."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        """Read the list of members.

        Raises:
            InvalidInput: it is not a complete archive, or unpacks to more than the limit.
        """
        self.name = name
        self._left = MAX_UNPACKED_BYTES
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
            raise whole_file(
                name, "is damaged: the workbook is incomplete; open it in a spreadsheet and save it again"
            ) from exc
        self._members = {item.filename.replace("\\", "/").lower(): item for item in self._zip.infolist()}
        if len(self._members) > _MAX_MEMBERS or sum(i.file_size for i in self._members.values()) > MAX_UNPACKED_BYTES:
            raise self._too_large()

    def __contains__(self, member: str) -> bool:
        return member.lower() in self._members

    def names(self) -> list[str]:
        """The members, in lower case."""
        return list(self._members)

    def blocks(self, member: str) -> Iterator[bytes]:
        """The content of a member in blocks.

        Raises:
            InvalidInput: it is missing or damaged, or the workbook unpacks to more than the limit.
        """
        item = self._members.get(member.lower())
        if item is None:
            raise whole_file(self.name, f"is damaged: it has no {member}")
        try:
            with self._zip.open(item) as stream:
                while block := stream.read(_BLOCK):
                    self._left -= len(block)
                    if self._left < 0:
                        raise self._too_large()
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as exc:
            said = "is protected by a password" if "encrypted" in str(exc) else f"is damaged ({member})"
            raise whole_file(self.name, f"{said}; save it again, without a password") from exc

    def parse(
        self,
        member: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> Iterator[None]:
        """Parse an XML member; after each block the caller may take what its callbacks have collected.

        Element names are given without namespace prefixes.

        Raises:
            InvalidInput: as in `blocks`; or it is not XML, or declares a document type.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = lambda name, given: start(name.rpartition(":")[2], given)
        if end is not None:
            ended = end
            parser.EndElementHandler = lambda name: ended(name.rpartition(":")[2])
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = self._no_doctype
        try:
            for block in self.blocks(member):
                parser.Parse(block, False)
                yield
            parser.Parse(b"", True)
        except (expat.ExpatError, LookupError) as exc:  # LookupError: an unknown encoding
            raise whole_file(self.name, f"is damaged: {member} is not XML ({exc})") from exc
        yield

    def parse_all(
        self,
        member: str,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        """The same in one call, for members that are small or of which little is kept."""
        for _ in self.parse(member, start, end, text):
            pass

    def _no_doctype(self, *_: object) -> None:
        raise whole_file(
            self.name, "declares a document type in its XML, which no spreadsheet does; save it again as XLSX"
        )

    def _too_large(self) -> Exception:
        limit = MAX_UNPACKED_BYTES // 2**20
        return whole_file(self.name, f"unpacks to more than {limit} MiB; split it, or save it as CSV")


def local(attributes: dict[str, str], name: str) -> str | None:
    """An attribute by its name, with any namespace prefix."""
    if name in attributes:
        return attributes[name]
    return next((value for key, value in attributes.items() if key.rpartition(":")[2] == name), None)

"""Read the lines of a text file in any encoding, with bounded memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from producer.campaigns.reading.encodings.detection import Encoding
from producer.campaigns.reading.table import whole_file

MAX_LINE_CHARS = 8 * 2**20


_DOS_END = "\x1a"


def _without_end(line: str) -> str:
    """A line without the mark of the end of a file, which `copy *.csv all.csv` still writes; "" if it was all."""
    content = line.rstrip("\r\n")
    text = content.rstrip(_DOS_END)
    return text + line[len(content) :] if text else ""


def lines(name: str, file: BinaryIO, encoding: Encoding) -> Iterator[tuple[int, str]]:
    """Numbered lines of a file that is valid in its encoding, from its beginning, with unchanged line ends.

    Raises:
        InvalidInput: a line is too long, or contains a NUL byte.
    """
    file.seek(encoding.mark)
    # The wrapper must not close the file when it is deleted.
    wrapper = io.TextIOWrapper(file, encoding.codec, "strict", newline="")
    number = 0
    try:
        while line := wrapper.readline(MAX_LINE_CHARS + 1):
            number += 1
            where = f"{name} line {number}"
            if len(line) > MAX_LINE_CHARS:
                limit = MAX_LINE_CHARS // 2**20
                raise whole_file(where, f"is longer than {limit} Mi characters; give large media as paths or URLs")
            if "\0" in line:
                raise whole_file(where, "holds a NUL byte: not a text file")
            if _DOS_END in line and not (line := _without_end(line)):
                continue
            yield number, line
    finally:
        if not file.closed:
            wrapper.detach()

"""JSONL: one job a line, as a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from producer.campaigns.reading.encodings import encoding_of
from producer.campaigns.reading.json_objects import parse_object
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.table import whole_file
from producer.campaigns.reading.text import lines
from producer.intake.intake import Row
from seedance.problems import InvalidInput


def read_jsonl(name: str, file: BinaryIO, options: ReadingOptions, notes: list[str]) -> Iterator[Row | InvalidInput]:
    """The rows of a file, in order; a line that cannot be read comes as its `InvalidInput`.

    Raises:
        InvalidInput: it is not text, or its encoding is not clear.
    """
    encoding = encoding_of(name, file, options.encoding)
    if not encoding.is_plain:
        notes.append(f"{name}: read as {encoding.name} text")
    for number, line in lines(name, file, encoding):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        try:
            yield Row(where, parse_object(line))
        except ValueError as exc:
            yield whole_file(where, str(exc))

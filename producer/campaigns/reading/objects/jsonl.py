"""Read JSONL: one job per line, as a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from producer.campaigns.reading.encodings.detection import encoding_of
from producer.campaigns.reading.json_objects import parse_object
from producer.campaigns.reading.objects.rows import object_row
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.text import lines
from producer.errors import BadRow
from producer.intake.intake import Row
from seedance.problems import InvalidInput, Problem


def read_jsonl(name: str, file: BinaryIO, options: ReadingOptions, report: Report) -> Iterator[Row | InvalidInput]:
    """The rows of a file, in order; a line that cannot be read is given as its `BadRow`.

    Raises:
        InvalidInput: it is not text, or its encoding is unclear.
    """
    encoding = encoding_of(name, file, options.encoding)
    report.encoding = encoding.name
    if not encoding.is_plain:
        report.notes.append(f"{name}: read as {encoding.name} text")
    for number, line in lines(name, file, encoding):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        try:
            given = parse_object(line)
        except ValueError as exc:
            yield BadRow([Problem("", str(exc))], where, number)
        else:
            yield object_row(where, number, given, options, report)

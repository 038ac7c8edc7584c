"""Read YAML: a list of jobs, or a list under `jobs:`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from producer.campaigns.reading.encodings.detection import encoding_of
from producer.campaigns.reading.objects.rows import object_row
from producer.campaigns.reading.objects.yaml_text import MAX_YAML_CHARS, parse_yaml_items
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.table import whole_file
from producer.campaigns.reading.text import lines
from producer.errors import BadRow
from producer.intake.intake import Row
from seedance.problems import InvalidInput, Problem, shorten

JOBS = "jobs"


def read_yaml(name: str, file: BinaryIO, options: ReadingOptions, report: Report) -> Iterator[Row | InvalidInput]:
    """The rows of a file, in order; an item that is no object is given as its `BadRow`.

    Raises:
        InvalidInput: it is not text or not YAML, or its encoding is unclear.
    """
    encoding = encoding_of(name, file, options.encoding)
    report.encoding = encoding.name
    if not encoding.is_plain:
        report.notes.append(f"{name}: read as {encoding.name} text")
    parts: list[str] = []
    size = 0
    for _, line in lines(name, file, encoding):
        size += len(line)
        if size > MAX_YAML_CHARS:
            raise whole_file(name, f"is longer than {MAX_YAML_CHARS // 2**20} Mi characters; use JSONL")
        parts.append(line)
    try:
        for number, item in parse_yaml_items("".join(parts), JOBS):
            where = f"{name} line {number}"
            if isinstance(item, dict):
                yield object_row(where, number, item, options, report)
            else:
                yield BadRow([Problem("", f"must have names and values, not {shorten(item)}")], where, number)
    except ValueError as exc:
        if isinstance(exc, InvalidInput):
            raise
        raise whole_file(name, str(exc)) from exc

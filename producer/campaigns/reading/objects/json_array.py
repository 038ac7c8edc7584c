"""Read JSON: an array of jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from producer.campaigns.reading.json_objects import parse_items
from producer.campaigns.reading.objects.rows import object_row
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.table import whole_file
from producer.errors import BadRow
from producer.intake.intake import Row
from seedance.problems import InvalidInput, Problem, shorten


def read_json_array(name: str, file: BinaryIO, options: ReadingOptions, report: Report) -> Iterator[Row | InvalidInput]:
    """The rows of an array, in order; an item that is no object is given as its `BadRow`.

    Raises:
        InvalidInput: it is not JSON in UTF-8, or not an array.
    """
    report.encoding = "utf-8"
    try:
        for number, item in enumerate(parse_items(file.read().decode("utf-8-sig")), 1):
            where = f"{name} item {number}"
            if isinstance(item, dict):
                yield object_row(where, number, item, options, report)
            else:
                yield BadRow([Problem("", f"must be a JSON object, not {shorten(item, 40)}")], where, number)
    except UnicodeDecodeError as exc:
        raise whole_file(name, f"is not UTF-8 text (byte {exc.start + 1})") from exc
    except ValueError as exc:
        if isinstance(exc, InvalidInput):
            raise
        raise whole_file(name, str(exc)) from exc

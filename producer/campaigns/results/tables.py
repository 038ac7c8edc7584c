"""The sheet as it came, with the results beside each row, as CSV or JSONL."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

import orjson

from producer.campaigns.reading.formulas import harmless
from producer.campaigns.reading.looks.formats import NumberFormat
from producer.campaigns.reading.looks.shown import is_number, shown_number
from producer.campaigns.results.columns import BESIDE, TIMES, Links, Words, name_of, utc, values_of
from producer.campaigns.results.results import Result, Results, named_cells
from storage.jobs.records import JobView

_JOB_FIELDS: Final = tuple(field.name for field in fields(JobView))
_FILE_FIELDS: Final = frozenset(
    ("object_key", "playable_key", "poster_key", "last_frame_key", "size_bytes", "sha256", "video_format", "deleted_at")
)


def as_csv(results: Results, words: Words, links: Links) -> Iterator[bytes]:
    """The rows as CSV that Excel opens: UTF-8 with a mark. A text that a spreadsheet would run as a formula gets an
    apostrophe before it."""
    yield "\ufeff".encode()
    headings = [*results.columns, *(name_of(column, words.language) for column in BESIDE)]
    yield _line([_harmless(heading) for heading in headings])
    for result in results:
        values = values_of(result, words, links)
        beside = [utc(values[name]) if name in TIMES else values[name] for name in BESIDE]
        yield _line([_harmless(cell) for cell in (*result.cells, *beside)])


def as_jsonl(results: Results, links: Links) -> Iterator[bytes]:
    """One object a row: the job's own fields, and `row`, `sheet`, `variant`, `key`, `columns` (all cells by name),
    `versions`, `review`, `decisions`, `video_url` and `poster_url`; `formats` by name, if numbers look otherwise in the
    sheet. While a new version is being made, the files are those of the earlier job `video_job_id`."""
    for result in results:
        line = _object(result, results.columns, links)
        if formats := _formats(result, results):
            # In ASCII: one ¥ in a file without other such characters would leave open which encoding it has.
            line["formats"] = orjson.Fragment(json.dumps(formats))
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE, default=str)


def _formats(result: Result, results: Results) -> dict[str, NumberFormat]:
    """The formats of the numbers for which the sheet shows another text, such as 15% for 0.15: without them, a template
    would make another prompt of the export than of the sheet."""
    codes = results.layout.formats(result.row.sheet, result.row.number) or ()
    return {
        name: code
        for name, cell, code in zip(results.columns, result.cells, codes, strict=False)
        if code is not None and is_number(cell) and shown_number(cell, code) is not None
    }


def _object(result: Result, columns: list[str], links: Links) -> dict[str, Any]:
    row, job = result.row, result.job
    review = {
        "state": row.review,
        "at": row.reviewed_at,
        "by": row.reviewed_by,
        "comment": row.review_comment,
    }
    return {name: getattr(job if name not in _FILE_FIELDS else result.shown, name) for name in _JOB_FIELDS} | {
        "state": row.state,
        "reason": row.reason,
        "row": row.number,
        "sheet": row.sheet,
        "variant": row.label,
        "key": row.key,
        "columns": named_cells(columns, result),
        "versions": row.versions,
        "review": review,
        "decisions": list(result.decisions),
        "video_job_id": result.shown.id if result.has_video else None,
        "video_url": links.video(result) if result.has_video else None,
        "poster_url": links.poster(result) if result.has_poster else None,
    }


def _harmless(cell: Any) -> str:
    """A cell as text that no spreadsheet runs."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if not isinstance(cell, str):
        return str(cell) if isinstance(cell, int | float) else orjson.dumps(cell).decode()
    return harmless(cell)


def _line(cells: list[str]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerow(cells)
    return out.getvalue().encode("utf-8", "replace")

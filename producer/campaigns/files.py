"""Read campaign files: objects in JSONL and YAML, and tables (one column per field) in text files and workbooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from producer.campaigns.keys import with_unique_keys
from producer.campaigns.reading.objects.exported import exported_table
from producer.campaigns.reading.objects.json_array import read_json_array
from producer.campaigns.reading.objects.jsonl import read_jsonl
from producer.campaigns.reading.options import NO_OPTIONS, ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.rows import job_rows
from producer.campaigns.reading.table import Table, whole_file
from producer.campaigns.reading.text_tables import open_text_table
from producer.campaigns.reading.workbooks import kind_of, open_workbook_table
from producer.intake.intake import Row
from seedance.problems import InvalidInput

MAX_ROWS = 100_000
_TEXTS: Final = ("csv", "tsv", "txt")
_WORKBOOKS: Final = ("xlsx", "xlsm", "xls", "ods")
_YAML: Final = ("yaml", "yml")
SUFFIXES: Final = tuple(f".{kind}" for kind in ("jsonl", *_TEXTS, *_WORKBOOKS, *_YAML))
"""The endings of campaign file names."""

RowOrProblem = Row | InvalidInput


class CampaignRows:
    """The rows of a campaign file, in order; a row that cannot be read is given as its `InvalidInput`.

    `report` says how the file was read; it is complete when all rows have been read.
    """

    def __init__(self, rows: Iterator[RowOrProblem], report: Report) -> None:
        self._rows = rows
        self.report = report

    @property
    def notes(self) -> list[str]:
        """What there is to say about how the file was read."""
        return self.report.notes

    def __iter__(self) -> Iterator[RowOrProblem]:
        return self._rows


def read_campaign(path: Path, options: ReadingOptions = NO_OPTIONS) -> CampaignRows:
    """The rows of a campaign file; iterate them once.

    Raises:
        InvalidInput: while iterating: the file as a whole cannot be used (missing, empty, of another kind, its encoding
            is unclear, …).
    """
    report = Report()
    return CampaignRows(_read_path(path, options, report), report)


def read_rows(name: str, file: BinaryIO, kind: str, options: ReadingOptions = NO_OPTIONS) -> CampaignRows:
    """The rows of an open file; iterate them once. `kind` is its ending without the dot; `name` is used in the names of
    rows ("jobs.jsonl line 3", "jobs.csv row 3").

    Raises:
        InvalidInput: while iterating: the file as a whole cannot be used.
    """
    report = Report()
    return CampaignRows(_read(name, file, kind, options, report), report)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A campaign file, open.

    Raises:
        InvalidInput: it cannot be read, or its name says that it is no campaign file.
    """
    if path.is_dir():
        raise whole_file(str(path), "is a directory; give a file")
    if path.suffix.lower() not in SUFFIXES:
        export = "; in Numbers, export it to Excel or CSV" if path.suffix.lower() == ".numbers" else ""
        raise whole_file(str(path), f"must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}{export}")
    try:
        if path.exists() and not path.is_file():
            raise whole_file(str(path), "is not a regular file")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise whole_file(str(path), "does not exist") from None
    except OSError as exc:
        raise whole_file(str(path), f"cannot be read: {exc.strerror or exc}") from exc


def _read_path(path: Path, options: ReadingOptions, report: Report) -> Iterator[RowOrProblem]:
    try:
        with opened(path) as file:
            yield from _read(path.name, file, path.suffix.lower().removeprefix("."), options, report)
    except InvalidInput as exc:
        raise InvalidInput(exc.problems, str(path)) if exc.where == path.name else exc from None


def _read(name: str, file: BinaryIO, kind: str, options: ReadingOptions, report: Report) -> Iterator[RowOrProblem]:
    rows = _counted(name, _rows(name, file, kind, options, report))
    if options.key is not None:
        rows = with_unique_keys(rows, options.key, options.filled)
    if options.template is not None:
        from producer.campaigns.templates.filling import filled  # Jinja2 takes as long as a hundred rows

        rows = _bounded(name, filled(rows, options.template))
    yield from rows


def _counted(name: str, rows: Iterator[RowOrProblem]) -> Iterator[RowOrProblem]:
    empty = True
    for count, row in enumerate(rows, 1):
        if count > MAX_ROWS:
            raise whole_file(name, f"has more than {MAX_ROWS:,} rows; split it")
        empty = False
        yield row
    if empty:
        raise whole_file(name, "holds no jobs")


def _bounded(name: str, jobs: Iterator[RowOrProblem]) -> Iterator[RowOrProblem]:
    for count, job in enumerate(jobs, 1):
        if count > MAX_ROWS:
            raise whole_file(name, f"makes more than {MAX_ROWS:,} jobs with this template; split it")
        yield job


def _rows(name: str, file: BinaryIO, kind: str, options: ReadingOptions, report: Report) -> Iterator[RowOrProblem]:
    if kind == "xls" and not kind_of(file):  # some programs save text as .xls, and browsers report CSV as Excel
        kind = "txt"
        report.notes.append(f"{name}: is text, not an Excel workbook")
    if kind not in _WORKBOOKS and (found := kind_of(file)):
        what = {"zip": "a ZIP archive or a workbook", "ole": "an Excel workbook", "pdf": "a PDF"}.get(found, "XML")
        raise whole_file(name, f"is {what}, not text; a workbook's name must end in .xlsx, .xls or .ods")
    if kind == "jsonl":
        exported = exported_table(name, file, options, report)
        if exported is not None:
            yield from job_rows(exported, options)
            return
        file.seek(0)
        yield from read_jsonl(name, file, options, report)
        return
    if kind == "json":
        yield from read_json_array(name, file, options, report)
        return
    if kind in _YAML:
        from producer.campaigns.reading.objects.yaml_file import read_yaml  # few files are YAML

        yield from read_yaml(name, file, options, report)
        return
    table = open_table(name, file, kind, options, report)
    if table is not None:
        yield from job_rows(table, options)


def open_table(name: str, file: BinaryIO, kind: str, options: ReadingOptions, report: Report) -> Table | None:
    """The table in an open sheet; None: it has no row.

    Raises:
        InvalidInput: it cannot be read as a table.
    """
    return (open_workbook_table if kind in _WORKBOOKS else open_text_table)(name, file, options, report)

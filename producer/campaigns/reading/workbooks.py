"""Read tables in workbooks: detect the format and choose the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, Protocol

from producer.campaigns.reading import ods, xlsx
from producer.campaigns.reading.archives import Archive
from producer.campaigns.reading.looks.formats import SheetFormats
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.table import Table, TableRow, table_of, whole_file
from seedance.problems import InvalidInput, Problem, shorten

MAX_FILE_BYTES: Final = 128 * 2**20
_ZIP, _OLE = b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")
_SHOWN = 10


class Workbook(Protocol):
    """The interface of every kind of workbook; `hidden_rows` and `formats` are known when all rows have been read."""

    hidden_rows: int
    formats: SheetFormats

    @property
    def sheets(self) -> Mapping[str, object]: ...

    @property
    def hidden(self) -> Mapping[str, object]: ...

    def rows(self, sheet: str) -> Iterator[TableRow]: ...


def kind_of(file: BinaryIO) -> str:
    """The kind of a file by its first bytes, not its name: `zip`, `ole` (Excel before 2007, encrypted workbooks),
    `pdf`, `markup`, or "" for everything else, which may be text."""
    file.seek(0)
    head = file.read(512)
    file.seek(0)
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_OLE):
        return "ole"
    if head.startswith(b"%PDF-"):
        return "pdf"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return "markup" if start.startswith((b"<html", b"<!doctype", b"<?xml", b"<table")) else ""


def open_workbook_table(name: str, file: BinaryIO, options: ReadingOptions, report: Report) -> Table | None:
    """Read the table in a workbook: in its only filled sheet, or the sheet that the options name; None: it has no row.

    Raises:
        InvalidInput: it is not a supported workbook, or it is unclear which sheet to read.
    """
    workbook = _opened(name, file)
    sheet = _sheet(name, workbook, options.sheet)
    if sheet is None:
        return None
    report.sheet = sheet
    if len(workbook.sheets) + len(workbook.hidden) > 1:
        report.notes.append(f"{name}: read the sheet {sheet}")
    table = table_of(name, workbook.rows(sheet), report)
    if table is not None:
        table.rows = _noting_the_end(table, table.rows, workbook)
    return table


def _noting_the_end(table: Table, rows: Iterator[TableRow], workbook: Workbook) -> Iterator[TableRow]:
    yield from rows
    table.formats = workbook.formats
    if workbook.hidden_rows:
        table.report.notes.append(f"{table.name}: hidden or filtered rows are also read: {workbook.hidden_rows}")


def _opened(name: str, file: BinaryIO) -> Workbook:
    file.seek(0, 2)
    if file.tell() > MAX_FILE_BYTES:
        raise whole_file(name, f"is larger than {MAX_FILE_BYTES // 2**20} MiB; split it, or save it as CSV")
    if file.tell() == 0:
        raise whole_file(name, "is empty")
    match kind_of(file):
        case "zip":
            return _opened_archive(Archive(name, file))
        case "ole":
            from producer.campaigns.reading.xls import Xls  # rarely used, and slow to import

            return Xls(name, file)
        case "pdf":
            raise whole_file(name, "is a PDF; save the spreadsheet as XLSX or CSV")
        case "markup":
            raise whole_file(
                name, "is a web page or XML, despite its name; open it in a spreadsheet and save it as XLSX"
            )
    raise whole_file(name, "is not a workbook, despite its name; if it is text, rename it to end in .csv")


def _opened_archive(archive: Archive) -> Workbook:
    names = archive.names()
    if xlsx.WORKBOOK in archive:
        return xlsx.Xlsx(archive)
    if "content.xml" in archive and "mimetype" in archive:
        kind = b"".join(archive.blocks("mimetype")).decode("ascii", "replace").strip()
        if kind.startswith(ods.MIMETYPE):
            return ods.Ods(archive)
    if "xl/workbook.bin" in archive:
        raise whole_file(archive.name, "is a binary workbook (XLSB); save it as XLSX")
    if any(member.endswith(".iwa") or member == "index.zip" for member in names):
        raise whole_file(archive.name, "is a Numbers document; export it as Excel or CSV")
    raise whole_file(archive.name, "is not an Excel or LibreOffice workbook, despite its name; save it as XLSX or CSV")


def _sheet(name: str, workbook: Workbook, wanted: str | None) -> str | None:
    """The sheet to read; None: all are empty."""
    if wanted is not None:
        for sheet in (*workbook.sheets, *workbook.hidden):
            if sheet.strip().casefold() == wanted.strip().casefold():
                return sheet
        listed = _listed([*workbook.sheets, *workbook.hidden])
        raise InvalidInput([Problem("sheet", f"there is no sheet {shorten(wanted)}; the sheets are {listed}")], name)
    filled = [sheet for sheet in workbook.sheets if next(iter(workbook.rows(sheet)), None) is not None]
    if len(filled) > 1:
        advice = f'choose one, as in --sheet "{filled[0]}"'
        raise whole_file(name, f"has several sheets with content: {_listed(filled)}; {advice}")
    if not filled and workbook.hidden:
        advice = f'to read one, name it, as in --sheet "{next(iter(workbook.hidden))}"'
        raise whole_file(name, f"has no visible sheet with content; hidden are {_listed([*workbook.hidden])}; {advice}")
    return filled[0] if filled else None


def _listed(sheets: list[str]) -> str:
    more = f" and {len(sheets) - _SHOWN} more" if len(sheets) > _SHOWN else ""
    return ", ".join(sheets[:_SHOWN]) + more

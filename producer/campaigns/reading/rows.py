"""From the rows of a table to jobs as they were written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import orjson

from producer.campaigns.reading.cells import OBJECTS, value_of
from producer.campaigns.reading.checks import unusable
from producer.campaigns.reading.columns import Columns, match_columns
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.table import (
    Broken,
    Cell,
    Table,
    TableRow,
    as_text,
    clean_name,
    is_empty,
    letter_of,
    named,
)
from producer.campaigns.reading.words import field_of
from producer.intake.intake import Row
from producer.intake.job_spec import MAX_METADATA_BYTES
from seedance.problems import InvalidInput, Problem, shorten

_SHOWN, _ROWS_BEFORE_HEADER = 12, 20


def job_rows(table: Table, options: ReadingOptions) -> Iterator[Row | InvalidInput]:
    """The rows of a table as jobs; one that cannot be read comes as its `InvalidInput`. What is kept and not used is
    said in the table's notes.

    Raises:
        InvalidInput: the columns cannot be matched to fields, none of them is the prompt, or a cell has no column.
    """
    columns = match_columns(table, options.mapping)
    header = [as_text(name) for name in table.columns]
    _require_prompt(table, columns)
    if columns.kept:
        names = list(columns.kept.values())
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        table.notes.append(f"{table.name}: not used, kept in metadata: {', '.join(names[:_SHOWN])}{more}")
    called = {field: table.columns[index] for index, field in columns.fields.items() if table.columns[index] != field}
    for row in table.rows:
        where = table.where(row.number)
        if [as_text(cell) for cell in row.cells[: len(header)]] == header:
            yield InvalidInput([Problem("", "repeats the header; remove the row")], where)
            continue
        try:
            yield Row(where, _fields(table, columns, row), called)
        except InvalidInput as exc:
            yield InvalidInput(exc.problems, where)


def _require_prompt(table: Table, columns: Columns) -> None:
    if "prompt" in columns.fields.values():
        return
    names = [name for name in table.columns if name]
    if (number := _later_header(table)) is not None:
        said = f"does not name the columns, row {number} does; remove the rows above row {number}"
        raise InvalidInput([Problem("", said)], table.where(table.header_number))
    there = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    said = f"names no column for the prompt; it has {there}"
    advice = 'The first row names the columns: rename one to prompt, or say --map "COLUMN=prompt"'
    raise InvalidInput([Problem("", f"{said}. {advice}")], table.where(table.header_number))


def _later_header(table: Table) -> int | None:
    """The number of a row below a title or a note that names the columns; None: there is none among the next rows."""
    for row in islice(table.rows, _ROWS_BEFORE_HEADER):
        if any(field_of(clean_name(as_text(cell))) == "prompt" for cell in row.cells):
            return row.number
    return None


def _fields(table: Table, columns: Columns, row: TableRow) -> dict[str, Any]:
    problems = list(_without_column(table, row))
    fields: dict[str, Any] = {}
    kept: dict[str, str] = {}
    for index, cell in enumerate(row.cells):
        if is_empty(cell):
            continue
        field = columns.fields.get(index)
        if field is None:
            if index in columns.kept and isinstance(cell, Broken):
                problems.append(Problem(columns.kept[index], cell.why))
            elif index in columns.kept:
                kept[columns.kept[index]] = as_text(cell)
            continue
        try:
            fields[field] = _value(field, cell, decimal_comma=table.decimal_comma)
        except ValueError as exc:
            problems.append(Problem(named(table.columns, index), str(exc)))
    if kept and not problems:
        problems += _add_kept(fields, kept)
    if problems:
        raise InvalidInput(problems)
    return fields


def _without_column(table: Table, row: TableRow) -> Iterator[Problem]:
    """Cells that stand beside the columns that have names."""
    for index, cell in enumerate(row.cells):
        if is_empty(cell) or (index < len(table.columns) and table.columns[index]):
            continue
        quoting = "; or a cell before it holds the delimiter: quote that cell" if table.delimited else ""
        said = f"holds {shorten(as_text(cell), 40)} and has no name; name it in row {table.header_number}{quoting}"
        yield Problem(f"column {letter_of(index)}", said)
        return


def _value(field: str, cell: Cell, *, decimal_comma: bool) -> Any:
    if field not in OBJECTS and (why := unusable(as_text(cell))) is not None:
        raise ValueError(why)
    if field == "prompt" and isinstance(cell, str):
        cell = cell.removeprefix("\ufeff")
    return value_of(field, cell, decimal_comma=decimal_comma)


def _add_kept(fields: dict[str, Any], kept: dict[str, str]) -> Sequence[Problem]:
    """Put the caller's own columns into the metadata, beside what its cell says itself."""
    fields["metadata"] = kept | fields.get("metadata", {})
    size = len(orjson.dumps(kept))
    if size <= MAX_METADATA_BYTES:
        return ()
    largest = max(kept, key=lambda name: len(kept[name]))
    said = f"at most {MAX_METADATA_BYTES // 1024} KiB of columns that are not used are kept, not {size / 1024:.0f}"
    return [Problem(largest, f"{said}; remove the column")]

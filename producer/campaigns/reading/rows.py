"""Turn the rows of a table into jobs as their author wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from producer.campaigns.reading.cells import value_of
from producer.campaigns.reading.checks import unusable
from producer.campaigns.reading.columns import Columns, match_columns
from producer.campaigns.reading.formulas import without_apostrophes
from producer.campaigns.reading.kinds import OBJECTS
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.own_cells import cells_of
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
from producer.campaigns.reading.words import OURS, field_of, folded
from producer.errors import BadRow, CellError
from producer.intake.intake import Row
from producer.intake.job_spec import MAX_METADATA_BYTES
from producer.wording import plural
from seedance.problems import InvalidInput, Problem, shorten

_SHOWN, _ROWS_BEFORE_HEADER = 12, 20


def job_rows(table: Table, options: ReadingOptions) -> Iterator[Row | InvalidInput]:
    """The rows of a table as jobs; a row that cannot be read is given as its `BadRow`. The table's report names
    the columns.

    Raises:
        InvalidInput: the columns cannot be matched to fields, or none of them is the prompt.
    """
    formatted, table = table, without_apostrophes(table)
    columns = match_columns(table, options)
    header = [as_text(name) for name in table.columns]
    if options.template is None or "prompt" not in options.template.fills:
        _require_prompt(table, columns)
    names_of = columns.names(table) if options.template is not None else {}
    if options.template is not None and (missing := options.template.columns - names_of.keys()):
        _refuse_missing(table, sorted(missing))
    _report(table, columns, options)
    own = [index for index, name in enumerate(table.columns) if folded(name) not in OURS]
    table.report.header = [table.columns[index] for index in own]
    called = {field: table.columns[index] for index, field in columns.fields.items() if table.columns[index] != field}
    wanted = options.template.columns if options.template is not None else ()
    for row in table.rows:
        where = table.where(row.number)
        key = _text_at(row, columns.key)
        if row.cells and as_text(row.cells[0]) == header[0] and _repeats(row, header):
            yield BadRow([Problem("", "repeats the header; remove the row")], where, row.number)
            continue
        entity = key if options.key is not None else None
        values = {name: _text_at(row, index) or "" for name, index in names_of.items()}
        shown = {name: row.shown[index] for name, index in names_of.items() if index in row.shown}
        table.report.empty.update(name for name in wanted if not values[name])
        read = _fields(table, columns, row)
        cells = cells_of(row.cells, own)
        made = Row(where, read.fields, called, row.number, key, entity, values, cells=cells, shown=shown)
        yield _bad(made, read, options) if read.problems else made
    if (source := formatted.formats) is not None:
        table.report.formats = source.of_columns(own)
    for name, count in table.report.empty.items():
        table.report.notes.append(f"{table.name}: {name} is empty in {plural(count, 'row')}, and the template uses it")


def _repeats(row: TableRow, header: Sequence[str]) -> bool:
    return [as_text(cell) for cell in row.cells[: len(header)]] == header


def _report(table: Table, columns: Columns, options: ReadingOptions) -> None:
    named = options.template.names if options.template is not None else frozenset()
    taken = {index for name, index in columns.names(table).items() if name in named}
    unused = []
    for index, name in enumerate(table.columns):
        if not name or (index not in columns.fields and index not in columns.kept):
            continue
        used = index in columns.fields or index in taken or (options.key is not None and index == columns.key)
        table.report.column(name, used=used)
        if not used:
            unused.append(columns.kept[index])
    table.report.not_used(table.name, unused)


def _text_at(row: TableRow, index: int | None) -> str | None:
    """A cell as text without outer spaces; None: it is empty."""
    if index is None or index >= len(row.cells) or is_empty(row.cells[index]):
        return None
    return as_text(row.cells[index]).strip() or None


def _require_prompt(table: Table, columns: Columns) -> None:
    if {"prompt", "draft_of"} & set(columns.fields.values()):  # a final has its draft's prompt
        return
    names = [name for name in table.columns if name]
    if (number := _later_header(table)) is not None:
        message = f"does not name the columns, row {number} does; remove the rows above row {number}"
        raise InvalidInput([Problem("", message)], table.where(table.header_number))
    listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    message = f"has no column for the prompt; its columns are {listed}"
    advice = (
        'The first row names the columns: rename one to prompt, use --map "COLUMN=prompt", or write the prompt of all '
        'rows of a campaign with --prompt "{{ COLUMN }} …"'
    )
    raise InvalidInput([Problem("", f"{message}. {advice}")], table.where(table.header_number))


def _refuse_missing(table: Table, missing: Sequence[str]) -> None:
    names = [name for name in table.columns if name]
    listed = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    wanted = " and ".join(repr(name) for name in missing[:_SHOWN])
    message = (
        f'has no column {wanted}, which the template uses; its columns are {listed}. Use --map "COLUMN={missing[0]}"'
    )
    raise InvalidInput([Problem("", message)], table.where(table.header_number))


def _later_header(table: Table) -> int | None:
    """The number of the row that names the columns, below a title or a note; None: none of the next rows does."""
    for row in islice(table.rows, _ROWS_BEFORE_HEADER):
        if any(field_of(clean_name(as_text(cell))) == "prompt" for cell in row.cells):
            return row.number
    return None


@dataclass(frozen=True, slots=True)
class _Read:
    """What the cells of a row say. `unread`: the fields whose cells cannot be read, which `problems` says."""

    fields: dict[str, Any]
    problems: list[Problem]
    unread: set[str]


def _bad(row: Row, read: _Read, options: ReadingOptions) -> BadRow:
    """A row with cells that cannot be read, with what is wrong with its other cells too: all is corrected at once."""
    others = row.bad(row.faults(without=read.unread | options.filled))
    cells = [*(CellError(item.field, item.message) for item in read.problems), *others.cells]
    return BadRow([*read.problems, *others.problems], row.where, row.number, row.key, cells)


def _fields(table: Table, columns: Columns, row: TableRow) -> _Read:
    problems = list(_without_column(table, row))
    fields: dict[str, Any] = {}
    kept: dict[str, str] = {}
    unread = set()
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
        if field == "prompt":
            cell = row.shown.get(index, cell)
        try:
            fields[field] = _value(field, cell, decimal_comma=table.decimal_comma)
        except ValueError as exc:
            problems.append(Problem(named(table.columns, index), str(exc)))
            unread.add(field)
    if kept and not problems:
        problems += _add_kept(fields, kept)
    return _Read(fields, problems, unread)


def _without_column(table: Table, row: TableRow) -> Iterator[Problem]:
    """The first filled cell in a column without a name."""
    for index, cell in enumerate(row.cells):
        if is_empty(cell) or (index < len(table.columns) and table.columns[index]):
            continue
        quoting = "; or a cell before it contains the delimiter: quote that cell" if table.delimited else ""
        message = f"has {shorten(as_text(cell), 40)} but no name; name it in row {table.header_number}{quoting}"
        yield Problem(f"column {letter_of(index)}", message)
        return


def _value(field: str, cell: Cell, *, decimal_comma: bool) -> Any:
    if field not in OBJECTS and (why := unusable(as_text(cell))) is not None:
        raise ValueError(why)
    if field == "prompt" and isinstance(cell, str):
        cell = cell.removeprefix("\ufeff")
    return value_of(field, cell, decimal_comma=decimal_comma)


def _add_kept(fields: dict[str, Any], kept: dict[str, str]) -> Sequence[Problem]:
    """Add the caller's own columns to the metadata; values of the metadata cell win."""
    fields["metadata"] = kept | fields.get("metadata", {})
    size = len(orjson.dumps(kept))
    if size <= MAX_METADATA_BYTES:
        return ()
    largest = max(kept, key=lambda name: len(kept[name]))
    message = f"the unused columns of a row may have at most {MAX_METADATA_BYTES // 1024} KiB, not {size / 1024:.0f}"
    return [Problem(largest, f"{message}; remove the column")]

"""Texts that a spreadsheet would run as a formula: harmless in an export, and read back as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from producer.campaigns.reading.table import Cell, Table, TableRow
from producer.campaigns.reading.words import OF_RESULTS, folded

_SIGNS: Final = r"[=+\-@\t\r\n＝＋－＠]"
"""The full-width ones too: in Chinese and Japanese, spreadsheets read them as the others."""
_FORMULA: Final = re.compile(rf"'*{_SIGNS}")
_MADE_HARMLESS: Final = re.compile(rf"'+{_SIGNS}")
_NUMBER: Final = re.compile(r"[+-]?[\d.,' \u00a0\u202f]*\d%?")


def harmless(text: str) -> str:
    """The text with an apostrophe before it if a spreadsheet would run it, or if it seems to have got one already, so
    that `as_it_was` gives every text back."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def as_it_was(text: str) -> str:
    """The text that `harmless` was given."""
    return text[1:] if _MADE_HARMLESS.match(text) else text


def without_apostrophes(table: Table) -> Table:
    """An export of a campaign as its sheet was, so that its rows are the same rows; any other table unchanged."""
    if OF_RESULTS.isdisjoint(folded(name) for name in table.columns):
        return table
    return replace(table, columns=[as_it_was(name) for name in table.columns], rows=_rows(table.rows))


def _rows(rows: Iterator[TableRow]) -> Iterator[TableRow]:
    return (replace(row, cells=[_cell(cell) for cell in row.cells]) for row in rows)


def _cell(cell: Cell) -> Cell:
    return as_it_was(cell) if isinstance(cell, str) else cell

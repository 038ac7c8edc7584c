"""What a caller says about a file of rows, beyond the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from seedance.problems import InvalidInput, Problem, shorten

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """None, and what is not mapped: found out from the file."""

    encoding: str | None = None
    """Of a text file, by any name that Python knows."""
    delimiter: str | None = None
    """The character between the cells of a text file."""
    sheet: str | None = None
    """Of a workbook."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """From names of columns to the names to use instead: a field, or what to call the column; "": not used."""


NO_OPTIONS = ReadingOptions()


def read_options(
    encoding: str | None = None, delimiter: str | None = None, sheet: str | None = None, mapped: Iterable[str] = ()
) -> ReadingOptions:
    """Options as people write them: `mapped` has texts such as "产品名=prompt".

    Raises:
        InvalidInput: one of them cannot be understood.
    """
    mapping: dict[str, str] = {}
    for text in mapped:
        column, sign, name = text.rpartition("=")
        if not sign or not column.strip():
            raise InvalidInput([Problem("map", f'must be "COLUMN=NAME", not {shorten(text)}')])
        if column.strip() in mapping:
            raise InvalidInput([Problem("map", f"maps {shorten(column.strip())} twice")])
        mapping[column.strip()] = name.strip()
    if delimiter is not None:
        delimiter = _DELIMITERS.get(delimiter.lower(), delimiter)
        if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
            raise InvalidInput([Problem("delimiter", f"must be one character, or tab, not {shorten(delimiter)}")])
    return ReadingOptions(encoding, delimiter, sheet, mapping)

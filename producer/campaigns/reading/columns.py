"""Match columns to the fields of a job; other columns are the caller's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.table import Table, letter_of, named
from producer.campaigns.reading.words import KEY_WORDS, OURS, field_of, folded, near_miss
from seedance.problems import InvalidInput, Problem, shorten

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Columns:
    """By position in the row: `fields` of the job, and the names of the columns that are `kept` unchanged."""

    fields: Mapping[int, str]
    kept: Mapping[int, str]
    key: int | None = None
    """The column that names rows for people; with the caller's `key`, it also makes them the same ones."""

    def names(self, table: Table) -> dict[str, int]:
        """The position of every column by each name that a template may use for it: as it stands in the sheet, mapped,
        that of its field, and in lower case with underscores. A name that two columns would have is the first one's."""
        known = {name: index for index, name in enumerate(table.columns) if name}
        for columns in (self.kept, self.fields):
            for index, name in columns.items():
                known.setdefault(name, index)
        for name, index in list(known.items()):
            known.setdefault("_".join(name.lower().replace("-", " ").split()), index)
        return known


def match_columns(table: Table, options: ReadingOptions) -> Columns:
    """Match the columns of a table to fields: by the caller's mapping, else by name.

    Raises:
        InvalidInput: lists every column that is nearly a field, occurs twice, or is mapped or the key but missing.
    """
    given = {folded(column): (column, name) for column, name in options.names.items()}
    fields: dict[int, str] = {}
    kept: dict[int, str] = {}
    problems: list[Problem] = []
    for index, column in enumerate(table.columns):
        if not column or folded(column) in OURS:
            given.pop(folded(column), None)
            continue
        mapped = given.pop(folded(column), None)
        name = column if mapped is None else mapped[1] or column
        field = None if mapped is not None and not mapped[1] else field_of(name)
        if field is not None:
            fields[index] = field
        elif (mapped is None or mapped[1]) and (meant := near_miss(name)) is not None:
            problems.append(Problem(name, _nearly(column, meant)))
        else:
            kept[index] = name
    asked = {folded(column) for column in options.mapping}
    problems += _missing(table, {key: item for key, item in given.items() if key in asked})
    problems += _twice(table, fields, kept)
    key = _key_column(table, fields, kept, options.key)
    if key is None and options.key is not None:
        problems.append(Problem(f'key "{options.key}"', _no_column(table, options.key)))
    if problems:
        raise InvalidInput(problems, table.where(table.header_number))
    return Columns(fields, kept, key)


def _key_column(table: Table, fields: Mapping[int, str], kept: Mapping[int, str], wanted: str | None) -> int | None:
    """The column of the caller's key; without one, a column whose name says that it is one; None: there is none."""
    names = [(folded(name), index) for index, name in enumerate(table.columns)]
    names += [(folded(name), index) for index, name in (*kept.items(), *fields.items())]
    known = KEY_WORDS if wanted is None else (folded(wanted),)
    return next((index for word in known for name, index in names if name == word), None)


def _nearly(column: str, meant: str) -> str:
    own = f'--map "{column}="'
    return f'is not a field; if {meant} is meant, rename the column or use --map "{column}={meant}" ({own}: not used)'


def _missing(table: Table, given: Mapping[str, tuple[str, str]]) -> Iterator[Problem]:
    for column, name in given.values():
        yield Problem(f'map "{column}={name}"', _no_column(table, column))


def _no_column(table: Table, column: str) -> str:
    listed = ", ".join([name for name in table.columns if name][:_SHOWN]) or "none"
    return f"there is no column {shorten(column)}; the columns are {listed}"


def _twice(table: Table, fields: Mapping[int, str], kept: Mapping[int, str]) -> Iterator[Problem]:
    for names in (fields, kept):
        places: dict[str, list[int]] = {}
        for index, name in names.items():
            places.setdefault(name, []).append(index)
        for name, found in places.items():
            if len(found) > 1:
                yield _both(name, table.columns, found)


def _both(name: str, columns: Sequence[str], found: Sequence[int]) -> Problem:
    letters = " and ".join(letter_of(index) for index in found)
    names = list(dict.fromkeys(named(columns, index) for index in found))
    if len(names) == 1:
        return Problem(names[0], f"is the name of two columns ({letters}); rename or remove one")
    way_out = f'remove one, or use --map "{names[-1]}="'
    return Problem(name, f"is the field of two columns ({letters}: {', '.join(names)}); {way_out}")

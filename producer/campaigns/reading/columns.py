"""Which column is which field of a job, and which columns are the caller's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from producer.campaigns.reading.table import Table, letter_of, named
from producer.campaigns.reading.words import field_of, folded, near_miss
from seedance.problems import InvalidInput, Problem, shorten

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Columns:
    """By place in the row: `fields` of the job, and the names of those that are `kept` as they came."""

    fields: Mapping[int, str]
    kept: Mapping[int, str]


def match_columns(table: Table, mapping: Mapping[str, str]) -> Columns:
    """Match the columns of a table to fields: by what the caller says, else by name.

    Raises:
        InvalidInput: with every column that is nearly a field, is there twice, or is mapped and not there.
    """
    given = {folded(column): (column, name) for column, name in mapping.items()}
    fields: dict[int, str] = {}
    kept: dict[int, str] = {}
    problems: list[Problem] = []
    for index, column in enumerate(table.columns):
        if not column:
            continue
        said = given.pop(folded(column), None)
        name = column if said is None else said[1] or column
        field = None if said is not None and not said[1] else field_of(name)
        if field is not None:
            fields[index] = field
        elif (said is None or said[1]) and (meant := near_miss(name)) is not None:
            problems.append(Problem(name, _nearly(column, meant)))
        else:
            kept[index] = name
    problems += _not_there(table, given)
    problems += _twice(table, fields, kept)
    if problems:
        raise InvalidInput(problems, table.where(table.header_number))
    return Columns(fields, kept)


def _nearly(column: str, meant: str) -> str:
    own = f'--map "{column}="'
    return f'is not a field; if {meant} is meant, rename the column, or say --map "{column}={meant}" ({own}: not used)'


def _not_there(table: Table, given: Mapping[str, tuple[str, str]]) -> Iterator[Problem]:
    for column, name in given.values():
        there = ", ".join([name for name in table.columns if name][:_SHOWN]) or "none"
        yield Problem(f'map "{column}={name}"', f"there is no column {shorten(column)}; there is {there}")


def _twice(table: Table, fields: Mapping[int, str], kept: Mapping[int, str]) -> Iterator[Problem]:
    for names in (fields, kept):
        places: dict[str, list[int]] = {}
        for index, name in names.items():
            places.setdefault(name, []).append(index)
        for name, found in places.items():
            if len(found) > 1:
                yield Problem(name, _both(table.columns, found))


def _both(columns: Sequence[str], found: Sequence[int]) -> str:
    letters = " and ".join(letter_of(index) for index in found)
    names = list(dict.fromkeys(named(columns, index) for index in found))
    if len(names) == 1:
        return f"is the name of two columns ({letters}); rename or remove one"
    return f'is what two columns are ({letters}: {", ".join(names)}); remove one, or say --map "{names[-1]}="'

"""Campaign files: JSONL (one object a line) and CSV (a column per field), read line by line with bounds."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from producer.intake.intake import Row
from producer.intake.job_spec import JOB_FIELDS
from seedance.problems import InvalidInput, Problem, shorten

MAX_LINE_BYTES = 8 * 2**20
MAX_ROWS = 100_000
MAX_NAME_CHARS = 100
_BOM = b"\xef\xbb\xbf"

LISTS = frozenset({"reference_images", "reference_videos", "reference_audios", "tags"})
_BOOLEANS = frozenset({"audio", "web_search", "watermark", "camera_fixed", "return_last_frame"})
OBJECTS = frozenset({"metadata", "gateway_options"})
_NUMBERS = frozenset({"duration", "seed", "priority"})
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

RowOrProblem = Row | InvalidInput


def check_name(name: str) -> str:
    """A campaign's name as given, if it can be one.

    Raises:
        InvalidInput: it is blank, too long or holds control characters.
    """
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME_CHARS:
        message = f"must be 1 to {MAX_NAME_CHARS} printable characters, not {shorten(name)}"
        raise InvalidInput([Problem("name", message)])
    return name


def read_campaign(path: Path) -> Iterator[RowOrProblem]:
    """The rows of a campaign file, in order; a row that cannot be read comes as its `InvalidInput`.

    Raises:
        InvalidInput: the file as a whole is of no use (missing, empty, not text, of another kind). What is found while
            reading is raised while iterating.
    """
    kind = path.suffix.lower().removeprefix(".")
    if path.is_dir():
        raise _file_problem(path, "is a directory; give a .jsonl or .csv file")
    if kind not in _READERS:
        raise _file_problem(path, "must end in .jsonl (one JSON object a line) or .csv")
    try:
        if path.exists() and not path.is_file():
            raise _file_problem(path, "is not a regular file")
        with path.open("rb") as file:
            yield from read_rows(path.name, file, kind, whole=str(path))
    except FileNotFoundError:
        raise _file_problem(path, "does not exist") from None
    except OSError as exc:
        raise _file_problem(path, f"cannot be read: {exc.strerror or exc}") from exc


def read_rows(name: str, file: BinaryIO, kind: str, whole: str | None = None) -> Iterator[RowOrProblem]:
    """The rows of an open `jsonl` or `csv` file, in order; a row that cannot be read comes as its `InvalidInput`.

    `name` is how rows are named ("jobs.jsonl line 3"), `whole` how the file is (None: the same).

    Raises:
        InvalidInput: while iterating: it is empty, not text, or has too many rows.
    """
    place = name if whole is None else whole
    empty = True
    for count, row in enumerate(_READERS[kind](name, file), 1):
        if count > MAX_ROWS:
            raise _bad(place, f"has more than {MAX_ROWS:,} rows; split it")
        empty = False
        yield row
    if empty:
        raise _bad(place, "holds no jobs")


def _file_problem(path: Path, message: str) -> InvalidInput:
    return InvalidInput([Problem("", message)], str(path))


def _bad(where: str, message: str, field: str = "") -> InvalidInput:
    return InvalidInput([Problem(field, message)], where)


def _lines(name: str, file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Numbered lines of text, with bounded memory.

    Raises:
        InvalidInput: a line is too long, or the file is not UTF-8 text.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        where = f"{name} line {number}"
        if number == 1:
            line = line.removeprefix(_BOM)
        if b"\0" in line:
            raise _bad(where, "holds a NUL byte: not a text file")
        if len(line) > MAX_LINE_BYTES:
            raise _bad(where, f"is longer than {MAX_LINE_BYTES // 2**20} MiB; give large media as paths or URLs")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise _bad(where, f"is not UTF-8 text (byte {exc.start + 1})") from exc
        yield number, text


# --- JSONL -----------------------------------------------------------------------------------------------------------


def _read_jsonl(name: str, file: BinaryIO) -> Iterator[RowOrProblem]:
    for number, line in _lines(name, file):
        if not line.strip():
            continue
        where = f"{name} line {number}"
        try:
            yield Row(where, parse_object(line))
        except ValueError as exc:
            yield _bad(where, str(exc))


def parse_object(text: str) -> dict[str, Any]:
    """Read one JSON object strictly: no key twice, no NaN or Infinity.

    Raises:
        ValueError: it is not one; the text says why.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as exc:
        raise ValueError(f"is not JSON: {exc.msg} at column {exc.colno}") from exc
    except RecursionError as exc:
        raise ValueError("is not JSON we take: nested too deep") from exc
    except ValueError as exc:
        if str(exc).startswith("Exceeds the limit"):  # of Python, for the digits of a number
            raise ValueError("is not JSON we take: a number has thousands of digits") from exc
        raise
    if not isinstance(value, dict):
        raise ValueError(f"must be a JSON object, not {shorten(value, 40)}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shorten(key)} stands twice in one object")
        found[key] = value
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


# --- CSV -------------------------------------------------------------------------------------------------------------


def _read_csv(name: str, file: BinaryIO) -> Iterator[RowOrProblem]:
    numbered = _lines(name, file)
    reader = csv.reader((line for _, line in numbered), strict=True)
    columns: list[str] | None = None
    while True:
        where = f"{name} line {reader.line_num + 1}"
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            raise _bad(where, f"is not CSV: {exc}") from exc
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = _columns(where, cells)
            continue
        try:
            yield Row(where, _fields(columns, cells))
        except InvalidInput as exc:
            yield InvalidInput(exc.problems, where)


def _columns(where: str, cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    problems = [
        Problem(column or f"column {number}", "is not a field we know" if column else "has no name")
        for number, column in enumerate(columns, 1)
        if column not in JOB_FIELDS
    ]
    problems += [
        Problem(column, "is the name of two columns") for column in sorted({c for c in columns if columns.count(c) > 1})
    ]
    if problems:
        raise InvalidInput(problems, where)
    return columns


def _fields(columns: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) > len(columns):
        message = f"has {len(cells)} cells, the header {len(columns)}; quote a cell that holds a comma"
        raise InvalidInput([Problem("", message)])
    fields: dict[str, Any] = {}
    problems = []
    for column, cell in zip(columns, cells, strict=False):
        if not cell.strip():
            continue
        try:
            fields[column] = value_of(column, cell)
        except ValueError as exc:
            problems.append(Problem(column, str(exc)))
    if problems:
        raise InvalidInput(problems)
    return fields


def value_of(column: str, cell: str) -> Any:
    """What a text means in a field of that name: prompts, and what cannot be understood, stay as they are written.

    Raises:
        ValueError: it is no boolean, JSON object or JSON list, where one is wanted.
    """
    text = cell.strip()
    if column == "prompt":
        return cell
    if column in _BOOLEANS:
        if text.lower() not in _WORDS:
            raise ValueError(f"must be true or false (yes or no, 1 or 0), not {shorten(text)}")
        return _WORDS[text.lower()]
    if column in OBJECTS:
        return parse_object(text)
    if column in LISTS:
        return _list(text)
    if column == "deadline" and text.replace(".", "", 1).isdecimal():
        return float(text)
    if column in _NUMBERS and text.lstrip("-").isdecimal() and len(text) < 16:
        return int(text)
    return text


def _list(text: str) -> list[Any]:
    if not text.startswith("["):
        return [item.strip() for item in text.split("|")]
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as exc:
        raise ValueError(f"is not a JSON list: {exc.msg} at column {exc.colno}") from exc
    return list(value)


_READERS: Mapping[str, Callable[[str, BinaryIO], Iterator[RowOrProblem]]] = {"jsonl": _read_jsonl, "csv": _read_csv}

"""Names of files for videos, from a pattern such as `{sku}_{ratio}.mp4`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from producer.campaigns.reading.words import field_of, folded
from producer.campaigns.results.results import Result
from seedance.problems import InvalidInput, Problem

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_FORBIDDEN: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SUFFIXES: Final = (".mp4", ".mov")
MAX_BYTES: Final = 200
"""With what makes a name distinct. File systems take 255, and an unfinished download adds some."""
OWN: Final = ("row", "key", "variant", "version", "state", "review", "job", "campaign")
"""Placeholders beside the sheet's columns and the fields of a job."""


class NamePattern:
    """A pattern for the columns of one campaign."""

    def __init__(
        self, pattern: str | None, columns: Sequence[str], campaign: str, results: Iterable[Result] = ()
    ) -> None:
        """`pattern`: None: the key of the row, else its number, and its variant. `results`: all rows. The
        names of a matrix are in their metadata; they are read only for a placeholder that is nothing else.

        Raises:
            InvalidInput: a placeholder is no column, field or other known name; or the pattern leads out of the folder.
        """
        self._pattern, self._campaign = pattern, campaign
        self._columns = {folded(column): place for place, column in reversed(list(enumerate(columns))) if column}
        parts = PurePosixPath(pattern).parts if pattern is not None else ("x",)
        if not parts or pattern == "" or ".." in parts or parts[0] == "/" or (pattern or "").endswith("/"):
            raise _refused(f"must be a name of files below the folder, such as {{key}}.mp4, not {pattern!r}")
        for place in _PLACE.findall(pattern or ""):
            if not self._is_known(place) and not _is_in_metadata(place, results):
                known = ", ".join(dict.fromkeys([*(column for column in columns if column), *OWN, "ratio", "duration"]))
                raise _refused(f"{{{place}}} is no column of the sheet and no field; there are {known}, …")
        if "{" in _PLACE.sub("", pattern or "") or "}" in _PLACE.sub("", pattern or ""):
            raise _refused(f"has a brace without its partner: {pattern!r}")

    def _is_known(self, place: str) -> bool:
        key = folded(place)
        return bool(key) and (key in self._columns or key in OWN or field_of(place) is not None)

    def name(self, result: Result) -> str:
        """The name of a row's video, with folders separated by `/`, and the suffix of the video itself."""
        suffix = PurePosixPath(result.shown.object_key or "").suffix or ".mp4"
        if self._pattern is None:
            base = "_".join(part for part in (result.row.key or f"row-{result.row.number}", result.row.label) if part)
            return _clean(base) + suffix
        filled = [_clean(_PLACE.sub(lambda at: self._value(at[1], result), part)) for part in self._pattern.split("/")]
        *folders, last = filled
        if last.lower().endswith(_SUFFIXES):
            last = last[: last.rindex(".")]
        return "/".join([*(part for part in folders if part), f"{last or result.shown.id}{suffix}"])

    def _value(self, place: str, result: Result) -> str:
        key = folded(place)
        if key in self._columns and (cell := result.cells[self._columns[key]]) is not None:
            return _text(cell)
        if key in OWN:
            return _text(_own(result, self._campaign)[key])
        field = field_of(place)
        return _text(_in_metadata(place, result) if field is None else result.shown.request.get(field))


def _is_in_metadata(place: str, results: Iterable[Result]) -> bool:
    return bool(folded(place)) and any(_in_metadata(place, result) is not None for result in results)


def _in_metadata(place: str, result: Result) -> Any:
    """The value of a matrix, or of a column kept in the metadata, for this row; None: nothing for a name."""
    key = folded(place)
    found = next((value for name, value in result.shown.metadata.items() if folded(name) == key), None)
    return found if isinstance(found, str | int | float) else None


def _own(result: Result, campaign: str) -> Mapping[str, Any]:
    row = result.row
    return {
        "row": row.number,
        "key": row.key or f"row-{row.number}",
        "variant": row.label,
        "version": row.versions,
        "state": row.state,
        "review": row.review,
        "job": result.shown.id,
        "campaign": campaign,
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _FORBIDDEN.sub("-", str(value))


def _clean(name: str) -> str:
    """A part of a path that every file system takes."""
    text = _cut(unicodedata.normalize("NFC", _FORBIDDEN.sub("-", name)).strip(" ."), MAX_BYTES)
    return f"_{text}" if _RESERVED.fullmatch(text) else text


def _cut(text: str, most: int) -> str:
    """The beginning of a text, cut to a number of bytes of UTF-8."""
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore").rstrip(" .")


def _longer(name: str, ending: str) -> str:
    """A name with an ending before its suffix, still one that every file system takes."""
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.rpartition(".")
    return f"{folder}{slash}{_cut(stem, MAX_BYTES - len(ending.encode()))}{ending}{dot}{suffix}"


def distinct(names: Sequence[tuple[str, Result]]) -> list[tuple[str, Result]]:
    """The names, each once on any file system: videos that share one get the number of their row, and their variant."""
    counts: dict[str, int] = {}
    for name, _ in names:
        counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
    used = {plain for plain, count in counts.items() if count == 1}
    found = []
    for name, result in names:
        if counts[name.casefold()] > 1:
            label = _cut(_clean(result.row.label), MAX_BYTES // 2)
            shared, name = name, _longer(name, f"_row-{result.row.number}{f'_{label}' if label else ''}")
            if name.casefold() in used:
                name = _longer(shared, f"_{result.shown.id}")
            used.add(name.casefold())
        found.append((name, result))
    return found


def _refused(message: str) -> InvalidInput:
    return InvalidInput([Problem("--name", message)])

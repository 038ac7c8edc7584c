"""Reading a file in tests: its rows, its notes, or the one error that it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from producer.campaigns.files import read_campaign
from producer.campaigns.reading.options import read_options
from producer.intake.intake import Row
from seedance.problems import InvalidInput


def rows_of(path: Path, **options: Any) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
    """The fields of each row with its number, and the notes without the file's name."""
    found = read_campaign(path, read_options(**options))
    rows = []
    for row in found:
        assert isinstance(row, Row), row
        rows.append((int(row.where.rpartition(" ")[2]), dict(row.fields)))
    return rows, [note.removeprefix(f"{path.name}: ") for note in found.notes]


def error_of(path: Path, **options: Any) -> str:
    """The first error of a file, the path without its directory."""
    with pytest.raises(InvalidInput) as caught:
        _raise_first_error(path, options)
    return str(caught.value).replace(f"{path.parent}/", "")


def _raise_first_error(path: Path, options: dict[str, Any]) -> None:
    for row in read_campaign(path, read_options(**options)):
        if isinstance(row, InvalidInput):
            raise row

"""Files that cannot be run: each is one clear message, whatever program wrote it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from producer.campaigns.files import read_campaign
from producer.campaigns.planning.checking import check_campaign
from producer.campaigns.reading.options import read_options
from seedance.problems import InvalidInput
from storage.settings import Settings

SETTINGS = Settings.model_validate({"accounts": [{"name": "main", "gateway": "anyfast", "api_key": "k"}]})


def only_hidden() -> bytes:
    made, out = openpyxl.Workbook(), io.BytesIO()
    hidden = made.create_sheet("Plan")
    hidden.append(["prompt"])
    hidden.append(["a cat"])
    hidden.sheet_state = "hidden"
    made.save(out)
    return out.getvalue()


def with_a_long_cell(characters: int) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as made:
        made.add_worksheet().write_column(0, 0, ["prompt", "@@@"])
    grown = io.BytesIO()
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(grown, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            new.writestr(item.filename, old.read(item).replace(b"@@@", b"x" * characters))
    return grown.getvalue()


WIDE = b"prompt," + b",".join(b"c%d" % number for number in range(65_535)) + b"\na\n"
BAD: list[tuple[str, bytes, str]] = [
    ("a.xlsx", b"", "is empty"),
    ("a.xlsx", only_hidden(), "has no visible sheet with content; hidden are Plan; to read one, name it"),
    ("a.csv", WIDE, "has 65,536 columns; at most 1,000"),
    ("a.csv", b"prompt\n" + b"x" * 9_000_000 + b"\n", "line 2: is longer than 8 Mi characters"),
    ("a.xlsx", with_a_long_cell(9_000_000), "at most 20000 characters"),
    ("a.csv", b"prompt,sku\na,1\nb,1\n", "'1' is also the key of row 2"),
]
"""Beside those in tests/unit/producer/reading."""


@pytest.mark.parametrize(("name", "content", "said"), BAD, ids=[said[:40] for _, _, said in BAD])
def test_a_bad_file_gives_one_clear_message(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    read = read_campaign(path, read_options(key="sku" if b"sku" in content[:20] else None))
    try:
        checked = check_campaign(read, SETTINGS, tmp_path)
    except InvalidInput as exc:
        found = str(exc)
    else:
        [bad] = checked.bad
        found = str(bad)
    assert said in found
    assert len(found.splitlines()) == 1
    assert len(found) < 500

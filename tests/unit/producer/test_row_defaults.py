"""What rows of a sheet get where they say nothing themselves, and the clock of their deadlines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from producer.campaigns.files import read_campaign
from producer.intake.intake import Row
from producer.intake.row_defaults import read_defaults


def rows_of(path: Path, deadline: object, row_zone: str | None) -> list[object]:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["提示词", "截止时间"])
    sheet.append(["a cup", deadline])
    book.save(path)
    found = []
    for row in read_defaults(row_zone=row_zone).fill(read_campaign(path)):
        assert isinstance(row, Row), row
        found.append(row.fields["deadline"])
    return found


@pytest.mark.parametrize(
    ("cell", "deadline"),
    [
        (datetime(2100, 12, 4, 18), datetime(2100, 12, 4, 10, tzinfo=UTC)),  # noqa: DTZ001 - cells have no offset
        ("2100-12-04 18:00", datetime(2100, 12, 4, 10, tzinfo=UTC)),
        ("2100-12-04T18:00Z", datetime(2100, 12, 4, 18, tzinfo=UTC)),
        ("3600", 3600.0),
        ("soon", "soon"),
    ],
)
def test_a_deadline_in_a_cell_is_read_by_the_clock_of_the_campaign(
    tmp_path: Path, cell: object, deadline: object
) -> None:
    assert rows_of(tmp_path / "a.xlsx", cell, "Asia/Shanghai") == [deadline]


def test_without_a_clock_a_deadline_keeps_no_offset(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "a.xlsx", "2100-12-04 18:00", None) == ["2100-12-04T18:00"]

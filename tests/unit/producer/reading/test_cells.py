"""Values of cells, as people write them and as spreadsheets change them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from producer.campaigns.reading import kinds
from producer.campaigns.reading.cells import value_of
from producer.campaigns.reading.table import Broken, Cell

MEANT: list[tuple[str, Cell, Any]] = [
    ("ratio", "9：16", "9:16"), ("ratio", " 16 : 9 ", "16:9"), ("ratio", "9x16", "9:16"), ("ratio", "09:16:00", "9:16"),
    ("ratio", time(16, 9), "16:9"), ("ratio", time(1, 1), "1:1"), ("ratio", "自适应", "adaptive"),
    ("ratio", "2:1", "2:1"),
    ("resolution", "720P", "720p"), ("resolution", 720, "720p"), ("resolution", "1080 p", "1080p"),
    ("resolution", "４Ｋ", "4k"), ("duration", "5s", 5), ("duration", "5 秒", 5), ("duration", "5.0", 5),
    ("duration", 5.0, 5), ("duration", "５", 5), ("duration", "自动", -1), ("duration", "long", "long"),
    ("duration", 5.5, 5.5), ("audio", "是", True), ("audio", "否", False), ("audio", "Yes", True), ("audio", 0, False),
    ("audio", "无声", False), ("audio", True, True), ("watermark", "√", True), ("tier", "快速", "fast"),
    ("audio", "WAHR", True), ("audio", "FAUX", False), ("audio", "Sí", True), ("audio", "нет", False),
    ("tags", "春季，新品", ["春季", "新品"]), ("tags", "a|b, c", ["a", "b, c"]), ("tags", '["a, b"]', ["a, b"]),
    ("tags", "a、b；c", ["a", "b", "c"]),
    ("reference_images", "a.png, b.jpg", ["a.png", "b.jpg"]),
    ("reference_images", "https://h/i?x=1,2&y=3", ["https://h/i?x=1,2&y=3"]),
    ("reference_images", "data:image/png;base64,AA", ["data:image/png;base64,AA"]),
    ("first_frame", "images\\cat.png", "images/cat.png"), ("first_frame", "C:\\cat.png", "C:\\cat.png"),
    ("first_frame", "\u202aC:\\cat.png", "C:\\cat.png"), ("first_frame", '"C:\\cat.png"', "C:\\cat.png"),
    ("reference_images", '"a.png"\n"b.jpg"', ["a.png", "b.jpg"]), ("duration", "\u200e5", 5),
    ("ratio", "\u202a9:16\u202c", "9:16"), ("prompt", "\u200fقطة", "\u200fقطة"),
    ("metadata", '{"a": 1}', {"a": 1}), ("prompt", " 9：16 是 ", " 9：16 是 "), ("prompt", 12.0, "12"),
    ("deadline", "3600", 3600.0), ("deadline", "2027-01-02T08:00Z", "2027-01-02T08:00Z"),
    ("deadline", "2027/1/2 8:00", "2027-01-02T08:00"), ("deadline", "2027年1月2日 18:00:05", "2027-01-02T18:00:05"),
    ("deadline", datetime(2027, 1, 2, tzinfo=UTC), "2027-01-02T00:00:00+00:00"), ("seed", "-1", -1),
]  # fmt: skip
REFUSED: list[tuple[str, Cell, str]] = [
    ("audio", "maybe", "must be true or false"),
    ("ratio", 0.672222, "is a time of day"),
    ("ratio", timedelta(hours=25), "is a time of day"),
    ("duration", date(2027, 1, 5), "is a date or a time (2027-01-05), not a number"),
    ("duration", "5-Jan", "is a date (5-jan), not a number"),
    ("deadline", date(2027, 1, 5), "is a date without its time (2027-01-05); write both"),
    ("deadline", "2027年1月5日", "is a date without its time"),
    ("seed", "1.23E+09", "has lost digits (1.23e+09)"),
    ("metadata", '{"a": 1, "a": 2}', "the key 'a' occurs twice"),
    ("tags", "[1, NaN]", "NaN is not JSON"),
    ("first_frame", '=DISPIMG("ID_1",1)', "is a picture in the cell"),
    ("duration", Broken("is a formula that was never calculated"), "is a formula that was never calculated"),
]


@pytest.mark.parametrize(("field", "cell", "value"), MEANT)
def test_a_cell_means_what_its_author_meant(field: str, cell: Cell, value: Any) -> None:
    found = value_of(field, cell)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("field", "cell", "message"), REFUSED)
def test_a_cell_that_lost_its_meaning_is_refused(field: str, cell: Cell, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        value_of(field, cell)


def test_the_kind_of_every_field_comes_from_the_request_itself() -> None:
    assert {"audio", "web_search", "watermark", "camera_fixed", "return_last_frame"} <= kinds.BOOLEANS
    assert {"duration", "seed", "priority"} <= kinds.NUMBERS
    assert {"reference_images", "reference_videos", "reference_audios", "tags"} <= kinds.LISTS
    assert {"metadata", "gateway_options"} <= kinds.OBJECTS
    assert not (kinds.BOOLEANS | kinds.NUMBERS | kinds.LISTS | kinds.OBJECTS) & {"prompt", "ratio", "deadline"}

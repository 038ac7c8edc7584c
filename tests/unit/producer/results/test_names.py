"""Names of downloaded files: no cell of a sheet leads out of the folder, and every file system takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.campaigns.results.names import MAX_BYTES, NamePattern, distinct
from producer.campaigns.results.results import Result
from seedance.problems import InvalidInput
from tests.unit.producer.results.samples import result

COLUMNS = ["SKU", "产品 名", ""]


def named(pattern: str | None, *cells: Any, **fields: Any) -> str:
    return NamePattern(pattern, COLUMNS, "spring").name(result([*cells, None, None, None][:3], **fields))


def test_columns_fields_and_the_row_fill_a_pattern() -> None:
    assert named("{sku}_{ratio}.mp4", "0012", request={"prompt": "a", "ratio": "16:9"}) == "0012_16-9.mp4"
    assert named("{产品名}", "0012", "灯") == "灯.mp4"
    assert named("{campaign}/{row}-{key}", "1", number=7, key="P-1") == "spring/7-P-1.mp4"
    assert named("{SKU}", 12.0) == "12.mp4"
    assert named(None, key="P-1", label="9:16 #2") == "P-1_9-16 #2.mp4"
    assert named(None, number=3) == "row-3.mp4"


def test_a_template_s_matrix_fills_a_pattern() -> None:
    rows = [result([None] * 3, metadata={}), result(["1", None, None], metadata={"Background": "white", "variant": 2})]
    names = NamePattern("{sku}_{background}_{version}", COLUMNS, "spring", rows)
    assert [names.name(row) for row in rows] == ["__1.mp4", "1_white_1.mp4"]
    with pytest.raises(InvalidInput, match=r"\{foreground\} is no column"):
        NamePattern("{foreground}", COLUMNS, "spring", rows)


def test_the_suffix_is_that_of_the_video() -> None:
    assert named("{sku}.mp4", "a", object_key="videos/x.mov") == "a.mov"
    assert named("{sku}.final.mp4", "a.b") == "a.b.final.mp4"


@given(cell=st.text(max_size=400), pattern=st.sampled_from(["{sku}", "{sku}/{sku}.mp4", "a/{sku}/b{sku}"]))
def test_no_cell_leads_out_of_the_folder_or_breaks_a_file_system(cell: str, pattern: str) -> None:
    path = PurePosixPath(named(pattern, cell))
    assert not path.is_absolute()
    for part in path.parts:
        assert part not in ("", ".", "..")
        assert len(part.encode()) <= MAX_BYTES + 4
        assert not set(part) & set('<>:"\\|?*\0\n\t')
        assert part == part.strip(" .")
        assert part.split(".")[0].upper() not in ("CON", "NUL", "AUX", "PRN", "COM1")


@pytest.mark.parametrize("pattern", ["{foo}", "../{sku}", "/tmp/{sku}", "", "a/", "{sku", "sku}", "{}"])
def test_a_pattern_that_cannot_be_used_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="--name"):
        NamePattern(pattern, COLUMNS, "spring")


def test_videos_that_share_a_name_get_the_number_of_their_row() -> None:
    shared: list[tuple[str, Result]] = [
        ("A.mp4", result([], number=2)),
        ("a.mp4", result([], number=3)),
        ("b.mp4", result([], number=4)),
        ("a.mp4", result([], number=3, label="2")),
        ("a.mp4", result([], number=3, label="2")),
    ]
    names = [name for name, _ in distinct(shared)]
    assert names[:4] == ["A_row-2.mp4", "a_row-3.mp4", "b.mp4", "a_row-3_2.mp4"]
    assert len({name.casefold() for name in names}) == 5
    assert [name for name, _ in distinct([(n, replace(r)) for n, r in shared])] == names


def test_a_shared_name_stays_short_and_never_takes_the_name_of_another_video() -> None:
    long = "\N{CJK UNIFIED IDEOGRAPH-80CC}" * 90
    shared = [(f"{long[:66]}.mp4", result(["x"], number=number, label=long)) for number in (2, 3)]
    assert all(len(name.encode()) <= 204 for name, _ in distinct(shared)), "else the system refuses the file"
    taken = [("a.mp4", result(["x"], number=2)), ("a.mp4", result(["x"], number=3)), ("a_row-2.mp4", result(["x"]))]
    assert len({name for name, _ in distinct(taken)}) == 3, "else one video replaces another"


def test_a_name_with_a_number_is_not_that_of_another_video_and_fits_a_file_system() -> None:
    shared: list[tuple[str, Result]] = [
        ("a.mp4", result([], number=2)),
        ("a.mp4", result([], number=3)),
        ("A_row-2.mp4", result([], number=4)),
        ("灯" * 66 + ".mp4", result([], number=5, label="一" * 60)),
        ("灯" * 66 + ".mp4", result([], number=6, label="二" * 60)),
    ]
    names = [name for name, _ in distinct(shared)]
    assert names[1:3] == ["a_row-3.mp4", "A_row-2.mp4"]
    assert len({name.casefold() for name in names}) == 5
    assert all(len(name.encode()) <= 241 for name in names)

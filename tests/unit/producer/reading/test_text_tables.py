"""Tables in text files: the delimiter, the numbers of rows, and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.producer.reading.reads import error_of, rows_of

ROW = {"prompt": "A cat, asleep; a dog", "duration": 5, "ratio": "16:9"}


def saved(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.xls"])
@pytest.mark.parametrize(
    ("first", "delimiter", "called"),
    [
        ("", ",", "commas"), ("", ";", "semicolons"), ("", "\t", "tabs"), ("", "|", "vertical bars"),
        ("sep=;\r\n", ";", "semicolons"), ("sep=,\r\n", ",", "commas"), ('"sep=\t"\r\n', "\t", "tabs"),
    ],
)  # fmt: skip
def test_the_delimiter_is_detected(tmp_path: Path, name: str, first: str, delimiter: str, called: str) -> None:
    lines = [["prompt", "duration", "ratio"], ['"A cat, asleep; a dog"', "5", "16:9"]]
    text = first + "".join(delimiter.join(line) + "\r\n" for line in lines)
    rows, notes = rows_of(saved(tmp_path, text, name))
    assert rows == [(2, ROW)]
    named = f"read as UTF-8 text, cells separated by {called}"
    assert notes == ["is text, not an Excel workbook"] * (name == "a.xls") + [named] * (called != "commas")


def test_an_unclear_delimiter_is_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path, "one,two;three\nA cat,5;b\n")
    assert "its cells may be separated by" in error_of(path)
    assert "--delimiter" in error_of(path)
    assert rows_of(path, delimiter="semicolon", mapped=["one,two=prompt"])[0][0][1]["prompt"] == "A cat,5"


def test_numbers_with_a_decimal_comma_are_read_where_semicolons_separate(tmp_path: Path) -> None:
    path = saved(tmp_path, "prompt;duration;deadline\na;5,0;3600,5\n")
    assert rows_of(path)[0] == [(2, {"prompt": "a", "duration": 5, "deadline": 3600.5})]


def test_rows_are_numbered_as_a_spreadsheet_counts(tmp_path: Path) -> None:
    path = saved(tmp_path, '\n,,\nprompt,duration,,\n"a\nb",5,,\n,,,\nc,6,\n')
    assert rows_of(path)[0] == [(4, {"prompt": "a\nb", "duration": 5}), (6, {"prompt": "c", "duration": 6})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Spring campaign\n\nprompt,duration\na,5\n", "row 1: does not name the columns, row 3 does; remove the rows"),
        ("SKU,产品名\n1,cup\n", 'row 1: has no column for the prompt; its columns are SKU, 产品名. The first row'),
        ("prompt,duraton\na,5\n", "row 1: duraton: is not a field; if duration is meant, rename the column"),
        ("提示次\na\n", "row 1: 提示次: is not a field; if 提示词 is meant"),
        ("prompt,时长,Duration\na,5,5\n", "row 1: duration: is the field of two columns (B and C: 时长, Duration)"),
        ("prompt,时长,时长\na,5,5\n", "row 1: 时长: is the name of two columns (B and C); rename or remove one"),
        ("prompt,duration\na, b,5\n", "row 2: column C: has '5' but no name; name it in row 1; or a cell before"),
        ("prompt,tags\na,b,c\n", "row 2: column C: has 'c' but no name; name it in row 1; or a cell before it"),
        ('prompt\n"a\n', 'row 2: is not CSV: a quotation mark (") opens a cell and is not closed'),
        ('prompt\n"a" b\n', "row 2: is not CSV: text follows a closing quotation mark"),
        ("prompt\na\nprompt\n", "row 3: repeats the header; remove the row"),
        ("prompt\n#N/A\n", "row 2: prompt: holds #N/A, an error of the spreadsheet"),
        ("prompt\n仅需#N/A元\n", "row 2: prompt: holds #N/A, an error of the spreadsheet"),
        ("prompt\n{产品名} in the sun\n", "row 2: prompt: holds '{产品名}', an unfilled placeholder"),
        ("prompt,duration\na,1月5日\n", "row 2: duration: is a date (1月5日), not a number"),
        ("prompt,ratio\na,0.672222222\n", "row 2: ratio: '0.672222222' is a time of day"),
        ("prompt,tags\na," + "[" * 5_000 + "\n", "row 2: tags: is JSON that is nested too deeply"),
        ("sep=\nprompt\na\n", "line 1: sep= must be followed by the one character"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert error_of(saved(tmp_path, text)).startswith(f"a.csv {message}")

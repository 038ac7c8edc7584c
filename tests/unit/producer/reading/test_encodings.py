"""The encoding of a text file: detected from the whole file, or asked for; mojibake is never paid for."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest

from tests.unit.producer.reading.reads import error_of, rows_of

CAT, LONG = "一只猫", "一只橘猫在雨后的老街上奔跑，镜头缓缓推进，花瓣随风飘落"
READ = [
    (CAT, "utf-8"), (CAT, "utf-8-sig"), (CAT, "gbk"), (LONG, "gbk"), ("一只㐂猫在跑", "gb18030"),
    ("一隻貓在跑", "big5"),
    (CAT, "utf-16"), (LONG, "utf-16-le"), (LONG, "utf-16-be"), (CAT, "utf-32"),
    ("Café à la crème, 40 °C", "utf-8"), ("Ein Fluss in Köln – „Dämmerung“", "utf-8-sig"),
    (normalize("NFD", "Kätzchen läuft"), "utf-8"), (normalize("NFD", "Zażółć gęślą jaźń"), "utf-8"),
    (normalize("NFD", "Mèo chạy trên đường phố"), "utf-8"),
    ("夕焼けの海を走る電車", "utf-8"), ("Кот бежит по снегу", "utf-8"), ("🐈 in the snow", "utf-8"), ("plain", "ascii"),
]  # fmt: skip
ASKED = [
    ("A dogé in a café", "cp1252", "windows-1252"),
    ("夕焼けの海を走る電車", "cp932", "Shift_JIS"),
    ("Кот бежит по снегу", "cp1251", "windows-1251"),
]


def saved(tmp_path: Path, text: str, encoding: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    quoted = text.replace('"', '""')
    path.write_bytes(f'prompt,duration\r\n"{quoted}",5\r\n'.encode(encoding))
    return path


@pytest.mark.parametrize(("text", "encoding"), READ)
def test_a_text_is_read_as_its_author_wrote_it(tmp_path: Path, text: str, encoding: str) -> None:
    rows, notes = rows_of(saved(tmp_path, text, encoding))
    assert rows == [(2, {"prompt": text, "duration": 5})]
    assert bool(notes) == (not encoding.startswith(("utf-8", "ascii"))), notes


def test_the_likeliest_encodings_are_shown_where_none_is_read(tmp_path: Path) -> None:
    message = error_of(saved(tmp_path, "雨の路地を走る猫、桜が散る", "cp932"))
    assert "Shift_JIS: '雨の路地を走る猫、桜が散る'" in message, "people see which is their text"


def test_the_mark_at_the_end_of_files_of_dos_is_no_job(tmp_path: Path) -> None:
    """As `copy *.csv all.csv` writes it."""
    path = tmp_path / "a.csv"
    for end in ("\r\n\x1a", "\x1a", "\r\n\x1a\r\n"):
        path.write_bytes(f"prompt,duration\r\na cat,5{end}".encode())
        assert rows_of(path)[0] == [(2, {"prompt": "a cat", "duration": 5})]


@pytest.mark.parametrize(("text", "encoding", "named"), ASKED)
def test_an_unclear_encoding_is_asked_for(tmp_path: Path, text: str, encoding: str, named: str) -> None:
    path = saved(tmp_path, text, encoding)
    message = error_of(path)
    assert message.startswith("a.csv: is not UTF-8 (line 2, byte ")
    assert "--encoding" in message
    assert named in message
    assert rows_of(path, encoding=named)[0] == [(2, {"prompt": text, "duration": 5})]


def test_the_whole_file_decides_not_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"prompt\n" + b"a plain line\n" * 5_000 + f"{CAT}\n".encode("gbk"))
    rows, notes = rows_of(path)
    assert rows[-1] == (5_002, {"prompt": CAT})
    assert notes == ["read as GB18030 text, cells separated by commas"]


def test_a_file_of_two_encodings_is_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"prompt\n{LONG}\n".encode() + f"{LONG}\n".encode("gbk"))
    assert error_of(path) == "a.csv: is UTF-8, but not in line 3; save the whole file in one encoding"


def test_jsonl_is_decoded_like_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(f'{{"prompt": "{CAT}"}}\n'.encode("gbk"))
    assert rows_of(path) == ([(1, {"prompt": CAT})], ["read as GB18030 text"])


@pytest.mark.parametrize(
    ("given", "message"), [("klingon", "is not an encoding"), ("utf-8", "is not UTF-8 text (line 2")]
)
def test_a_wrong_encoding_is_refused(tmp_path: Path, given: str, message: str) -> None:
    assert message in error_of(saved(tmp_path, LONG, "gbk"), encoding=given)


def test_a_cell_of_megabytes_is_read_in_linear_time(tmp_path: Path) -> None:
    """Each of these would take hours with a pattern whose time grows with the square of the length."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "%s"}\n' % ("é" + "x" * 3_000_000), encoding="utf-8")
    assert len(rows_of(path)[0][0][1]["prompt"]) == 3_000_001
    for text in ("{" + " " * 130_000, "(" * 130_000, "1" * 130_000, "#" * 130_000 + "!"):
        assert rows_of(saved(tmp_path, text, "utf-8"))[0][0][1]["prompt"] == text

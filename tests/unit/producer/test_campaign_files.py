"""Campaign files: what is read, and the one line that each mistake gives."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from producer.campaigns import files
from producer.campaigns.duplicates import notes_on_duplicates
from producer.campaigns.files import read_campaign
from producer.campaigns.names import check_name
from producer.campaigns.reading import text
from producer.errors import InvalidRows
from producer.intake.intake import MAX_BAD_ROWS, Batch, Row, prepare, with_derived_keys
from seedance.problems import InvalidInput
from storage.settings import Settings
from tests.media_files import picture

EXAMPLES = Path(__file__).parents[3] / "examples"
SETTINGS = Settings.model_validate({"accounts": [{"name": "main", "gateway": "anyfast", "api_key": "k"}]})
GOOD = '{"prompt": "a cat"}\n'


def load(path: Path) -> Batch:
    return prepare(read_campaign(path), SETTINGS, path.parent)


def job(**fields: Any) -> str:
    return json.dumps({"prompt": "a cat"} | fields) + "\n"


DOC = "{}: must end in .jsonl, .csv, .tsv, .txt, .xlsx, .xlsm, .xls, .ods, .yaml or .yml"
# A file's name, its content, and what is said about it: {} stands for the file's path.
REFUSED: list[tuple[str, str | bytes, str]] = [
    ("a.jsonl", "", "{}: holds no jobs"),
    ("a.jsonl", "\n \r\n", "{}: holds no jobs"),
    ("a.csv", "", "{}: holds no jobs"),
    ("a.csv", "prompt,duration\n", "{}: holds no jobs"),
    ("a.doc", GOOD, DOC),
    ("a", GOOD, "{}: must end in .jsonl"),
    ("a.numbers", GOOD, DOC.replace("yml", "yml; in Numbers, export it to Excel or CSV")),
    ("a.jsonl", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "{}: holds NUL bytes: it is not a text file"),
    ("a.jsonl", b"ab\0cd\n", "{}: holds NUL bytes: it is not a text file"),
    ("a.csv", b"prompt\n\xff\xfe\n", "{}: is not UTF-8 (line 2, byte 1), and its encoding is unclear"),
    ("a.jsonl", GOOD + '{"prompt": "a', "a.jsonl line 2: is not JSON: "),
    ("a.jsonl", "[1, 2]\n", "a.jsonl line 1: must be a JSON object, not [1, 2]"),
    ("a.jsonl", '"text"\n', "a.jsonl line 1: must be a JSON object"),
    ("a.jsonl", "[" * 100_000 + "\n", "a.jsonl line 1: is JSON that is nested too deeply"),
    ("a.jsonl", '{"prompt": "a", "prompt": "b"}\n', "a.jsonl line 1: the key 'prompt' occurs twice"),
    ("a.jsonl", '{"prompt": "a", "metadata": {"x": 1, "x": 2}}\n', "a.jsonl line 1: the key 'x' occurs twice"),
    ("a.jsonl", '{"prompt": "a", "seed": NaN}\n', "a.jsonl line 1: NaN is not JSON"),
    ("a.jsonl", '{"prompt": "a", "metadata": {"x": -Infinity}}\n', "a.jsonl line 1: -Infinity is not JSON"),
    ("a.jsonl", '{"prompt": "a", "metadata": {"x": 1e999}}\n', "a.jsonl line 1: metadata: holds inf"),
    ("a.jsonl", "{}\n".replace("{}", "{ }"), "a.jsonl line 1: prompt: is required; describe the video"),
    ("a.jsonl", GOOD * 2 + job(prompt="  "), "a.jsonl line 3: prompt: is required; describe the video"),
    ("a.jsonl", job(promt="x"), "a.jsonl line 1: promt: is not a field we know"),
    ("a.jsonl", job(duration=3), "a.jsonl line 1: duration: must be 4 to 30 seconds, or -1 for automatic, not 3"),
    ("a.jsonl", job(duration=31), "a.jsonl line 1: duration: must be 4 to 30 seconds"),
    ("a.jsonl", job(duration="long"), "a.jsonl line 1: duration: must be a whole number, not 'long'"),
    ("a.jsonl", job(ratio="2:1"), "a.jsonl line 1: ratio: must be"),
    ("a.jsonl", job(resolution="8k"), "a.jsonl line 1: resolution: must be"),
    ("a.jsonl", job(resolution="4k"), "a.jsonl line 1: resolution: anyfast"),
    ("a.jsonl", job(last_frame="https://a/b.png"), "a.jsonl line 1: last_frame: needs first_frame"),
    (
        "a.jsonl",
        job(first_frame="https://a/b.png", reference_images=["https://a/c.png"]),
        "a.jsonl line 1: first_frame: cannot be combined",
    ),
    (
        "a.jsonl",
        job(reference_audios=["https://a/b.mp3"]),
        "a.jsonl line 1: reference_audios: cannot be used alone",
    ),
    ("a.jsonl", job(reference_videos=["https://a/b.mp4"] * 11), "a.jsonl line 1: reference_videos: at most 10, not 11"),
    ("a.jsonl", job(reference_images=["https://a/b.png"] * 31), "a.jsonl line 1: reference_images: at most 30, not 31"),
    ("a.jsonl", job(first_frame="file:///etc/passwd"), "a.jsonl line 1: first_frame: file: is not supported"),
    ("a.jsonl", job(first_frame="missing.png"), "a.jsonl line 1: first_frame: "),
    ("a.jsonl", job(priority=99), "a.jsonl line 1: priority: must be 0 to 9"),
    ("a.jsonl", job(account="unknown"), "a.jsonl line 1: account: 'unknown' is not configured; there is main"),
    ("a.csv", "prompt,duraton\na cat,5\n", "a.csv row 1: duraton: is not a field; if duration is meant"),
    ("a.csv", "prompt,\na cat,5\n", "a.csv row 2: column B: has '5' but no name; name it in row 1; or a cell"),
    ("a.csv", "prompt,seed,seed\na cat,1,2\n", "a.csv row 1: seed: is the name of two columns"),
    ("a.csv", "prompt,seed\na cat,1,2\n", "a.csv row 2: column C: has '2' but no name; name it in row 1"),
    ("a.csv", 'prompt\n"a cat\n', "a.csv row 2: is not CSV: "),
    (
        "a.csv",
        "prompt,audio\na cat,maybe\n",
        "a.csv row 2: audio: must be true or false (yes or no, 1 or 0, 是 or 否), not 'maybe'",
    ),
    ("a.csv", 'prompt,metadata\na cat,"{""a"": 1"\n', "a.csv row 2: metadata: is not JSON"),
    ("a.csv", 'prompt,metadata\na cat,"{""a"": 1, ""a"": 2}"\n', "a.csv row 2: metadata: the key 'a' occurs twice"),
    ("a.csv", 'prompt,tags\na cat,"[""a"""\n', "a.csv row 2: tags: is not JSON: "),
    ("a.csv", "prompt,duration\na cat,3\n", "a.csv row 2: duration: must be 4 to 30 seconds"),
    ("a.csv", "prompt,duration\na cat,long\n", "a.csv row 2: duration: must be a whole number, not 'long'"),
    ("a.csv", "duration\n5\n", "a.csv row 1: has no column for the prompt; its columns are duration"),
    ("a.csv", 'prompt,duration\n"two\nlines",5\na cat,3\n', "a.csv row 3: duration: must be"),
]


@pytest.mark.parametrize(("name", "content", "said"), REFUSED, ids=[f"{n}-{s[:45]}" for n, _, s in REFUSED])
def test_a_bad_file_gives_one_clear_line(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput) as caught:
        load(path)
    assert str(caught.value).startswith(said.replace("{}", str(path)))
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "dir.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name, said in (
        ("dir.jsonl", "is a directory"),
        ("pipe.jsonl", "is not a regular file"),
        ("none.jsonl", "does not exist"),
    ):
        with pytest.raises(InvalidInput, match=said):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.mkdir(), "is a directory"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    ],
)
def test_a_local_file_that_cannot_be_used_is_refused(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    make(tmp_path / "frame.png")
    (tmp_path / "a.jsonl").write_text(job(first_frame="frame.png"))
    with pytest.raises(InvalidInput, match=f"a.jsonl line 1: first_frame: .*frame.png {said}"):
        load(tmp_path / "a.jsonl")


def test_local_paths_count_from_the_file_and_become_their_content(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    same = picture()
    (tmp_path / "pictures" / "one.PNG").write_bytes(same)
    (tmp_path / "two.png").write_bytes(same)
    (tmp_path / "a.jsonl").write_text(job(reference_images=["pictures/one.PNG", "two.png", str(tmp_path / "two.png")]))
    batch = load(tmp_path / "a.jsonl")
    [prepared] = batch.jobs
    assert len(set(prepared.spec.reference_images)) == 1
    assert prepared.spec.reference_images[0].startswith(f"upload://{hashlib.sha256(same).hexdigest()}")
    assert prepared.spec.reference_images[0].endswith(".png")
    assert [upload.size_bytes for upload in batch.files.uploads] == [len(same)]


def test_local_paths_are_refused_where_requests_come_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "frame.png").write_bytes(b"x")
    row = Row("", {"prompt": "a cat", "first_frame": str(tmp_path / "frame.png")})
    with pytest.raises(InvalidRows, match="first_frame: a local path is not taken here"):
        prepare([row], SETTINGS, None)


def test_all_problems_of_a_file_are_reported_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + job(duration=3) + "{\n" + job(priority=99, ratio="2:1"))
    with pytest.raises(InvalidRows) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["a.jsonl line 2", "a.jsonl line 3", "a.jsonl line 4"]
    assert "ratio: must be" in lines[2]
    assert "priority: must be" in lines[2]

    path.write_text(job(duration=3) * 1000)
    with pytest.raises(InvalidRows) as caught:
        load(path)
    assert len(caught.value.rows) == MAX_BAD_ROWS
    assert str(caught.value).splitlines()[-1].startswith("… stopped after 20 rows")


def test_what_breaks_the_reading_off_comes_after_the_rows_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl"
    monkeypatch.setattr(text, "MAX_LINE_CHARS", 2**20)
    path.write_text(job(duration=3) + job(prompt="x" * 2_000_000))
    with pytest.raises(InvalidRows) as caught:
        load(path)
    assert [row.where for row in caught.value.rows] == ["a.jsonl line 1", "a.jsonl line 2"]


def test_lines_and_rows_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD * 4)
    monkeypatch.setattr(files, "MAX_ROWS", 3)
    with pytest.raises(InvalidInput, match="has more than 3 rows"):
        load(path)
    path.write_text(GOOD + job(prompt="x" * 2_000_000))
    monkeypatch.setattr(text, "MAX_LINE_CHARS", 2**20)
    with pytest.raises(InvalidInput, match="is longer than 1 Mi characters"):
        load(path)


def test_bom_windows_line_ends_and_blank_lines_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b"\r\n  \n" + job(prompt="猫").encode())
    batch = load(path)
    assert [(item.where, item.spec.prompt) for item in batch.jobs] == [
        ("a.jsonl line 1", "a cat"),
        ("a.jsonl line 4", "猫"),
    ]
    table = tmp_path / "a.CSV"
    table.write_bytes("\ufeffprompt,duration\r\n猫,5\r\n,\r\n".encode())
    [row] = load(table).jobs
    assert (row.spec.prompt, row.spec.duration, row.where) == ("猫", 5, "a.CSV row 2")


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    fields = {
        "prompt": 'she says "hi", twice',
        "tier": "standard",
        "resolution": "480p",
        "ratio": "1:1",
        "duration": -1,
        "audio": False,
        "reference_images": ["https://a/b.png", "asset://x-1"],
        "watermark": True,
        "seed": 7,
        "idempotency_key": "007",
        "priority": 9,
        "deadline": 90.5,
        "metadata": {"a": [1, None, "x|y"]},
        "tags": ["1", "true"],
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(fields))
    cells = {
        "duration": "-1",
        "audio": "No",
        "reference_images": "https://a/b.png | asset://x-1",
        "watermark": "1",
        "metadata": '{"a": [1, null, "x|y"]}',
        "tags": '["1", "true"]',
    }
    values = [str(cells.get(name, value)).replace('"', '""') for name, value in fields.items()]
    quoted = ",".join(f'"{value}"' for value in values)
    (tmp_path / "a.csv").write_text(f"{','.join(fields)},account\n{quoted},\n")
    [one], [other] = load(tmp_path / "a.jsonl").jobs, load(tmp_path / "a.csv").jobs
    assert one.spec == other.spec
    assert one.request_hash == other.request_hash


def test_derived_keys_are_stable_and_count_identical_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + job(duration=5) + GOOD + job(idempotency_key="mine"))
    first = with_derived_keys(load(path).jobs, "spring")
    keys = [item.idempotency_key for item in first]
    assert keys[3] == "mine"
    assert len(set(keys)) == 4
    path.write_text(job(duration=5, priority=9) + GOOD + GOOD)
    again = [item.idempotency_key for item in with_derived_keys(load(path).jobs, "spring")]
    assert again == [keys[1], keys[0], keys[2]]
    assert with_derived_keys(load(path).jobs, "autumn")[0].idempotency_key not in keys


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_campaign_needs_a_usable_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="name: must be 1 to 100"):
        check_name(name)


@pytest.mark.parametrize(("name", "count"), [("demo.jsonl", 12), ("campaign.csv", 4)])
def test_the_examples_can_be_run(name: str, count: int) -> None:
    assert len(load(EXAMPLES / name).jobs) == count


def test_equal_rows_are_reported_because_each_is_billed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,idempotency_key,tags\na,,x\nb,,\na,,y\na,k,\nb,k2,\nc,k3,\nc,k3,\n")
    assert list(notes_on_duplicates(load(path).jobs)) == [
        "a.csv rows 2, 4 and 5 make the same request; each is generated and billed",
        "a.csv rows 3 and 6 make the same request; each is generated and billed",
    ]

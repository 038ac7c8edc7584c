"""Many jobs at once, and campaigns, over real HTTP against a real PostgreSQL and a real S3."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from openpyxl import load_workbook

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring

S = JobState
NDJSON = {"Content-Type": "application/x-ndjson"}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
XLS, ODS = "application/vnd.ms-excel", "application/vnd.oasis.opendocument.spreadsheet"
SHEETS = Path(__file__).parents[3] / "unit/producer/reading/sheets"
CSV = {"Content-Type": "text/csv; charset=utf-8"}


def lines(*rows: dict[str, Any] | str) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def stored(api: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/jobs?limit=200").json()["data"]
    return found[::-1]


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_stored_in_its_order(api: httpx.Client) -> None:
    body = lines({"prompt": "a", "idempotency_key": "1"}, "", {"prompt": "b"}, {"prompt": "a", "idempotency_key": "1"})
    answer = api.post("/v1/jobs/batch", content=body, headers=NDJSON)
    report = answer.json()
    assert (answer.status_code, report["rows"], report["created"], report["known"]) == (202, 3, 2, 1)
    assert [item["line"] for item in report["results"]] == [1, 3, 4]
    assert [item["created"] for item in report["results"]] == [True, True, False]
    assert [item["id"] for item in report["results"][:2]] == [job["id"] for job in stored(api)]
    again = api.post("/v1/jobs/batch", content=b'prompt,duration,idempotency_key\n"a, b",5,2\nc,,\n', headers=CSV)
    assert again.json()["created"] == 2
    assert [job["request"] for job in stored(api)[2:]] == [{"prompt": "a, b", "duration": 5}, {"prompt": "c"}]


def test_a_batch_is_a_sheet_as_well_and_says_how_it_was_read(api: httpx.Client) -> None:
    text = "提示词;时长;SKU\n一只猫;5;007\n一只猫;5;008\n".encode("gb18030")
    report = api.post("/v1/jobs/batch", content=text, headers={"Content-Type": "text/csv"}).json()
    assert [item["line"] for item in report["results"]] == [2, 3]
    assert report["notes"] == [
        "body: read as GB18030 text, cells separated by semicolons",
        "body: not used, kept in metadata: SKU",
        "body rows 2 and 3 make the same request; each is generated and billed",
    ]
    assert [job["request"] for job in stored(api)] == [{"prompt": "一只猫", "duration": 5}] * 2


@pytest.mark.parametrize(("kind", "name"), [(XLSX, "campaign.xlsx"), (ODS, "campaign.ods"), (XLS, "campaign.xls")])
def test_a_campaign_is_a_workbook_as_well(api: httpx.Client, kind: str, name: str) -> None:
    content = (SHEETS / name).read_bytes()
    said = {"name": "spring", "map": "Deadline=when"}
    checked = api.post(
        "/v1/campaigns", params=said | {"dry_run": True}, content=content, headers={"Content-Type": kind}
    )
    done = api.post("/v1/campaigns", params=said, content=content, headers={"Content-Type": kind})
    assert (checked.status_code, done.status_code, done.json()["created"]) == (200, 202, 3)
    assert checked.json()["notes"] == done.json()["notes"]
    assert done.json()["notes"][:2] == [
        "body: read the sheet Jobs",
        "body: not used, kept in metadata: when, SKU, 合计",
    ]
    assert stored(api)[0]["request"]["prompt"] == "一只橘猫在雨后奔跑"


def test_a_sheet_is_refused_in_its_own_words(api: httpx.Client) -> None:
    def refused(content: bytes, kind: str, **said: str) -> tuple[int, list[tuple[str, str]]]:
        answer = api.post("/v1/campaigns", params={"name": "a"} | said, content=content, headers={"Content-Type": kind})
        return answer.status_code, [(item["where"], item["field"]) for item in answer.json()["errors"]]

    assert refused("提示词,时长\na,3\n".encode(), "text/csv") == (422, [("body row 2", "时长 (duration)")])
    assert refused(b"prompt;duration\na;3\n", XLS) == (422, [("body row 2", "duration")])  # as browsers name CSV
    workbook = (SHEETS / "campaign.xlsx").read_bytes()
    assert refused(workbook, XLSX) == (422, [("body row 2", "Deadline (deadline)")])
    shanghai = api.post(
        "/v1/campaigns",
        params={"name": "a", "dry_run": "true", "time_zone": "Asia/Shanghai"},
        content=workbook,
        headers={"Content-Type": XLSX},
    )
    assert (shanghai.status_code, stored(api)) == (200, []), shanghai.text
    answer = api.post(
        "/v1/campaigns", params={"name": "a", "sheet": "x"}, content=workbook, headers={"Content-Type": XLSX}
    )
    assert "there is no sheet 'x'; the sheets are Jobs, Empty, Old" in answer.text
    answer = api.post("/v1/campaigns", params={"name": "a", "delimiter": "ab"}, content=b"prompt", headers=CSV)
    assert (answer.status_code, stored(api)) == (422, [])


def test_a_batch_with_one_bad_row_stores_nothing_and_names_it(api: httpx.Client) -> None:
    body = lines({"prompt": "a"}, {"prompt": "b", "duration": 3}, "{", {"prompt": "c", "first_frame": "x.png"})
    answer = api.post("/v1/jobs/batch", content=body, headers=NDJSON)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["truncated"]) == (422, "invalid_request", False)
    assert [(item["where"], item["field"]) for item in problem["errors"]] == [
        ("body line 2", "duration"), ("body line 3", ""), ("body line 4", "first_frame"),
    ]  # fmt: skip
    api.post("/v1/jobs", json={"prompt": "known"}, headers={"Idempotency-Key": "k"})
    conflict = api.post(
        "/v1/jobs/batch", content=lines({"prompt": "a"}, {"prompt": "b", "idempotency_key": "k"}), headers=NDJSON
    )
    assert (conflict.status_code, conflict.json()["where"]) == (422, "body line 2")
    assert len(stored(api)) == 1


def test_a_partial_batch_stores_what_it_can_and_reports_each_line(api: httpx.Client) -> None:
    known = api.post("/v1/jobs", json={"prompt": "known", "idempotency_key": "k"}).json()["id"]
    rows: list[dict[str, Any] | str] = [
        {"prompt": "a"},
        {"prompt": "b", "duration": 3},
        "{",
        {"prompt": "other", "idempotency_key": "k"},
        {"prompt": "known", "idempotency_key": "k"},
        {"prompt": "c", "first_frame": f"upload://{'0' * 64}.png"},
        {"prompt": "d"},
    ]
    answer = api.post("/v1/jobs/batch?partial=true", content=lines(*rows), headers=NDJSON)
    report = answer.json()
    assert answer.status_code == 207
    assert [report[name] for name in ("rows", "created", "known", "refused")] == [7, 2, 1, 4]
    found = {item["line"]: item for item in report["results"]}
    assert list(found) == [1, 2, 3, 4, 5, 6, 7]
    assert {line: item["error"]["param"] for line, item in found.items() if "error" in item} == {
        2: "duration", 3: None, 4: "idempotency_key", 6: "first_frame",
    }  # fmt: skip
    assert (found[5]["id"], found[5]["created"]) == (known, False)
    assert [job["request"]["prompt"] for job in stored(api)] == ["known", "a", "d"]
    assert api.post("/v1/jobs/batch?partial=true", content=lines({"prompt": "e"})).status_code == 202


def test_unusable_batches_are_refused(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(content: bytes, **headers: str) -> tuple[int, str]:
        answer = api.post("/v1/jobs/batch", content=content, headers={"Content-Type": "text/plain", **headers})
        return answer.status_code, answer.json()["code"]

    assert refused(b"") == (422, "invalid_request")
    assert refused(b"\n\n") == (422, "invalid_request")
    assert refused(b"\x00\x01") == (422, "invalid_request")
    assert refused(b"{}", **{"Content-Type": "image/png"}) == (415, "unsupported_media_type")
    assert refused(lines({"prompt": "a"}), **{"Idempotency-Key": "k"}) == (422, "invalid_request")
    monkeypatch.setattr("producer.http.bodies.MAX_BATCH_BYTES", 1000)
    assert refused(b"{" * 2000) == (413, "body_too_large")

    def endless() -> Iterator[bytes]:
        for _ in range(50):
            yield b" " * 100

    assert api.post("/v1/jobs/batch", content=endless()).status_code == 413
    assert stored(api) == []


def test_a_large_batch_is_accepted(api: httpx.Client) -> None:
    def rows() -> Iterator[bytes]:
        for number in range(3_000):
            yield lines({"prompt": f"clip {number}", "metadata": {"text": "x" * 500}})

    answer = api.post("/v1/jobs/batch", content=rows(), headers=NDJSON, timeout=60)
    assert (answer.status_code, answer.json()["created"]) == (202, 3_000)


# --- campaigns -------------------------------------------------------------------------------------------------------


def test_a_campaign_is_checked_stored_once_and_extended(api: httpx.Client) -> None:
    rows = [{"prompt": "a", "duration": 5, "resolution": "720p"}, {"prompt": "b", "duration": 5, "resolution": "720p"}]
    name = "春 2026 a"
    where = f"/v1/campaigns/{quote(name, safe='')}"
    dry = api.post("/v1/campaigns", params={"name": name, "dry_run": True}, content=lines(*rows), headers=NDJSON)
    assert (dry.status_code, dry.json()["rows"], stored(api)) == (200, 2, [])
    assert dry.json()["estimates"] == [{"currency": "USD", "jobs": 2, "low": 5.0, "high": 5.0, "by_list_price": 0}]
    assert api.get(where).status_code == 404
    made = api.post("/v1/campaigns", params={"name": name}, content=lines(*rows), headers=NDJSON)
    assert (made.status_code, made.headers["location"]) == (202, where)
    assert made.json()["estimates"] == dry.json()["estimates"]
    more = api.post("/v1/campaigns", params={"name": name}, content=lines(*rows, {"prompt": "c"}), headers=NDJSON)
    assert [more.json()[field] for field in ("rows", "created", "known")] == [3, 1, 2]
    assert more.json()["ids"][:2] == made.json()["ids"]
    found = api.get(where).json()
    assert (found["name"], found["total"], found["finished"], found["counts"]) == (name, 3, 0, {"queued": 3})
    assert len(api.get(found["links"]["jobs"]).json()["data"]) == 3
    for wrong in ("", "  ", "a" * 101):
        assert api.post("/v1/campaigns", params={"name": wrong}, content=lines(*rows)).status_code == 422
    assert api.post("/v1/campaigns", content=lines(*rows)).json()["error"]["param"] == "name"


def test_campaigns_are_listed_page_by_page(api: httpx.Client) -> None:
    for name in ("one", "two", "three"):
        assert api.post(f"/v1/campaigns?name={name}", content=b'{"prompt": "a"}').status_code == 202
    first = api.get("/v1/campaigns?limit=2").json()
    assert [item["name"] for item in first["data"]] == ["three", "two"]
    rest = api.get("/v1/campaigns", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert ([item["name"] for item in rest["data"]], rest["next_cursor"]) == (["one"], None)


def test_a_manifest_has_every_job_and_links_to_the_videos(
    api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Any
) -> None:
    ids = api.post("/v1/campaigns?name=c", content=lines({"prompt": "a"}, {"prompt": "b"})).json()["ids"]
    key = f"videos/{ids[0]}.mp4"
    (tmp_path / "clip.mp4").write_bytes(b"moving")
    Objects(configured).put_file(tmp_path / "clip.mp4", key)
    bring(producer, ids[0], S.SUCCEEDED, object_key=key)
    answer = api.get("/v1/campaigns/c/manifest")
    assert answer.headers["content-type"] == "application/x-ndjson"
    jobs = [json.loads(line) for line in answer.text.splitlines()]
    assert [job["id"] for job in jobs] == ids
    assert httpx.get(jobs[0]["video_url"]).content == b"moving"
    assert jobs[1]["video_url"] is None
    assert api.get("/v1/campaigns/none/manifest").json()["code"] == "campaign_not_found"
    assert api.get("/v1/campaigns/c/manifest?link_seconds=9999999").status_code == 422


def test_a_campaign_is_paused_and_resumed(api: httpx.Client, producer: Producer) -> None:
    assert api.post("/v1/campaigns?name=a", content=b'{"prompt": "a"}').status_code == 202
    with producer.database.begin() as conn:  # as it could be named once
        conn.execute("UPDATE campaigns SET name = 'a/b'")
    since = api.post("/v1/campaigns/a%2Fb/pause").json()["paused_at"]
    assert since is not None
    assert api.post("/v1/campaigns/a/b/pause").json()["paused_at"] == since, "twice is once"
    assert api.get("/v1/campaigns").json()["data"][0]["paused_at"] == since
    assert api.post("/v1/campaigns/a/b/resume").json()["paused_at"] is None
    assert api.get("/v1/campaigns/a/b").json()["paused_at"] is None
    for action in ("pause", "resume"):
        assert api.post(f"/v1/campaigns/none/{action}").json()["code"] == "campaign_not_found"


def test_a_campaign_is_cancelled(api: httpx.Client, producer: Producer) -> None:
    rows = [{"prompt": str(number)} for number in range(6)]
    ids = api.post("/v1/campaigns?name=c", content=lines(*rows)).json()["ids"]
    for job_id, state in zip(ids, (S.SUCCEEDED, S.GENERATING, S.SUBMITTING), strict=False):
        bring(producer, job_id, state)
    other = api.post("/v1/jobs", json={"prompt": "not of it"}).json()["id"]
    first = api.post("/v1/campaigns/c/cancel").json()
    assert [first[name] for name in ("cancelled", "asked", "refused")] == [3, 1, 1]
    assert first["campaign"]["counts"] == {"cancelled": 3, "generating": 1, "submitting": 1, "succeeded": 1}
    second = api.post("/v1/campaigns/c/cancel", json={"discard": True}).json()
    assert second["campaign"]["counts"]["cancelled"] == 4
    assert api.get(f"/v1/jobs/{other}").json()["state"] == "queued"
    assert api.post("/v1/campaigns/none/cancel").status_code == 404


def test_only_a_cancellation_that_cancels_something_is_noted(api: httpx.Client, producer: Producer) -> None:
    [done, sent] = api.post("/v1/campaigns?name=c", content=lines({"prompt": "a"}, {"prompt": "b"})).json()["ids"]
    bring(producer, done, S.SUCCEEDED)
    bring(producer, sent, S.GENERATING)

    def cancel(*, discard: bool) -> tuple[list[int], list[Any]]:
        answer = api.post("/v1/campaigns/c/cancel", json={"discard": discard}).json()
        noted = [item for item in api.get("/v1/decisions").json()["data"] if item["what"] == "campaign.cancelled"]
        return [answer[key] for key in ("cancelled", "asked", "refused")], [item["detail"] for item in noted]

    assert cancel(discard=False) == ([0, 0, 1], [])
    (cancelled, asked, refused), noted = cancel(discard=True)
    assert (cancelled + asked, refused, noted) == (1, 0, [{"discard": True}])


def test_a_plan_shows_bad_rows_costs_and_columns_and_stores_nothing(api: httpx.Client) -> None:
    sheet = "SKU,产品名,时长,价格\nP-1,灯,5,1\nP-2,杯,3,2\nP-3,灯,5,3\n".encode()
    asked = {"prompt": "{{ product }} turns", "map": "产品名=product", "key": "sku", "name": "lamps", "budget": "9 CNY"}
    answer = api.post("/v1/campaigns/plan", params=asked, content=sheet, headers=CSV)
    plan = answer.json()
    assert (answer.status_code, plan["rows"], plan["good"], plan["jobs"]) == (200, 3, 2, 2)
    assert [(bad["row"], bad["column"], bad["key"]) for bad in plan["bad"]] == [(3, "时长", "P-2")]
    assert plan["duplicates"] == [[2, 4]]
    assert plan["columns"] == {"used": ["SKU", "产品名", "时长"], "kept": ["价格"]}
    assert plan["samples"][0]["request"]["prompt"] == "灯 turns"
    assert stored(api) == []
    del asked["budget"]
    errors = api.post("/v1/campaigns/plan/errors", params=asked | {"format": "csv"}, content=sheet, headers=CSV)
    assert (errors.status_code, errors.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    header, *rows = csv.reader(io.StringIO(errors.content.decode("utf-8-sig")))
    assert header[1:] == ["SKU", "产品名", "时长", "价格"]
    assert ([bool(row[0]) for row in rows], rows[1][0].startswith("时长: ")) == ([False, True, False], True)
    again = api.post("/v1/campaigns/plan", params=asked, content=errors.content, headers=CSV).json()
    assert again["bad"] == plan["bad"], "the column of reasons is not read"
    workbook = api.post("/v1/campaigns/plan/errors", params=asked, content=sheet, headers=CSV)
    assert [cell.value for cell in load_workbook(io.BytesIO(workbook.content)).worksheets[0][3]][1:3] == ["P-2", "杯"]
    lines = {"name": "lamps", "format": "jsonl"}
    marked = api.post("/v1/campaigns/plan/errors", params=lines, content=b'{"prompt": "a", "duration": 99}')
    assert "duration" in next(iter(marked.json().values())) and marked.json()["duration"] == 99
    other = api.post("/v1/campaigns/plan/errors", params=lines, content=sheet, headers=CSV)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "format")
    array = api.post("/v1/campaigns/plan/errors", json=[{"prompt": "a"}])
    assert array.status_code == 422 and "not into JSON" in array.json()["detail"]
    form = {"file": ("a.csv", sheet, "text/csv")}
    sent = api.post("/v1/campaigns/plan/errors", files=form, data=asked | {"format": "csv"})
    assert sent.content == errors.content
    assert stored(api) == []
    template = {"template": "prompt: '{{ 产品名 }}'\nmatrix: {ratio: [1:1, 9:16]}", "key": "sku"}
    fixed = sheet.replace(b",3,", b",4,")
    made = api.post("/v1/campaigns", params=template | {"name": "lamps", "first": 1}, content=fixed, headers=CSV)
    assert (made.status_code, made.json()["created"]) == (202, 6)
    assert [job["reason"] for job in stored(api)] == [None] * 2 + ["kept_back"] * 4
    assert api.post("/v1/campaigns/lamps/resume").status_code == 200
    assert {job["reason"] for job in stored(api)} == {None}
    known = api.post("/v1/campaigns/plan", params=template | {"name": "lamps"}, content=fixed, headers=CSV)
    assert known.json()["known"] == 6
    wrong = api.post("/v1/campaigns/plan", params={"template": "prompt: '{% for a in b %}{% endfor %}'"}, content=b"x")
    assert (wrong.status_code, "cannot loop" in wrong.text) == (422, True)

"""Campaigns by their rows over HTTP: sheets in forms, pages of rows, decisions, videos as a ZIP; for two tenants."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.database import connect
from storage.jobs import history
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import bring, serving

SHEET = "SKU,名字,prompt,duration\nA-1,红灯,a red lamp,5\nA-2,蓝灯,a blue lamp,5\nA-3,绿灯,a green lamp,3\n"
GOOD = SHEET.replace("lamp,3", "lamp,5")
LAMPS = "/v1/campaigns/lamps"


def as_form(sheet: str, **more: Any) -> dict[str, Any]:
    return {"files": [("file", ("lamps.csv", sheet, "text/csv"))], "data": more}


def create(api: httpx.Client, sheet: str = GOOD, **more: Any) -> list[dict[str, Any]]:
    """Store the campaign, and give its rows."""
    made = api.post("/v1/campaigns", **as_form(sheet, **{"name": "lamps", "key": "SKU"} | more))
    assert made.status_code == 202, made.text
    return rows_of(api)


def rows_of(api: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{LAMPS}/rows", params=wanted).json()["data"]
    return found


def decide(api: httpx.Client, verb: str, key: str | None = None, **body: Any) -> dict[str, Any]:
    answer = api.post(f"{LAMPS}/{verb}", json=body, headers={} if key is None else {"Idempotency-Key": key})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def other(configured: Settings, api: httpx.Client) -> Iterator[httpx.Client]:
    """A client of a second tenant; from then on, the first one needs a key too."""
    with connect(configured.require_database_url()) as conn:
        key, _ = keys.new_key(conn, "shop", "backend", ["enqueue", "read"])
        own, _ = keys.new_key(conn, "default", "studio", ["enqueue", "read"])
    api.headers["Authorization"] = f"Bearer {own}"
    with httpx.Client(base_url=api.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


# --- forms -----------------------------------------------------------------------------------------------------------


def test_a_form_has_the_sheet_and_its_options(api: httpx.Client) -> None:
    template = ("template.yaml", 'prompt: "{{ 名字 }} on a table"\nvariants: 2\n', "application/yaml")
    files = [("file", ("lamps.csv", SHEET.replace(",prompt", ",words").encode("gb18030"), "text/csv"))]
    data = {"name": "lamps", "key": "SKU", "map": ["words=note"], "budget": "100 USD"}
    plan = api.post("/v1/campaigns/plan", files=[*files, ("template", template)], data=data).json()
    assert (plan["campaign"], plan["rows"], plan["good"], plan["jobs"]) == ("lamps", 3, 2, 4)
    assert plan["bad"][0]["row"], plan["bad"][0]["key"] == (4, "A-3")
    assert plan["samples"][0]["request"]["prompt"] == "红灯 on a table"
    refused = api.post("/v1/campaigns", files=[*files, ("template", template)], data=data)
    assert (refused.status_code, refused.json()["errors"][0]["where"]) == (422, "lamps.csv row 4")
    more = data | {"skip_bad": "true", "first": "1", "weight": "2"}
    made = api.post("/v1/campaigns", files=[*files, ("template", template)], data=more)
    assert (made.status_code, made.json()["rows"]) == (202, 4), made.text
    assert {(cell["row"], cell["key"]) for cell in made.json()["skipped"]} == {(4, "A-3")}
    status = api.get(f"{LAMPS}/status").json()
    assert (status["rows"], status["sheet_rows"], status["weight"]) == (4, 2, 2)
    assert status["waiting_for"]["kept_back"] == 2
    assert status["budget"]["amount"] == 100


def test_a_form_may_have_its_options_in_the_query_as_well(api: httpx.Client) -> None:
    checked = api.post("/v1/campaigns", params={"name": "lamps", "dry_run": True}, **as_form(GOOD)).json()
    assert (checked["rows"], checked["dry_run"], checked["skipped"]) == (3, True, [])
    assert api.get(LAMPS).status_code == 404


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        (as_form(GOOD), 422, "name: is missing"),
        (as_form(GOOD, name="a", first="none"), 422, "first"),
        (as_form(GOOD, name="a", frist="1"), 422, "frist: is not a field we know"),
        (as_form(GOOD, name=["a", "b"]), 422, "name: is there more than once"),
        (as_form(GOOD, name="a/b"), 422, "must have no slash"),
        (as_form(GOOD, name="a", notify="anna@shop.example"), 422, "no mail can be sent: set smtp_url"),
        (as_form(GOOD, name="a", notify="anna@shop.example\r\nBcc: x@y.example"), 422, "must be a mail address"),
        (as_form("", name="a"), 422, "lamps.csv: "),
        ({"data": {"name": "a", "file": "x"}, "files": [("template", ("t", "x"))]}, 422, "file: is missing"),
        ({"files": [("sheet", ("x.csv", GOOD))], "data": {}}, 422, "sheet: is not a file we know"),
        ({"files": [("file", ("x.csv", GOOD)), ("file", ("y.csv", GOOD))]}, 422, "file: is there more than once"),
        ({"files": [("file", ("../../x.exe", GOOD))], "data": {"name": "a"}}, 422, "not 'x.exe'"),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}}, 400, "has no boundary"),
    ],
)
def test_a_form_that_cannot_be_used_is_refused(api: httpx.Client, form: dict[str, Any], status: int, said: str) -> None:
    answer = api.post("/v1/campaigns", **form)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert api.get("/v1/campaigns").json()["data"] == []


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_come_in_pages_with_their_jobs_and_filters(
    api: httpx.Client, other: httpx.Client, producer: Producer
) -> None:
    stored = create(api)
    assert [(row["row"], row["key"], row["state"], row["review"]["state"]) for row in stored] == [
        (2, "A-1", "queued", "open"),
        (3, "A-2", "queued", "open"),
        (4, "A-3", "queued", "open"),
    ]
    assert stored[0]["columns"] == {"SKU": "A-1", "名字": "红灯", "prompt": "a red lamp", "duration": "5"}
    assert stored[0]["job"]["request"]["prompt"] == "a red lamp"
    pages, cursor = [], None
    while True:
        page = api.get(f"{LAMPS}/rows", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        pages.append([row["row"] for row in page["data"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [[2, 3], [4]]
    bring(producer, stored[0]["job"]["id"], JobState.FAILED)
    assert [row["row"] for row in rows_of(api, state="failed")] == [2]
    assert [row["row"] for row in rows_of(api, state=["queued", "failed"], numbers="3-9")] == [3, 4]
    assert [row["row"] for row in rows_of(api, key=["A-1", "A-3"], review="open")] == [2, 4]
    assert rows_of(api, reason="kept_back") == []
    for params in ({"cursor": "x"}, {"numbers": "x"}, {"state": "x"}, {"limit": 0}, {"reason": "x"}, {"page": 2}):
        assert api.get(f"{LAMPS}/rows", params=params).status_code == 422, params

    [detail] = [api.get(f"{LAMPS}/rows/{stored[0]['id']}").json()]
    assert [(item["version"], item["kind"], item["job"]["state"]) for item in detail["history"]] == [
        (1, "first", "failed")
    ]
    assert api.get(f"{LAMPS}/rows/{uuid4()}").json()["code"] == "row_not_found"
    for path in (f"{LAMPS}/rows", f"{LAMPS}/status", f"{LAMPS}/videos", f"{LAMPS}/rows/{stored[0]['id']}"):
        assert other.get(path).json()["code"] == "campaign_not_found", path
    create(other)
    assert other.get(f"{LAMPS}/rows/{stored[0]['id']}").json()["code"] == "row_not_found", "the id is another tenant's"


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_decision_says_what_it_does_and_does_it_once(
    api: httpx.Client, other: httpx.Client, producer: Producer
) -> None:
    stored = create(api)
    for row, state in zip(stored, (JobState.SUCCEEDED, JobState.FAILED, JobState.GENERATING), strict=True):
        bring(producer, row["job"]["id"], state)
    said = decide(api, "retry", dry_run=True)
    assert (said["acts"], said["new_jobs"], said["done"], said["operation"]) == (1, 1, 0, None)
    assert said["cost"]["currency"] == "USD"
    assert [row["versions"] for row in rows_of(api)] == [1, 1, 1], "a dry run does nothing"

    done = decide(api, "retry", "again-1")
    assert (done["done"], done["operation"], len(done["jobs"])) == (1, "again-1", 1)
    assert decide(api, "retry", "again-1") == done | {"repeated": True}
    assert [row["versions"] for row in rows_of(api)] == [1, 2, 1]
    wrong = api.post(f"{LAMPS}/reroll", json={"rows": "2"}, headers={"Idempotency-Key": "again-1"})
    assert (wrong.status_code, "was another operation: retry" in wrong.text) == (422, True)
    assert wrong.json()["code"] == "idempotency_conflict"
    both = api.post(f"{LAMPS}/retry", json={"operation": "x"}, headers={"Idempotency-Key": "y"})
    assert (both.status_code, both.json()["errors"][0]["field"]) == (422, "operation")

    approved = decide(api, "approve", rows="2-9", comment="sharp")
    assert (approved["done"], [item["code"] for item in approved["refused"]]) == (1, ["running"])
    review = rows_of(api, review="approved")[0]["review"]
    assert (review["state"], review["by"].split(" (")[0], review["comment"]) == ("approved", "key studio", "sharp")
    assert decide(api, "reject", ids=[stored[0]["id"], str(uuid4())])["missing"][0].startswith("id ")
    rerolled = decide(api, "reroll", keys=["A-1"])
    with connect(producer.settings.require_database_url()) as conn:
        [event, *_] = history.events_of(conn, rerolled["jobs"][0]["job_id"])
    assert (event["detail"]["operation"], event["actor"]) == (rerolled["operation"], review["by"])
    assert api.get(f"{LAMPS}/rows/{stored[0]['id']}").json()["history"][-1]["kind"] == "reroll"

    for verb in ("approve", "reject", "reroll", "retry", "cancel", "set"):
        body = {"all": True} | ({"fields": {"priority": 1}} if verb == "set" else {})
        assert other.post(f"{LAMPS}/{verb}", json=body).json()["code"] == "campaign_not_found", verb


def test_an_id_that_comes_again_with_other_rows_or_values_is_refused(api: httpx.Client, producer: Producer) -> None:
    """Seen: it was answered with what the id had done for the rows of the first time."""
    stored = create(api)
    bring(producer, stored[0]["job"]["id"], JobState.SUCCEEDED)
    first = decide(api, "approve", "op", keys=["A-1", "A-2"], comment="sharp")
    same = decide(api, "approve", "op", keys=["A-2", "A-1"], comment="sharp", agreed=[stored[0]["id"]])
    assert (first["done"], same) == (1, first | {"repeated": True}), "the order of the keys is no other choice"
    others: list[dict[str, Any]] = [
        {"keys": ["A-2"], "comment": "sharp"},
        {"keys": ["A-1", "A-2"]},
        {"keys": ["A-1", "A-2"], "comment": "dull"},
        {"keys": ["A-1", "A-2"], "comment": "sharp", "states": ["succeeded"]},
        {"all": True, "dry_run": True},
    ]
    for body in others:
        refused = api.post(f"{LAMPS}/approve", json=body, headers={"Idempotency-Key": "op"})
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (422, "idempotency_conflict"), body
        said = "op was another operation: approve of other rows, or with other values; use another id"
        assert problem["detail"] == f"operation: {said}"
    decide(api, "set", "op-2", all=True, fields={"priority": 9})
    other = api.post(f"{LAMPS}/set", json={"all": True, "fields": {"priority": 1}, "operation": "op-2"})
    assert (other.status_code, {row["job"]["priority"] for row in rows_of(api)[1:]}) == (422, {9})
    with producer.database.begin() as conn:  # as an earlier release left it
        conn.execute("UPDATE campaign_operations SET asked_hash = NULL")
    assert decide(api, "approve", "op", all=True)["repeated"]


def test_only_rows_that_a_dry_run_showed_take_part(api: httpx.Client) -> None:
    stored = create(api)
    shown = [row["id"] for row in decide(api, "cancel", all=True, dry_run=True)["acting"]]
    assert decide(api, "cancel", all=True, agreed=shown[:2], dry_run=True)["acts"] == 2
    done = decide(api, "cancel", "op", all=True, agreed=shown[:2])
    assert (done["done"], [row["state"] for row in rows_of(api)]) == (2, ["cancelled", "cancelled", "queued"])
    assert decide(api, "cancel", "op", all=True) == done | {"repeated": True}
    alone = api.post(f"{LAMPS}/cancel", json={"agreed": [stored[2]["id"]]})
    assert (alone.status_code, alone.json()["errors"][0]["field"]) == (422, "agreed"), "not the whole campaign"


def test_a_paused_campaign_says_what_a_resume_would_submit_and_is_resumed_once_for_an_id(api: httpx.Client) -> None:
    create(api, paused="true")
    would = decide(api, "resume", dry_run=True)
    assert (would["acts"], [row["row"] for row in would["acting"]], would["idle"]) == (3, [2, 3, 4], [])
    assert api.get(LAMPS).json()["paused_at"] is not None
    first = decide(api, "resume", "op-1")
    assert (first["done"], first["repeated"], api.get(LAMPS).json()["paused_at"]) == (3, False, None)
    api.post(f"{LAMPS}/pause")
    again = decide(api, "resume", "op-1")
    assert (again["done"], again["repeated"]) == (3, True)
    assert api.get(LAMPS).json()["paused_at"] is not None, "paused in between"
    decided = decide(api, "cancel", "op-2")
    assert (decided["done"], decide(api, "cancel", "op-2")["repeated"]) == (3, True)


@pytest.mark.parametrize("verb", ["resume", "retry", "cancel"])
def test_one_of_many_requests_with_one_id_decides(api: httpx.Client, producer: Producer, verb: str) -> None:
    stored = create(api, paused="true")
    if verb == "retry":
        for row in stored:
            bring(producer, row["job"]["id"], JobState.FAILED)

    def ask(number: int) -> httpx.Response:
        if number % 2:
            return api.post(f"{LAMPS}/{verb}", headers={"Idempotency-Key": "op"})
        return api.post(f"{LAMPS}/{verb}", json={"operation": "op"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    documents = [answer.json() for answer in answers]
    assert sorted(document.pop("repeated") for document in documents) == [False] + [True] * 7
    assert all(document == documents[0] for document in documents) and documents[0]["done"] == 3
    [decision] = [item for item in api.get(f"{LAMPS}/status").json()["decisions"] if item["what"].endswith(verb)]
    assert decision["detail"]["operation"] == "op"
    create(api, name="shades")
    for path in (f"{LAMPS}/reroll", f"/v1/campaigns/shades/{verb}"):
        answer = api.post(path, json={"all": True, "operation": "op"})
        said = f"op was another operation: {verb}{' of another campaign' if 'shades' in path else ''}; use another id"
        assert (answer.status_code, said in answer.text) == (422, True), answer.text


def test_cancel_and_resume_are_about_the_whole_campaign_unless_rows_are_chosen(api: httpx.Client) -> None:
    create(api, first="1")
    assert decide(api, "resume", rows="3")["done"] == 1
    assert api.get(f"{LAMPS}/status").json()["waiting_for"]["kept_back"] == 1
    changed = decide(api, "set", fields={"priority": 9, "duration": 6}, all=True)
    assert changed["done"] == 3
    assert {(row["job"]["priority"], row["job"]["request"]["duration"]) for row in rows_of(api)} == {(9, 6)}
    assert decide(api, "cancel", keys=["A-2"])["done"] == 1
    assert [row["state"] for row in rows_of(api)] == ["queued", "cancelled", "queued"]
    whole = api.post(f"{LAMPS}/resume").json()
    assert (whole["name"], whole["paused_at"]) == ("lamps", None)
    assert api.get(f"{LAMPS}/status").json()["waiting_for"].get("kept_back") is None
    assert decide(api, "cancel", dry_run=True)["acts"] == 2
    assert api.post(f"{LAMPS}/cancel").json()["cancelled"] == 2


@pytest.mark.parametrize(
    ("verb", "body", "said"),
    [
        ("approve", {}, "choose rows with"),
        ("reroll", {"rows": "x"}, "rows: must be numbers and ranges"),
        ("reroll", {"rows": "1", "all": True}, "all: cannot be combined"),
        ("retry", {"states": ["lost"]}, "states"),
        ("reject", {"row": "1"}, "row: is not a field we know"),
        ("set", {"all": True}, "fields: is required"),
        ("set", {"all": True, "fields": {"draft_of": "x", "durration": 5}}, "durration: is not a field we know"),
        ("cancel", {"all": True, "operation": "a\u0000b"}, "operation: must be"),
    ],
)
def test_a_decision_that_cannot_be_read_is_refused(
    api: httpx.Client, verb: str, body: dict[str, Any], said: str
) -> None:
    create(api)
    answer = api.post(f"{LAMPS}/{verb}", json=body)
    assert (answer.status_code, said in answer.text) == (422, True), answer.text
    assert {row["state"] for row in rows_of(api)} == {"queued"}


def test_a_key_decides_only_with_the_scope_for_it_and_leaves_its_name(api: httpx.Client, configured: Settings) -> None:
    create(api)
    with connect(configured.require_database_url()) as conn:
        reader, _ = keys.new_key(conn, "default", "viewer", ["read"])
        writer, made = keys.new_key(conn, "default", "backend", ["enqueue", "read"])
    read, write = ({"Authorization": f"Bearer {key}"} for key in (reader, writer))
    assert api.get(f"{LAMPS}/rows", headers=read).status_code == 200
    refused = api.post(f"{LAMPS}/cancel", json={"all": True, "dry_run": True}, headers=read)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    api.post(f"{LAMPS}/cancel", json={"rows": "2"}, headers=write).raise_for_status()
    timeline = api.get(rows_of(api)[0]["job"]["links"]["self"] + "/timeline").json()["data"]
    assert timeline[-1]["actor"] == f"key backend ({made.id})"


# --- videos ----------------------------------------------------------------------------------------------------------


def test_videos_come_as_one_zip_file(api: httpx.Client, producer: Producer, tmp_path: Path) -> None:
    objects = Objects(producer.settings)
    objects.check_bucket()
    stored = create(api)
    assert api.get(f"{LAMPS}/videos").json()["detail"] == "no chosen row has a video yet"
    for number, row in enumerate(stored[:2]):
        content = bytes([number]) * 3_000_000
        (tmp_path / "video").write_bytes(content)
        key = f"videos/{row['job']['id']}.mp4"
        objects.put_file(tmp_path / "video", key, "video/mp4")
        facts = {"object_key": key, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        bring(producer, row["job"]["id"], JobState.SUCCEEDED, **facts)
    answer = api.get(f"{LAMPS}/videos", params={"file_name": "{名字}/{sku}.mp4"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["红灯/A-1.mp4", "蓝灯/A-2.mp4"]
        assert archive.read("蓝灯/A-2.mp4") == b"\1" * 3_000_000
    one = api.get(f"{LAMPS}/videos", params={"key": "A-2"})
    with zipfile.ZipFile(io.BytesIO(one.content)) as archive:
        assert archive.namelist() == ["A-2.mp4"]
    refused = api.get(f"{LAMPS}/videos", params={"file_name": "{colour}.mp4"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "file_name")

    key = f"videos/{stored[1]['job']['id']}.mp4"
    objects.delete([key])
    with pytest.raises(httpx.RemoteProtocolError):
        api.get(f"{LAMPS}/videos")


# --- mail ------------------------------------------------------------------------------------------------------------


def test_who_gets_mail_is_set_with_the_campaign_and_changed_later(configured: Settings) -> None:
    mail = {"smtp_url": "smtp://127.0.0.1", "smtp_from": "reelq@shop.example"}
    with serving(Settings.model_validate(configured.model_dump() | mail)) as api:
        create(api, notify=["anna@shop.example", "ben@shop.example"])
        assert api.get(LAMPS).json()["notify"] == ["anna@shop.example", "ben@shop.example"]
        for given, stored in (([], []), (["none"], []), (["ben@shop.example"], ["ben@shop.example"]), (None, None)):
            assert api.patch(LAMPS, json={"notify": given}).json()["notify"] == stored
        api.patch(LAMPS, json={"notify": ["ben@shop.example"]})
        assert api.patch(LAMPS, json={"weight": 2}).json()["notify"] == ["ben@shop.example"]
        refused = api.patch(LAMPS, json={"notify": ["ben@shop.example\nCc: x@y.example"]})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "notify")

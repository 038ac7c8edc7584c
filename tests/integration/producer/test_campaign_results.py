"""`reelq campaign export|download|sheet|share` and their routes, against a real database, store and server."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from playwright.sync_api import sync_playwright

from producer import Producer
from storage.bucket.objects import Objects
from storage.campaigns.reviews import Review, set_reviews
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import bring
from tests.integration.producer.command_line import CommandLine, Run
from tests.unit.producer.test_contact_sheet import RED

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHEET = "SKU,prompt,ratio,价格\n0012,a red lamp,16:9,=1+1\n0013,a blue lamp,9:16,5\n0014,a bad lamp,1:1,\n"
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 80_000  # larger than one block of a download


@pytest.fixture
def run(settings: Settings, command_line: CommandLine) -> Run:
    return command_line.with_environ(settings, [{"name": "main", "gateway": "anyfast", "api_key": "sk-secret"}])


@pytest.fixture
def campaign(run: Run, configured: Settings) -> Iterator[Producer]:
    """A campaign of three rows: two with videos in the store, one that failed."""
    Path("lamps.csv").write_text(SHEET, encoding="utf-8")
    code, _, err = run("campaign", "run", "lamps.csv", "--name", "lamps", "--key", "SKU", "--yes")
    assert code == 0, err
    objects = Objects(configured)
    picture = io.BytesIO()
    RED.save(picture, "JPEG")
    Path("poster.jpg").write_bytes(picture.getvalue())
    with Producer(configured) as producer:
        jobs = jobs_of(producer)
        for number, job in enumerate(jobs[:2]):
            content = VIDEO + bytes([number])
            Path("video.mp4").write_bytes(content)
            video, poster = f"videos/{job.id}.mp4", f"videos/{job.id}.jpg"
            objects.put_file(Path("video.mp4"), video, "video/mp4")
            objects.put_file(Path("poster.jpg"), poster, "image/jpeg")
            stored = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), "object_key": video}
            bring(producer, str(job.id), JobState.SUCCEEDED, **stored, poster_key=poster)
        bring(producer, str(jobs[2].id), JobState.FAILED)
        yield producer


def jobs_of(producer: Producer) -> list[JobView]:
    with producer.database.begin() as conn:
        return queries.jobs_in_order(conn, queries.JobFilter(producer.tenant, campaign="lamps"))


def exported(run: Run, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = run("campaign", "export", "lamps", *arguments)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_the_sheet_comes_back_with_its_results(campaign: Producer, run: Run) -> None:
    assert run("campaign", "export", "lamps", "--to", "back.xlsx")[0] == 0
    sheet: Any = openpyxl.load_workbook("back.xlsx").active
    header = [cell.value for cell in sheet[1]]
    assert header[:5] == ["SKU", "prompt", "ratio", "价格", "reelq state"]
    assert [[cell.value for cell in row[:5]] for row in sheet.iter_rows(min_row=2)] == [
        ["0012", "a red lamp", "16:9", "=1+1", "succeeded"],
        ["0013", "a blue lamp", "9:16", "5", "succeeded"],
        ["0014", "a bad lamp", "1:1", None, "failed"],
    ]
    assert len(sheet._images) == 2
    link = sheet.cell(2, header.index("reelq video link") + 1).hyperlink.target
    assert httpx.get(link).content == VIDEO + b"\0"

    assert run("campaign", "export", "lamps", "--to", "back.csv", "--language", "zh")[0] == 0
    text = Path("back.csv").read_text("utf-8-sig")
    assert text.splitlines()[0].startswith("SKU,prompt,ratio,价格,reelq 状态")
    assert "'=1+1" in text
    assert run("campaign", "run", "back.csv", "--name", "lamps", "--yes", "--json")[1]
    assert len(exported(run)) == 3, "its own columns are not read back: the same rows are the same jobs"
    assert run("campaign", "export", "lamps", "--to", "back.jsonl")[0] == 0
    code, _, err = run("campaign", "run", "back.jsonl", "--name", "lamps", "--yes", "--json")
    assert (code, len(exported(run)), len(jobs_of(campaign))) == (0, 3, 3), err
    assert [item["row"] for item in exported(run)] == [2, 3, 4]
    assert [item["columns"]["SKU"] for item in exported(run, "--state", "failed")] == ["0014"]
    code, _, err = run("campaign", "export", "lamps", "--to", "back.pdf")
    assert (code, err) == (2, "--to: must end in .xlsx, .csv or .jsonl, not 'back.pdf'\n")
    assert run("campaign", "export", "lamps", "--to", "nowhere/back.csv")[0] == 2
    assert run("campaign", "export", "other")[0] == 2


def test_a_download_goes_on_where_it_ended_and_replaces_what_is_not_the_video(campaign: Producer, run: Run) -> None:
    code, _, err = run("campaign", "download", "lamps", "videos", "--name", "{sku}_{ratio}.mp4")
    assert (code, err) == (0, "2 videos fetched into videos (41.0 MB)\n")
    first, second = Path("videos/0012_16-9.mp4"), Path("videos/0013_9-16.mp4")
    assert (first.read_bytes(), second.read_bytes()) == (VIDEO + b"\0", VIDEO + b"\1")

    job = jobs_of(campaign)[0]
    first.unlink()
    Path(f"videos/0012_16-9.mp4.{job.id.hex[-8:]}.part").write_bytes(VIDEO[:10_000_000])
    second.write_bytes(VIDEO + b"\2")  # as long as the video
    code, out, err = run("campaign", "download", "lamps", "videos", "--name", "{sku}_{ratio}.mp4", "--json")
    done = json.loads(out)
    assert (code, done["fetched"], done["present"], done["failed"]) == (0, 2, 0, []), err
    assert done["bytes"] == 2 * len(VIDEO) + 2 - 10_000_000
    assert (first.read_bytes(), second.read_bytes()) == (VIDEO + b"\0", VIDEO + b"\1")
    assert sorted(path.name for path in Path("videos").iterdir()) == ["0012_16-9.mp4", "0013_9-16.mp4"]

    assert run("campaign", "download", "lamps", "all.zip")[0] == 0
    with zipfile.ZipFile("all.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("0013.mp4") == VIDEO + b"\1"

    Objects(campaign.settings).delete([str(job.object_key)])
    first.unlink()
    code, _, err = run("campaign", "download", "lamps", "videos", "--name", "{sku}_{ratio}.mp4")
    assert code == 1
    assert "0012_16-9.mp4: " in err
    assert "Traceback" not in err
    assert not first.exists()
    before = Path("all.zip").read_bytes()
    assert run("campaign", "download", "lamps", "all.zip")[0] != 0
    assert Path("all.zip").read_bytes() == before, "a whole archive is not replaced by a broken one"


def test_a_reroll_that_waits_leaves_the_earlier_video_in_every_result(campaign: Producer, run: Run) -> None:
    first = jobs_of(campaign)[0]
    again = ("campaign", "reroll", "lamps", "--rows", "2", "--operation", "once")
    code, out, err = run(*again, "--yes")
    assert code == 0, err
    code, out, err = run(*again, "--yes")
    assert code == 0, err
    assert "operation once was carried out before (1 row enqueued again with another seed); nothing was done now" in err
    assert "new video" not in out + err, "what a second operation would do is not asked"
    code, out, err = run(*again, "--json")
    assert (code, json.loads(out)["done"], len(jobs_of(campaign))) == (0, 1, 4)

    row = next(item for item in exported(run) if item["row"] == 2)
    assert (row["state"], row["versions"], row["video_job_id"]) == ("queued", 2, str(first.id))
    assert row["id"] != str(first.id)
    assert httpx.get(row["video_url"]).content == VIDEO + b"\0"
    assert run("campaign", "download", "lamps", "videos", "--name", "{sku}_{ratio}.mp4")[0] == 0
    assert Path("videos/0012_16-9.mp4").read_bytes() == VIDEO + b"\0"
    assert run("campaign", "export", "lamps", "--to", "back.xlsx")[0] == 0
    sheet: Any = openpyxl.load_workbook("back.xlsx").active
    cells = {sheet.cell(1, place).value: sheet.cell(2, place).value for place in range(1, sheet.max_column + 1)}
    assert (cells["reelq state"], cells["reelq video link"]) == ("queued", "open")
    assert cells["reelq advice"].startswith("A new version is being made.")
    assert len(sheet._images) == 2
    assert run("campaign", "sheet", "lamps", "--to", "wall.html")[0] == 0
    page = Path("wall.html").read_text("utf-8")
    assert (page.count("data:image/webp;base64,"), page.count("A new version is being made.")) == (2, 1)

    new = next(job for job in jobs_of(campaign) if str(job.id) == row["id"])
    bring(campaign, str(new.id), JobState.SUCCEEDED, object_key=f"videos/{new.id}.mp4", size_bytes=5)
    row = next(item for item in exported(run) if item["row"] == 2)
    assert (row["state"], row["video_job_id"], row["size_bytes"]) == ("succeeded", str(new.id), 5)


def test_a_shared_wall_needs_no_key_and_shows_no_more_than_it_should(
    campaign: Producer, run: Run, api: httpx.Client
) -> None:
    code, out, err = run("campaign", "share", "lamps", "--days", "2", "--json")
    assert code == 0, err
    path = json.loads(out)["url"].partition("/share/")[1:]
    url = "".join(path)
    outside = {"X-Forwarded-For": "203.0.113.9"}  # not a program of this machine
    assert api.get("/v1/campaigns/lamps", headers=outside).status_code == 401
    page = api.get(url, headers=outside)
    assert page.status_code == 200
    assert (page.text.count("<article"), "a bad lamp" in page.text) == (2, False), "failures are not for others"
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    assert '<link rel="icon" href="data:,">' in page.text, "else browsers ask for /favicon.ico, which needs a key"
    files = [part.split('"')[0] for part in page.text.split('data-video="')[1:]]
    answer = api.get(files[0], headers=outside | {"Range": "bytes=4-7"}, follow_redirects=True)
    assert answer.content == b"ftyp"

    rows = exported(run)
    with campaign.database.begin() as conn:
        [[campaign_id]] = conn.execute("SELECT id FROM campaigns WHERE name = 'lamps'").fetchall()
        row_id = files[0].split("/")[-2]
        [[row]] = conn.execute("SELECT id FROM campaign_rows WHERE id = %s", [row_id]).fetchall()
        set_reviews(conn, campaign_id, [row], Review.REJECTED)
    assert api.get(files[0], headers=outside).status_code == 404, "a rejected video is not shown any more"
    assert api.get(url, headers=outside).text.count("<article") == 1
    assert api.get(f"{url}/{rows[2]['id']}/video", headers=outside).status_code == 404
    assert api.get(url[:-1] + ("A" if url[-1] != "A" else "B"), headers=outside).status_code == 404

    with campaign.database.begin() as conn:
        other, _ = keys.new_key(conn, "other", "key", ["admin"])
        own, _ = keys.new_key(conn, "default", "key", ["admin"])
    stranger = {"Authorization": f"Bearer {other}"}
    for method, of in (("GET", "shares"), ("POST", "shares"), ("GET", "export"), ("GET", "sheet")):
        assert api.request(method, f"/v1/campaigns/lamps/{of}", headers=stranger).status_code == 404
    api.headers["Authorization"] = f"Bearer {own}"
    [share] = api.get("/v1/campaigns/lamps/shares").json()["data"]
    gone = f"/v1/campaigns/lamps/shares/{share['id']}"
    assert api.delete(gone, headers=stranger).status_code == 404
    assert api.delete(gone).status_code == 204
    assert api.get(url, headers=outside).status_code == 404
    made = api.post("/v1/campaigns/lamps/shares", json={"approved_only": True}).json()
    assert api.get(made["url"], headers=outside).text.count("<article") == 0


def test_the_routes_give_the_same_files(campaign: Producer, api: httpx.Client) -> None:
    book = api.get("/v1/campaigns/lamps/export")
    assert book.headers["content-disposition"] == "attachment; filename*=UTF-8''lamps.xlsx"
    sheet: Any = openpyxl.load_workbook(io.BytesIO(book.content)).active
    assert sheet.max_row == 4
    text = api.get("/v1/campaigns/lamps/export", params={"format": "csv", "state": "failed"}).content.decode(
        "utf-8-sig"
    )
    assert len(text.splitlines()) == 2
    lines = api.get("/v1/campaigns/lamps/export", params={"format": "jsonl"}).text.splitlines()
    assert [json.loads(line)["columns"]["SKU"] for line in lines] == ["0012", "0013", "0014"]
    wall = api.get("/v1/campaigns/lamps/sheet").text
    assert wall.count("data:image/webp;base64,") == 2
    assert api.get("/v1/campaigns/none/export").status_code == 404


def test_a_page_of_all_videos_opens_from_disk(campaign: Producer, run: Run) -> None:
    assert run("campaign", "sheet", "lamps", "--to", "wall.html", "--language", "zh")[0] == 0
    page = Path("wall.html").read_text("utf-8")
    assert '<html lang="zh">' in page
    assert (page.count("<article"), page.count("data:image/webp;base64,")) == (3, 2)
    assert "<script src" not in page
    assert "stylesheet" not in page
    assert run("campaign", "sheet", "lamps", "--to", "wall.pdf")[0] == 2


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: install it, or set CHROMIUM to its path")
def test_a_page_of_videos_offers_only_what_its_cards_have(campaign: Producer, run: Run, api: httpx.Client) -> None:
    """Seen: a shared page, which shows finished videos alone, offered every state and review of a campaign."""
    assert run("campaign", "sheet", "lamps", "--to", "wall.html")[0] == 0
    shared = api.post("/v1/campaigns/lamps/shares", json={}).raise_for_status().json()["url"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(Path("wall.html").resolve().as_uri())
        offered = page.locator("#state option").evaluate_all("options => options.map(option => option.value)")
        assert offered == ["", "succeeded", "failed"]
        assert page.locator("#review").is_hidden(), "every row is open"
        pictures = page.locator(".frame img").evaluate_all("pictures => pictures.map(picture => picture.naturalWidth)")
        assert len(pictures) == 2 and all(pictures)
        page.fill("#search", "0013 BLUE")
        assert page.locator("#count").text_content() == "1 / 3"
        assert page.locator("article:not([hidden]) .prompt").get_attribute("title") == "a blue lamp"
        page.fill("#search", "5")  # in a column that the card does not show
        assert page.locator("article:not([hidden]) h2 span").all_text_contents() == ["0013"]
        page.goto(shared)
        assert page.locator("article").count() == 2
        assert page.locator("#state").is_hidden() and page.locator("#review").is_hidden()
        browser.close()


@pytest.mark.parametrize("column", ["idempotency_key", "own"])
def test_the_same_sheet_after_a_row_was_set_changes_and_makes_nothing(
    run: Run, configured: Settings, column: str
) -> None:
    def again(second: str) -> tuple[int, str, str]:
        Path("keyed.csv").write_text(f"{column},prompt\nK-1,a red lamp\nK-2,{second}\n", encoding="utf-8")
        return run("campaign", "run", "keyed.csv", "--name", "lamps", "--yes", "--json")

    assert again("a blue lamp")[0] == 0
    assert run("campaign", "set", "lamps", "--rows", "2", "--field", "duration=5", "--json")[0] == 0
    with Producer(configured) as producer:
        for state in (None, JobState.SUCCEEDED):
            if state is not None:
                bring(producer, str(jobs_of(producer)[0].id), state)
            code, out, err = again("a blue lamp")
            assert (code, json.loads(out or "{}").get("created")) == (0, 0), err
            assert [job.request.get("duration") for job in jobs_of(producer)] == [5, None], "what was set stays"
    code, out, err = again("a green lamp")
    if column == "own":
        assert (code, json.loads(out)["created"]) == (0, 1), "an edited row without a key is a new one"
    else:
        assert code == 2 and "K-2" in err, "a key with another request"

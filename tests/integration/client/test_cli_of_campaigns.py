"""Campaigns from elsewhere: planned, run, exported, downloaded and shared as at the server."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest

from producer import Producer
from producer.operator_actions.tenants import create_key
from storage.bucket.objects import Objects
from storage.jobs import queries
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring
from tests.integration.client.elsewhere import Run, both

Away = dict[str, str]
SHEET = "SKU,prompt,ratio\n0012,a red lamp,16:9\n0013,a blue lamp,9:16\n0014,a bad lamp,1:1\n"
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40_000  # larger than one block of a download
ID, TOOK = re.compile(r"[0-9a-f-]{36}"), re.compile(r"\d+(\.\d+)? s")
LINK = re.compile(r"https?://[^\s\",]+")


@pytest.fixture
def sheet(tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "lamps.csv"
    path.write_text(SHEET, encoding="utf-8")
    return path


@pytest.fixture
def acme(api: httpx.Client, producer: Producer) -> Away:
    with producer.database.begin() as conn:
        key, _ = create_key(conn, "acme", "laptop", ["read", "enqueue"], None)
    return {"REELQ_API_URL": str(api.base_url), "REELQ_API_KEY": key}


def with_videos(producer: Producer, settings: Settings, ids: list[str], video: Path) -> None:
    """Two rows get videos; the third fails."""
    objects = Objects(settings)
    objects.check_bucket()
    video.write_bytes(VIDEO)
    for job_id in ids[:2]:
        key = f"videos/{job_id}.mp4"
        objects.put_file(video, key, "video/mp4")
        facts = {"size_bytes": len(VIDEO), "sha256": hashlib.sha256(VIDEO).hexdigest()}
        bring(producer, job_id, JobState.SUCCEEDED, object_key=key, **facts)
    bring(producer, ids[2], JobState.FAILED)


def test_a_plan_is_the_same(run: Run, away: Away, sheet: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("SKU,prompt,duration\n1,a lamp,5\n2,,5\n3,a lamp,99\n", encoding="utf-8")
    for arguments in (
        (sheet, "--budget", "5 USD", "--name", "lamps"),
        (sheet, "--key", "SKU", "--prompt", "{{ SKU }} turns", "--no-fetch"),
        (bad,),
        (bad, "--map", "SKU=prompt=x"),
        (tmp_path / "none.csv",),
    ):
        local, remote = run("campaign", "plan", *arguments, here=True), run("campaign", "plan", *arguments, **away)
        assert (remote[0], timeless(remote[1]), remote[2]) == (local[0], timeless(local[1]), local[2])
        local, remote = (run("campaign", "plan", *arguments, "--json", **how) for how in ({"here": True}, away))
        assert remote[0] == local[0]
        assert not local[1] or documents(remote[1]) == documents(local[1])
    code, _, err = run("campaign", "plan", bad, "--write-errors", tmp_path / "errors.csv", **away)
    assert code == 2 and "the bad rows are in" in err
    assert "duration" in (tmp_path / "errors.csv").read_text("utf-8-sig").splitlines()[3]


def timeless(text: str) -> str:
    return re.sub(r"  finish  .*", "", text)


def documents(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text)
    assert set(found.pop("finish")) == {"p50", "p90", "p50_s", "p90_s", "assumes"}  # type: ignore[call-overload]  # a dict
    return found


def test_a_run_is_the_same_once_and_bad_rows_store_nothing(
    run: Run, away: Away, acme: Away, sheet: Path, tmp_path: Path, producer: Producer
) -> None:
    code, out, err = run("campaign", "run", sheet, "--name", "lamps", "--key", "SKU", "--first", "1", "--json", **away)
    assert code == 0 and "lamps: 3 rows, 3 new; the rest after the first 1 waits" in err, err
    found = json.loads(out)
    assert (found["created"], len(found["ids"]), found["counts"]) == (3, 3, {"queued": 3})
    again = json.loads(run("campaign", "run", sheet, "--name", "lamps", "--key", "SKU", "--json", here=True)[1])
    assert (again["created"], again["ids"]) == (0, found["ids"])
    assert run("campaign", "resume", "lamps", **away)[0] == 0
    bad = tmp_path / "bad.csv"
    bad.write_text("prompt,duration\na lamp,5\na lamp,99\n", encoding="utf-8")
    assert both(run, away, "campaign", "run", bad, "--name", "bad")[0] == 2
    assert run("campaign", "pause", "bad", **away)[0] == 2, "nothing was stored"
    # Held rows end the waiting, failed ones set the exit code.
    for job_id in found["ids"]:
        bring(producer, job_id, JobState.FAILED)
    code, out, err = run("campaign", "run", sheet, "--name", "lamps", "--key", "SKU", "--wait", "--json", **away)
    assert code == 1 and json.loads(out)["counts"] == {"failed": 3} and f"{found['ids'][0]} failed" in err
    code, out, err = run("campaign", "run", sheet, "--name", "later", "--paused", "--wait", "--json", **away)
    assert code == 1 and json.loads(out)["standstill"][0]["code"] == "paused" and "stopped waiting" in err
    # The same name of another tenant is another campaign.
    assert json.loads(run("campaign", "run", sheet, "--name", "lamps", "--json", **acme)[1])["created"] == 3


def test_bad_rows_are_skipped_and_written_as_at_the_server(run: Run, away: Away, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("SKU,prompt,duration\nb1,a lamp,5\nb2,a lamp,99\nb3,,5\n", encoding="utf-8")
    errors = tmp_path / "errors.csv"
    said: list[Any] = []
    for name, how in (("bad-1", {"here": True}), ("bad-2", away)):
        run_bad = ("campaign", "run", bad, "--name", name, "--key", "SKU", "--write-errors", errors)
        refused = run(*run_bad, **how)
        assert refused[0] == 2 and "the bad rows are in" in refused[2]
        assert "duration" in errors.read_text("utf-8-sig").splitlines()[2]
        errors.unlink()
        code, out, err = run(*run_bad, "--skip-bad", "--json", **how)
        assert code == 0 and errors.exists(), err
        found = json.loads(out)
        assert (found["rows"], found["skipped"], len(found.pop("ids"))) == (1, 2, 1)
        said.append((refused[2], json.dumps(found).replace(name, ""), err.replace(name, "")))
    assert said[1] == said[0]


def test_a_run_says_what_waits_as_at_the_server(
    run: Run, away: Away, sheet: Path, tmp_path: Path, producer: Producer
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("SKU,prompt,ratio,priority\n0012,a red lamp,16:9,3\n0099,a new lamp,1:1,\n", encoding="utf-8")
    later = ("--start-at", "2090-01-01 10:00", "--time-zone", "UTC")
    said: list[Any] = []
    for name, how in (("later-1", {"here": True}), ("later-2", away)):
        runs = [
            run("campaign", "run", sheet, "--name", name, "--key", "SKU", "--proof", "--first", "1", *later, **how),
            run("campaign", "run", other, "--name", name, "--key", "SKU", "--proof", **how),
        ]
        assert [code for code, _, _ in runs] == [0, 0], runs
        said.append([ID.sub("ID", part.replace(name, "")) for _, out, err in runs for part in (out, err)])
        with producer.database.begin() as conn:
            jobs = queries.page_of_jobs(conn, queries.JobFilter("default", campaign=name))
        for job in jobs:
            bring(producer, str(job.id), JobState.SUCCEEDED)
        code, out, err = run(
            "campaign", "run", sheet, "--name", name, "--key", "SKU", "--proof", "--wait", "--json", **how
        )
        assert code == 0, err
        said.append([code, [why["code"] for why in json.loads(out)["standstill"]], TOOK.sub("", err.replace(name, ""))])
    assert said[2:] == said[:2]
    assert "starts at 2090-01-01" in said[0][1] and "not here   2 rows of an earlier file" in said[0][3]


def test_results_are_the_same(
    run: Run, away: Away, acme: Away, sheet: Path, tmp_path: Path, producer: Producer, configured: Settings
) -> None:
    code, out, err = run("campaign", "run", sheet, "--name", "lamps", "--key", "SKU", "--json", here=True)
    assert code == 0, err
    with_videos(producer, configured, json.loads(out)["ids"], tmp_path / "video.mp4")
    for suffix in ("csv", "jsonl", "xlsx"):
        for side, how in (("here", {"here": True}), ("away", away)):
            code, _, err = run("campaign", "export", "lamps", "--to", tmp_path / f"{side}.{suffix}", **how)
            assert (code, err) == (0, f"wrote 3 rows of lamps to {tmp_path / f'{side}.{suffix}'}\n")
    for suffix in ("csv", "jsonl"):
        local, remote = (LINK.sub("", (tmp_path / f"{side}.{suffix}").read_text("utf-8")) for side in ("here", "away"))
        assert remote == local
    shown = openpyxl.load_workbook(tmp_path / "away.xlsx").worksheets[0]
    assert [cell.value for cell in shown[2]][:3] == ["0012", "a red lamp", "16:9"]
    assert LINK.sub("", run("campaign", "export", "lamps", **away)[1]) == LINK.sub(
        "", run("campaign", "export", "lamps", here=True)[1]
    )
    assert run("campaign", "sheet", "lamps", "--to", tmp_path / "wall.html", **away)[0] == 0
    assert "a red lamp" in (tmp_path / "wall.html").read_text("utf-8")
    both(run, away, "campaign", "export", "autumn")
    assert run("campaign", "export", "lamps", **acme)[0] == 2

    name = ("--name", "{sku}_{ratio}.mp4")
    code, _, err = run("campaign", "download", "lamps", tmp_path / "videos", *name, **away)
    assert (code, err) == (0, f"2 videos fetched into {tmp_path / 'videos'} (20.5 MB)\n")
    assert {path.name for path in (tmp_path / "videos").iterdir()} == {"0012_16-9.mp4", "0013_9-16.mp4"}
    assert all(path.read_bytes() == VIDEO for path in (tmp_path / "videos").iterdir())
    both(run, away, "campaign", "download", "lamps", tmp_path / "videos", *name)
    code, out, _ = run("campaign", "download", "lamps", tmp_path / "all.zip", "--json", **away)
    assert (code, json.loads(out)["bytes"]) == (0, 2 * len(VIDEO))
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == ["0012.mp4", "0013.mp4"] and archive.testzip() is None

    code, out, _ = run("campaign", "share", "lamps", "--json", **away)
    made = json.loads(out)
    assert httpx.get(made["url"]).status_code == 200
    assert both(run, away, "campaign", "share", "lamps", "--list", "--json")[0] == 0
    assert run("campaign", "share", "lamps", "--revoke", made["id"], **acme)[0] == 2
    assert run("campaign", "share", "lamps", "--revoke", made["id"], **away)[0] == 0
    assert httpx.get(made["url"]).status_code == 404
    both(run, away, "campaign", "share", "lamps", "--revoke", "01890a5d-ac96-774b-bcce-b302099a8057")

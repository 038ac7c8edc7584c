"""Files of jobs as assets: a real table, a real bucket, and the simulator as the gateway that bills each upload."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from producer import Job, Producer
from producer.cli import main as cli
from producer.job_fields import JobFields
from seedance.assets import DEFAULT_GROUP
from simulator.main import SimulatorOptions, running
from storage import assets
from storage.database import DEFAULT_LIMITS, Database, connect
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.claiming import claim_submits
from tests.media_files import clip, picture, sound
from tests.servers import TestServers, environ_for
from tests.waiting import wait_for
from worker.runtime import Runtime
from worker.submitting.submit import submit_batch

Run = Callable[..., tuple[int, str, str]]
S = JobState


class World:
    """One account at one simulator, a producer and a worker."""

    def __init__(self, settings: Settings, url: str, **account: Any) -> None:
        main = {"name": "main", "gateway": "anyfast", "api_key": "sk-test", "base_url": f"{url}/anyfast"} | account
        self.settings = Settings.model_validate(settings.model_dump() | {"accounts": [main]})
        self.url = url
        self.producer = Producer(self.settings)
        self.runtime = Runtime(self.settings)
        self.database = Database(self.settings.require_database_url(), name="test", size=2, limits=DEFAULT_LIMITS)

    def close(self) -> None:
        self.producer.close()
        self.runtime.close()
        self.database.close()

    def submit(self) -> int:
        """One round of what scheduler and worker do with queued jobs."""
        with self.database.begin() as conn:
            claimed = claim_submits(conn, "main", "anyfast", 50, 60.0)
        if claimed:
            submit_batch(self.runtime, "main", [(item.id, item.claim) for item in claimed])
        return len(claimed)

    def submit_until(self, job: Job, state: JobState = S.GENERATING) -> Job:
        """Run rounds until the job is in that state; all waiting jobs are due in each round."""

        def found() -> Job | None:
            self.make_due()
            self.submit()
            now = self.producer.get(job.id)
            return now if now.state is state else None

        return wait_for(f"the job is {state}", found)

    def make_due(self) -> None:
        with self.database.begin() as conn:
            conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'queued'")

    def ledger(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{self.url}/_sim/ledger").json()
        return found

    def arm(self, *rules: dict[str, Any]) -> None:
        assert httpx.post(f"{self.url}/_sim/faults", json=list(rules)).status_code == 200

    def rows(self) -> list[assets.AssetRow]:
        with self.database.begin() as conn:
            return list(assets.list_assets(conn))


@pytest.fixture
def url() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, asset_seconds=1, strict_assets=True, median_seconds=60)) as url:
        yield url


@pytest.fixture
def make(settings: Settings, url: str) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def build(**account: Any) -> World:
        made.append(World(settings, url, **account))
        return made[-1]

    yield build
    for world in made:
        world.close()


def end_claims(settings: Settings) -> None:
    """Let every claim on an asset be an hour old."""
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE assets SET updated_at = updated_at - interval '1 h'")


def image(tmp_path: Path, colour: int = 0) -> str:
    path = tmp_path / f"hero-{colour}.png"
    path.write_bytes(picture(colour=colour))
    return str(path)


def test_a_file_becomes_an_asset_once_for_every_job_that_names_it(make: Callable[..., World], tmp_path: Path) -> None:
    world = make()
    files: JobFields = {
        "reference_images": [image(tmp_path)],
        "reference_videos": [str(clip(tmp_path / "walk.mp4", 3))],
    }
    first = world.producer.enqueue("one", **files)
    assert world.submit() == 1
    waiting = world.producer.get(first.id)
    assert (waiting.state, waiting.reason, waiting.account) == (S.QUEUED, "asset_processing", None)
    assert waiting.due_at is not None
    assert world.ledger()["totals"]["tasks"] == 0
    second = world.producer.enqueue("two", **files)
    for job in (first, second):
        world.submit_until(job)
    ledger = world.ledger()
    assert ledger["totals"]["asset_calls_billed"] == {"volc-asset": 2, "volc-asset-video": 1}, "a group and two files"
    ids = {asset["kind"]: asset["id"] for asset in ledger["assets"]}
    for task in ledger["tasks"]:
        named = [part[part["type"]]["url"] for part in task["body"]["content"] if part["type"] != "text"]
        assert named == [f"asset://{ids['image']}", f"asset://{ids['video']}"]
    assert {asset["url"].split("?")[0].rpartition("/")[0] for asset in ledger["assets"]} == {
        f"{world.settings.s3_endpoint_url}/{world.settings.s3_bucket}/inputs/default"
    }, "the gateway was given links: no bytes passed through the worker"
    assert {(row.status, row.modality) for row in world.rows()} == {("active", "image"), ("active", "video")}


def test_two_workers_upload_a_file_once(make: Callable[..., World], tmp_path: Path) -> None:
    one, two = make(), make()
    found = [one.producer.enqueue(f"shot {number}", first_frame=image(tmp_path)) for number in range(20)]
    with connect(one.settings.require_database_url()) as conn:
        claimed = claim_submits(conn, "main", "anyfast", 50, 60.0)
    halves = [[(item.id, item.claim) for item in claimed[start::2]] for start in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        for world, half in zip((one, two), halves, strict=True):
            pool.submit(submit_batch, world.runtime, "main", half)
    for job in found:
        one.submit_until(job)
    ledger = one.ledger()
    assert ledger["totals"]["asset_calls_billed"] == {"volc-asset": 2}
    assert ledger["totals"]["tasks"] == 20


def test_an_upload_whose_answer_was_lost_is_found_again_and_not_repeated(
    make: Callable[..., World], tmp_path: Path
) -> None:
    world = make()
    world.submit_until(world.producer.enqueue("warm up", first_frame=image(tmp_path, 1)))
    before = world.ledger()["totals"]["asset_calls_billed"]["volc-asset"]
    job = world.producer.enqueue("lost", first_frame=image(tmp_path, 2))
    # The first call is the free lookup, the second the upload: executed, with its answer lost.
    world.arm({"kind": "close_after_accept", "where": "asset", "after": 1, "times": 1})
    for _ in range(3):
        world.make_due()
        assert world.submit() == 1
        assert world.producer.get(job.id).state is S.QUEUED, "no worker takes it over before the claim ends"
    end_claims(world.settings)
    world.submit_until(job)
    assert world.ledger()["totals"]["asset_calls_billed"]["volc-asset"] == before + 1


def test_an_asset_that_fails_fails_its_jobs_with_the_reason(make: Callable[..., World], tmp_path: Path) -> None:
    world = make()
    world.arm({"kind": "asset_fails", "where": "asset"})
    job = world.producer.enqueue("refused", first_frame=image(tmp_path))
    failed = world.submit_until(job, S.FAILED)
    assert failed.error is not None
    assert failed.error["code"] == "asset_failed"
    assert "The asset did not pass the review" in failed.error["message"]
    again = world.submit_until(world.producer.enqueue("again", first_frame=image(tmp_path)), S.FAILED)
    assert again.error == failed.error
    assert world.ledger()["totals"]["asset_calls_billed"] == {"volc-asset": 2}, "a failed file is not uploaded again"
    assert world.ledger()["totals"]["tasks"] == 0


def test_a_group_that_is_gone_at_the_gateway_is_made_again(
    settings: Settings, make: Callable[..., World], tmp_path: Path
) -> None:
    world, key = make(), assets.group_key(DEFAULT_GROUP)

    def group() -> str | None:
        with world.database.begin() as conn:
            return assets.get(conn, "main", [key])[key].asset_id

    world.submit_until(world.producer.enqueue("a lamp turns", first_frame=image(tmp_path)))
    old = group()
    assert httpx.post(f"{world.url}/_sim/reset").status_code == 200  # a person deletes the group, with its assets
    young = world.submit_until(world.producer.enqueue("at once", first_frame=image(tmp_path, 1)), S.FAILED)
    assert young.error is not None and "GroupId does not exist" in young.error["message"]
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE assets SET created_at = created_at - interval '1 h'")
    world.submit_until(world.producer.enqueue("an hour later", first_frame=image(tmp_path, 2)))
    assert group() not in (None, old)
    assert world.ledger()["totals"]["asset_calls_billed"] == {"volc-asset": 2}, "a group and a file"
    world.submit_until(world.producer.enqueue("with the first file", first_frame=image(tmp_path)))
    assert world.ledger()["totals"]["asset_calls_billed"] == {"volc-asset": 3}, "its asset was gone with the group"


def test_a_key_that_may_make_no_assets_gets_links(make: Callable[..., World], tmp_path: Path) -> None:
    world = make()
    body = {"code": "model_not_found", "message": "no channel for volc-asset"}
    world.arm({"kind": "status", "where": "asset", "status": 503, **body})
    job = world.submit_until(world.producer.enqueue("linked", first_frame=image(tmp_path)))
    [task] = world.ledger()["tasks"]
    assert task["body"]["content"][1]["image_url"]["url"].startswith(f"{world.settings.s3_endpoint_url}/")
    assert job.attempt == 1


def test_an_account_that_insists_on_assets_gets_no_links(make: Callable[..., World], tmp_path: Path) -> None:
    world = make(assets=True)
    body = {"code": "model_not_found", "message": "no channel for volc-asset"}
    world.arm({"kind": "status", "where": "asset", "status": 503, **body})
    failed = world.submit_until(world.producer.enqueue("x", first_frame=image(tmp_path)), S.FAILED)
    assert failed.error is not None
    assert "no channel for volc-asset" in failed.error["message"]
    again = world.submit_until(world.producer.enqueue("y", first_frame=image(tmp_path, 1)), S.FAILED)
    assert again.error == failed.error, "the gateway's refusal also counts for the next file"


def test_an_account_without_assets_gets_links_at_no_cost(make: Callable[..., World], tmp_path: Path) -> None:
    world = make(assets=False)
    world.producer.enqueue("linked", first_frame=image(tmp_path))
    world.submit()
    ledger = world.ledger()
    assert ledger["totals"]["asset_calls_billed"] == {}
    assert ledger["tasks"][0]["body"]["content"][1]["image_url"]["url"].startswith("http://127.0.0.1")


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"kind": "rate_limit", "retry_after": 1, "first": 1}, "throttled"),
        (
            {"kind": "status", "status": 500, "code": "get_channel_failed", "message": "x", "first": 1},
            "gateway_unavailable",
        ),
        ({"kind": "garbage", "first": 1}, "gateway_unavailable"),
    ],
)
def test_failed_asset_calls_requeue_the_job(
    make: Callable[..., World], tmp_path: Path, rule: dict[str, Any], reason: str
) -> None:
    world = make()
    world.arm(rule | {"where": "asset"})
    job = world.producer.enqueue("x", first_frame=image(tmp_path))
    world.submit()
    put_back = world.producer.get(job.id)
    assert (put_back.state, put_back.reason, put_back.attempt) == (S.QUEUED, reason, 0)
    world.submit_until(job)
    assert world.ledger()["totals"]["asset_calls_billed"] == {"volc-asset": 2}


def test_a_bucket_the_gateway_cannot_reach_is_sent_as_bytes(
    make: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "bucket_reachable_by", lambda self, account: False)
    world = make()
    world.submit_until(world.producer.enqueue("form", first_frame=image(tmp_path)))
    [asset] = world.ledger()["assets"]
    assert (asset["url"], asset["size"]) == ("", len(picture()))
    assert asset["sha256"] == world.rows()[0].sha256
    other = make(assets=False)
    other.submit_until(other.producer.enqueue("inline", first_frame=image(tmp_path, 5)))
    sent = next(task for task in other.ledger()["tasks"] if task["prompt"] == "inline")
    assert sent["body"]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("account", [{"assets": False}, {}])
def test_a_file_that_is_gone_from_the_bucket_fails_its_job_and_no_other(
    make: Callable[..., World],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    servers: TestServers,
    account: dict[str, Any],
) -> None:
    monkeypatch.setattr(Settings, "bucket_reachable_by", lambda self, account: False)
    world = make(**account)
    job = world.producer.enqueue("gone", first_frame=image(tmp_path))
    bucket = world.settings.s3_bucket
    [stored] = servers.s3_client.list_objects_v2(Bucket=bucket, Prefix="inputs/")["Contents"]
    servers.s3_client.delete_object(Bucket=bucket, Key=stored["Key"])
    failed = world.submit_until(job, S.FAILED)
    assert failed.error is not None
    assert "no longer in the bucket" in failed.error["message"]
    assert world.ledger()["totals"]["tasks"] == 0
    world.submit_until(world.producer.enqueue("here again", first_frame=image(tmp_path)))


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(
    settings: Settings,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Run:
    accounts = [
        {"name": "main", "gateway": "anyfast", "api_key": "sk-test", "base_url": f"{url}/anyfast"},
        {"name": "evo", "gateway": "evolink", "api_key": "sk-evo"},
    ]
    monkeypatch.chdir(tmp_path)
    for name, value in (environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps(accounts)}).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(["assets", *arguments])
        captured = capsysbinary.readouterr()
        return code, captured.out.decode(), captured.err.decode()

    return run


def test_the_command_uploads_a_file_once_and_jobs_use_it(run: Run, make: Callable[..., World], tmp_path: Path) -> None:
    hero, walk, beat = image(tmp_path), clip(tmp_path / "walk.mp4", 3), sound(tmp_path / "beat.wav", 3)
    code, out, err = run("upload", hero, str(walk), str(beat), "--group", "spring", "--json")
    assert code == 0, err
    uploaded = json.loads(out)
    assert [(item["status"], item["is_new"]) for item in uploaded] == [("active", True)] * 3
    world = make()
    billed = world.ledger()["totals"]["asset_calls_billed"]
    assert billed == {"volc-asset": 2, "volc-asset-video": 1, "volc-asset-audio": 1}
    assert {asset["size"] for asset in world.ledger()["assets"]} == {
        path.stat().st_size for path in (Path(hero), walk, beat)
    }
    code, out, _ = run("upload", hero, "--account", "main")
    assert (code, out) == (0, f"{uploaded[0]['asset']}  {hero}  (known)\n")
    world.submit_until(world.producer.enqueue("by path", first_frame=hero))
    world.submit_until(world.producer.enqueue("by name", first_frame=uploaded[0]["asset"]))
    ledger = world.ledger()
    assert ledger["totals"]["asset_calls_billed"] == billed, "neither the group nor the file is created again"
    assert {task["body"]["content"][1]["image_url"]["url"] for task in ledger["tasks"]} == {uploaded[0]["asset"]}

    listed = json.loads(run("list", "--json")[1])
    assert [(row["account"], row["modality"], row["status"]) for row in listed] == [
        ("main", "image", "active"),
        ("main", "video", "active"),
        ("main", "audio", "active"),
    ]
    assert json.loads(run("list", "--account", "evo", "--json")[1]) == []
    remote = json.loads(run("list", "--remote", "--json")[1])
    assert {row["asset"] for row in remote} == {row["asset"] for row in listed}
    assert "ACCOUNT  STATUS  ASSET" in run("list")[1]


def test_the_command_names_files_that_cannot_be_uploaded(run: Run, make: Callable[..., World], tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(picture(100, 100))
    (tmp_path / "notes.txt").write_text("x")
    code, _, err = run("upload", "small.png", "notes.txt", "missing.png")
    assert code == 2
    assert "small.png: an asset must have sides of 300 to 6000 pixels, not 100x100" in err
    assert "notes.txt is not a picture, video or sound" in err
    assert "missing.png does not exist" in err
    code, _, err = run("upload", image(tmp_path), "--account", "evo")
    assert (code, err) == (2, "account: evolink takes no assets through its API; accounts that do: main\n")
    world = make()
    world.arm({"kind": "asset_fails", "where": "asset"})
    code, out, _ = run("upload", image(tmp_path))
    assert code == 1
    assert out.startswith("failed: ")
    assert "The asset did not pass the review" in out
    httpx.delete(f"{world.url}/_sim/faults")
    code, out, _ = run("upload", image(tmp_path))
    assert code == 0, "a repeated command tries again"
    assert out.startswith("asset://")


def test_an_upload_by_command_whose_answer_was_lost_is_not_repeated(
    run: Run,
    make: Callable[..., World],
    tmp_path: Path,
) -> None:
    assert run("upload", image(tmp_path, 1))[0] == 0
    world = make()
    world.arm({"kind": "close_after_accept", "where": "asset", "after": 1, "times": 1})
    code, out, _ = run("upload", image(tmp_path, 2))
    assert code == 1
    assert out.startswith("unknown: ")
    billed = world.ledger()["totals"]["asset_calls_billed"]
    end_claims(world.settings)
    code, out, _ = run("upload", image(tmp_path, 2))
    assert (code, out.startswith("asset://")) == (0, True)
    assert world.ledger()["totals"]["asset_calls_billed"] == billed

"""One of two accounts at a gateway cannot send a job's files there: the job is requeued, and the other account serves
it. A job fails only if no account can serve it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from producer.operator_actions.waiting import why_it_waits
from simulator.main import SimulatorOptions, running
from storage.accounts.live import LiveSettings
from storage.jobs import claims, queries
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.submitting.rounds import World
from tests.media_files import clip, picture
from worker.scheduling.maintenance import barred_everywhere
from worker.submitting import inputs

NEAR, FAR = "near", "far"  # only one of them can fetch from our bucket
Make = Callable[..., World]


@pytest.fixture
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, asset_seconds=0.0, median_seconds=60)) as url:
        yield url


@pytest.fixture
def make(settings: Settings, gateway: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(Settings, "bucket_reachable_by", lambda self, account: account.name == NEAR)
    worlds: list[World] = []

    def world(far: dict[str, Any], near: dict[str, Any] | None = None) -> World:
        there = {"gateway": "anyfast", "base_url": f"{gateway}/anyfast"}
        # The account that cannot send files comes first, so that it is granted all jobs.
        worlds.append(World(settings, far=there | far, near=there | {"assets": False} | (near or {})))
        return worlds[-1]

    yield world
    for made in worlds:
        made.close()


def rows(world: World) -> list[tuple[str, str | None, str | None]]:
    with world.begin() as conn:
        return [tuple(row) for row in conn.execute("SELECT state, account, reason FROM jobs ORDER BY id")]


def requeued(world: World) -> int:
    with world.begin() as conn:
        return conn.execute("SELECT FROM job_events WHERE reason = 'not_deliverable'").rowcount


def submits(gateway: str) -> int:
    return int(httpx.get(f"{gateway}/_sim/ledger").json()["totals"]["tasks"])


def settle(world: World, rounds: int = 6) -> Counter[tuple[str, str | None]]:
    for _ in range(rounds):
        world.round()
    return Counter((state, account) for state, account, _ in rows(world))


def test_a_job_whose_files_one_account_cannot_send_goes_to_another(make: Make, gateway: str, tmp_path: Path) -> None:
    """AnyFast accepts videos by a link or as an asset. One account makes no assets and cannot reach the bucket."""
    world = make({"assets": False})
    videos = [str(clip(tmp_path / "walk.mp4", 3))]
    ids = world.enqueue(6, reference_videos=videos)
    assert world.round() == 6
    assert rows(world) == [("queued", None, "not_deliverable")] * 6
    with world.begin() as conn:
        job = queries.get_jobs(conn, DEFAULT_TENANT, ids)[ids[0]]
        waits = [reason.code for reason in why_it_waits(conn, world.settings, job)]
        assert waits == ["parts_silent"], "it only waits for a slot: another account can serve it"
    assert world.round() == 6, "all of them, at the other account"
    assert settle(world, 1) == {("generating", NEAR): 6}
    assert submits(gateway) == 6


def test_a_job_that_no_account_can_serve_says_so(make: Make, gateway: str, tmp_path: Path) -> None:
    world = make({"assets": False})
    videos = [str(clip(tmp_path / "walk.mp4", 3))]
    [pinned] = world.enqueue(1, "pinned", reference_videos=videos, account=NEAR)
    [free] = world.enqueue(1, "free", reference_videos=videos)
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET account_pin = 'far' WHERE id = %s", [pinned])
    assert settle(world) == {("failed", FAR): 1, ("generating", NEAR): 1}
    error = world.producer.get(pinned).error
    assert error is not None and "cannot reach the bucket" in error["message"]
    assert world.producer.get(free).state == "generating"


def test_a_job_ends_when_the_only_able_account_is_removed(make: Make, tmp_path: Path) -> None:
    world = make({"assets": False})
    world.enqueue(1, reference_videos=[str(clip(tmp_path / "walk.mp4", 3))])
    assert world.round() == 1
    world.settings = world.settings.model_copy(update={"accounts": world.settings.accounts[:1]})
    world.runtime.live = LiveSettings(world.settings)
    assert world.round() == 0
    with world.begin() as conn:
        assert barred_everywhere(conn, world.settings) == 1
        assert claims.unbar_queued(conn, [], 10) == 0, "there were no others"
    assert settle(world, 2) == {("failed", FAR): 1}


def test_an_account_that_can_neither_make_assets_nor_link_requeues_the_job(
    make: Make, gateway: str, tmp_path: Path
) -> None:
    world = make({"assets": True})
    refusal = {"kind": "status", "where": "asset", "status": 404, "body": "html"}
    httpx.post(f"{gateway}/_sim/faults", json=[refusal]).raise_for_status()
    world.enqueue(3, reference_images=[_image(tmp_path)])
    assert settle(world) == {("generating", NEAR): 3}
    assert requeued(world) == 3
    assert submits(gateway) == 3


def test_files_that_are_too_large_for_one_request_go_to_an_account_that_links_them(
    make: Make, gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make({"assets": False})
    refuse = world.settings.accounts[0].dialect.refusals

    def only_small(request: Any) -> Any:
        from seedance.problems import Problem

        inline = any(value.startswith("data:") for _, _, value in request.media())
        return [Problem("reference_images", "too large")] if inline else refuse(request)

    for account in world.settings.accounts:
        monkeypatch.setattr(account.dialect, "refusals", only_small)
    assert inputs.NotDeliverable.code == "invalid_request"
    world.enqueue(2, reference_images=[_image(tmp_path)])
    assert settle(world) == {("generating", NEAR): 2}
    assert requeued(world) == 2
    assert submits(gateway) == 2


def _image(directory: Path) -> str:
    path = directory / "hero.png"
    path.write_bytes(picture())
    return str(path)

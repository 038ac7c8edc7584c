"""Uploads, purses and the results of campaigns by the client, blocking and asynchronous, with two tenants."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from PIL import Image
from reelq_client import AsyncReelq, ConfigurationError, NotFound, NotPossible, Reelq
from reelq_client.models.results import ResultRow

from producer import Producer
from producer.operator_actions.tenants import create_key
from storage.bucket.objects import Objects
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40


def key_of(producer: Producer, tenant: str) -> str:
    with producer.database.begin() as conn:
        return create_key(conn, tenant, "backend", ["admin"], None)[0]


def finish(producer: Producer, settings: Settings, job_id: UUID, folder: Path) -> None:
    objects = Objects(settings)
    objects.check_bucket()
    (folder / "stored.mp4").write_bytes(VIDEO)
    object_key = f"videos/{job_id}.mp4"
    objects.put_file(folder / "stored.mp4", object_key)
    facts = {"object_key": object_key, "size_bytes": len(VIDEO), "sha256": hashlib.sha256(VIDEO).hexdigest()}
    bring(producer, str(job_id), JobState.SUCCEEDED, **facts)


def always(name: str) -> Callable[[ResultRow], str]:
    return lambda _: name


def test_the_results_of_a_campaign(api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Path) -> None:
    acme, url = key_of(producer, "acme"), str(api.base_url)
    sheet = tmp_path / "lamps.csv"
    sheet.write_text("SKU,prompt\n1,a red lamp\n2,a blue lamp\n", encoding="utf-8")
    with Reelq(url, acme) as reelq, Reelq(url, key_of(producer, "globex")) as other:
        stored = reelq.campaigns.run("lamps", sheet, key="SKU")
        assert (stored.created, stored.edited.replaced) == (2, [])
        finish(producer.as_tenant("acme"), configured, stored.ids[0], tmp_path)
        rows = reelq.campaigns.results("lamps")
        assert [(row.row, row.key, row.columns["prompt"], row.state) for row in rows] == [
            (2, "1", "a red lamp", "succeeded"),
            (3, "2", "a blue lamp", "queued"),
        ]
        assert [row.row for row in reelq.campaigns.results("lamps", state="queued", review=["open"])] == [3]
        assert reelq.jobs.video(stored.ids[0]).read(4, 8) == b"ftypmp42"
        [path] = reelq.campaigns.download("lamps", tmp_path / "videos")
        assert (path.name, path.read_bytes()) == ("1.mp4", VIDEO)
        path.write_bytes(b"another")
        before = path.stat().st_ino
        assert reelq.campaigns.download("lamps", tmp_path / "videos")[0].read_bytes() == VIDEO
        assert path.stat().st_ino != before
        kept = path.stat()
        reelq.campaigns.download("lamps", tmp_path / "videos")
        assert path.stat().st_mtime_ns == kept.st_mtime_ns, "a whole video is kept"
        for bad in ("../x.mp4", "/x.mp4", ""):
            with pytest.raises(ConfigurationError, match="no name of a file"):
                reelq.campaigns.download("lamps", tmp_path / "videos", file_name=always(bad))
        exported = reelq.campaigns.export("lamps", "csv", language="zh").save(tmp_path / "lamps-out.csv")
        assert "a red lamp" in exported.read_text("utf-8")
        assert reelq.campaigns.export("lamps").link() is None
        link = reelq.campaigns.share("lamps", days=1)
        assert httpx.get(link.url).status_code == 200
        reelq.campaigns.revoke_share("lamps", link.id)
        assert [share.revoked_at is not None for share in reelq.campaigns.shares("lamps")] == [True]
        for ask in (other.campaigns.results, other.campaigns.shares, other.campaigns.export("lamps").save):
            with pytest.raises(NotFound):
                ask("lamps")
        event = next(reelq.events.stream(after="0", campaign="lamps", state=["succeeded"]))
        assert (event.job_id, event.job.campaign, event.target) == (stored.ids[0], "lamps", "succeeded")
        assert event.position
    asyncio.run(_the_same_with_await(url, acme, tmp_path))


async def _the_same_with_await(url: str, key: str, folder: Path) -> None:
    async with AsyncReelq(url, key) as reelq:
        [path] = await reelq.campaigns.download("lamps", folder / "more", file_name=lambda row: f"a/{row.row}.mp4")
        assert path == folder / "more" / "a" / "2.mp4" and path.read_bytes() == VIDEO
        [row] = await reelq.campaigns.results("lamps", state="succeeded")
        assert await reelq.jobs.video(row.id).read(4, 8) == b"ftypmp42"


def test_uploads_and_purses(api: httpx.Client, producer: Producer, tmp_path: Path) -> None:
    picture = tmp_path / "bottle.png"
    Image.new("RGB", (400, 400), "red").save(picture)
    url = str(api.base_url)
    with Reelq(url, key_of(producer, "acme")) as reelq, Reelq(url, key_of(producer, "globex")) as other:
        file = reelq.uploads.create(picture)
        assert (file.name, file.width, file.in_use) == ("bottle.png", 400, False)
        assert reelq.uploads.list().totals.files == 1 and [item.id for item in reelq.uploads.iterate()] == [file.id]
        job = reelq.jobs.create("it turns", first_frame=file.url)
        with pytest.raises(NotPossible):
            reelq.uploads.delete(file.id)
        with pytest.raises(NotFound):
            other.uploads.get(file.id)
        reelq.jobs.cancel(job.id)
        reelq.uploads.delete(file.id)
        assert not list(reelq.uploads.iterate())
        made = reelq.keys.create("agent")
        assert reelq.keys.purse(made.id) is None
        purse = reelq.keys.set_purse(made.id, "20 USD")
        assert purse is not None and (purse.amount, purse.left) == (20.0, 20.0)
        assert reelq.keys.purse(made.id) == purse
        with pytest.raises(NotFound):
            other.keys.purse(made.id)

"""A tenant with a bucket of its own: its files lie there, and are found there whatever the settings say later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from producer.cli.setup.doctor import examine
from producer.health.findings import Level
from producer.operator_actions.deletion import delete
from storage.bucket.keys import bucket_and_name, keys_of, playable_key
from storage.bucket.objects import Objects
from storage.jobs.playable_copies import claim_copies, want_copies
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.transfers import Files, a_picture, a_video, generated, row_of, running_runtime, transfer
from worker.playable.copies import make_copies
from worker.runtime import Runtime
from worker.transferring.sweep import sweep_uploads

VIDEO = a_video()


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with Files({"/v.mp4": VIDEO, "/f.png": a_picture("PNG")}).running() as url:
        yield url


@pytest.fixture
def ours(settings: Settings) -> Settings:
    found = settings.model_copy(update={"s3_tenant_buckets": {DEFAULT_TENANT: f"{settings.s3_bucket}-own"}})
    for store in Objects(found).every():
        store.create_bucket()
    return found


@pytest.fixture
def runtime(ours: Settings, base: str) -> Iterator[Runtime]:
    with running_runtime(ours, base, s3_tenant_buckets=ours.s3_tenant_buckets) as runtime:
        yield runtime


def copied(runtime: Runtime, base: str) -> tuple[UUID, dict[str, Any]]:
    job_id = generated(runtime.settings, f"{base}/v.mp4", f"{base}/f.png", {"prompt": "x", "return_last_frame": True})
    row = transfer(runtime, job_id)
    assert row["state"] == "succeeded"
    return job_id, row


def test_all_files_of_a_job_lie_in_its_tenants_bucket_and_stay_found(
    runtime: Runtime, settings: Settings, ours: Settings, base: str
) -> None:
    own = ours.s3_tenant_buckets[DEFAULT_TENANT]
    _, row = copied(runtime, base)
    for key in (row["object_key"], row["poster_key"], row["last_frame_key"]):
        assert bucket_and_name(key)[0] == own
    alone = Objects(settings.model_copy(update={"s3_bucket": own}))
    names = [bucket_and_name(key)[1] for key in keys_of(row["object_key"])]
    assert [alone.head(name) is not None for name in names] == [True, True, True, True, False, False, False]
    assert json.loads(b"".join(alone.chunks(names[2])))["video"]["key"] == names[0]
    # Whatever the settings say later: no bucket of its own any more, another one, another prefix.
    for changes in ({}, {"s3_tenant_buckets": {DEFAULT_TENANT: "another"}}, {"s3_key_prefix": "new/{tenant}/"}):
        later = Objects(settings.model_copy(update=changes))
        link = later.link(row["object_key"], 60)
        assert f"/{own}/videos/" in link
        assert httpx.get(link, trust_env=False).content == VIDEO
        assert later.read_range(row["object_key"], 0, 8) == VIDEO[:8]
        assert b"".join(later.chunks(row["object_key"])) == VIDEO
    shared = Objects(settings)
    assert shared.head(names[0]) is None, "nothing lies in the bucket that tenants share"
    shared.copy(row["object_key"], "inputs/copied.mp4")
    assert b"".join(shared.chunks("inputs/copied.mp4")) == VIDEO


def test_a_playable_copy_lies_beside_its_video(runtime: Runtime, base: str) -> None:
    job_id, row = copied(runtime, base)
    with runtime.database.begin() as conn:
        conn.execute("UPDATE jobs SET video_format = '{\"playable\": false}' WHERE id = %s", [job_id])
        want_copies(conn, [job_id])
        claimed = claim_copies(conn, 1, 60.0)
    make_copies(runtime, [(item.id, item.claim) for item in claimed])
    key = row_of(runtime, job_id)["playable_key"]
    assert key == playable_key(row["object_key"]) and b"ftyp" in runtime.objects.read_range(key, 0, 8)


def test_a_video_that_was_stored_before_the_tenant_had_a_bucket_stays_where_it_is(
    settings: Settings, ours: Settings, base: str
) -> None:
    with running_runtime(settings, base) as before:
        job_id, row = copied(before, base)
        assert not row["object_key"].startswith("s3://")
        later = Objects(ours)
        assert b"".join(later.chunks(row["object_key"])) == VIDEO
        assert f"/{settings.s3_bucket}/videos/" in later.link(row["object_key"], 60)
        delete(before.database, later, DEFAULT_TENANT, job_id)
        assert later.head(row["object_key"]) is None


def test_a_deleted_video_leaves_the_tenants_bucket(runtime: Runtime, ours: Settings, base: str) -> None:
    job_id, row = copied(runtime, base)
    objects = Objects(ours)
    assert [objects.head(key) is not None for key in keys_of(row["object_key"])].count(True) == 4
    delete(runtime.database, objects, DEFAULT_TENANT, job_id)
    assert [key for key in keys_of(row["object_key"]) if objects.head(key) is not None] == []


def test_a_copy_that_never_ended_is_removed_from_both_buckets(runtime: Runtime, ours: Settings, base: str) -> None:
    job_id = generated(runtime.settings, f"{base}/v.mp4")
    objects = Objects(ours)
    keys = objects.possible_keys(DEFAULT_TENANT, job_id, row_of(runtime, job_id)["created_at"])
    assert len(keys) == 2
    for key in keys:
        objects.holding(key).check_bucket()
        _put(objects, key)
    delete(runtime.database, objects, DEFAULT_TENANT, job_id, discard=True)
    assert [key for key in keys if objects.head(key) is not None] == []


def _put(objects: Objects, key: str) -> None:
    store = objects.holding(key)
    store._s3.put_object(Bucket=store.bucket, Key=bucket_and_name(key)[1], Body=b"x")


def test_abandoned_uploads_are_swept_in_every_bucket(runtime: Runtime, ours: Settings) -> None:
    objects = Objects(ours)
    for store in objects.every():
        store.check_bucket()
        store._s3.create_multipart_upload(Bucket=store.bucket, Key=f"{store.keys.videos}2026/01/02/x.mp4")
    swept = sweep_uploads(runtime.database.begin, objects, every_s=0.0, older_than_s=-5.0)
    assert swept is not None
    assert (swept.aborted, swept.left) == (2, 0)
    assert [store.open_parts() for store in objects.every()] == [[], []]


def test_doctor_proves_each_bucket(ours: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.cli.setup.doctor.load_settings", lambda _: ours)
    found = {finding.part: finding for finding in examine(None, gateways=False)}
    own = ours.s3_tenant_buckets[DEFAULT_TENANT]
    assert found["bucket"].level is Level.OK, found["bucket"]
    assert found[f"bucket {own}"].level is Level.OK, found[f"bucket {own}"]
    assert own in found[f"bucket {own}"].message

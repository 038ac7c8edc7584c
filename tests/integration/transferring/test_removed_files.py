"""A job that is given up or deleted during its copy leaves nothing in the bucket.

This holds in any order of ending uploads, killed workers and decisions of people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from producer.operator_actions import job_actions
from producer.operator_actions.deletion import delete
from storage.bucket.keys import keys_of
from storage.bucket.objects import PART_BYTES, Objects
from storage.bucket.requests import StoreUnavailable
from storage.jobs.deletion.removals import is_removal_due
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.transferring.test_transfer_sweep import worker_that_is_killed
from tests.store_door import Door, Hold, an_error
from tests.transfers import Files, a_picture, a_video, generated, row_of, running_runtime, transfer
from tests.waiting import PATIENCE_S
from worker.cleaning.removals import sweep_removals
from worker.retry import Backoff
from worker.runtime import Runtime
from worker.transferring import store_gate, store_requests

SMALL, LARGE = "/small.mp4", "/large.mp4"


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    padding = PART_BYTES
    large = a_video() + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8)
    with Files({SMALL: a_video(), LARGE: large, "/last.png": a_picture("PNG")}).running() as url:
        yield url


@pytest.fixture
def door(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setattr(store_requests, "STORE_REQUEST", Backoff(0.01, 0.01))
    monkeypatch.setattr(store_gate, "STORE_DOWN", Backoff(0.0, 0.0))
    return Door(settings.s3_endpoint_url or "")


@pytest.fixture
def runtime(settings: Settings, base: str, door: Door) -> Iterator[Runtime]:
    """A worker whose store is behind the proxy. Its leases outlast the test."""
    with door.running() as url, running_runtime(settings, base, s3_endpoint_url=url, lease_seconds=3600) as runtime:
        runtime.objects.check_bucket()
        yield runtime


@pytest.fixture
def store(settings: Settings) -> Objects:
    """The store itself."""
    return Objects(settings)


def in_bucket(store: Objects, runtime: Runtime, job_id: UUID) -> list[str]:
    key = store.keys.video("default", job_id, row_of(runtime, job_id)["created_at"])
    return [found.rpartition("/")[2] for found in keys_of(key) if store.head(found) is not None]


@contextmanager
def copying(runtime: Runtime, job_id: UUID) -> Iterator[Future[dict[str, Any]]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(transfer, runtime, job_id)


def discard(runtime: Runtime, store: Objects, job_id: UUID) -> None:
    job_actions.cancel(runtime.database, DEFAULT_TENANT, job_id, discard=True)


def delete_it(runtime: Runtime, store: Objects, job_id: UUID) -> None:
    delete(runtime.database, store, DEFAULT_TENANT, job_id, discard=True)


GIVE_UP = pytest.mark.parametrize("give_up", [discard, delete_it])
Decide = Callable[[Runtime, Objects, UUID], None]


@GIVE_UP
@pytest.mark.parametrize("after", [False, True], ids=["ends after it", "its answer comes after it"])
@pytest.mark.parametrize(
    ("video", "request_"), [(SMALL, "put"), (SMALL, "companion"), (LARGE, "part"), (LARGE, "complete")]
)
def test_an_upload_that_ends_after_its_job_was_given_up_leaves_nothing(
    runtime: Runtime, store: Objects, door: Door, base: str, video: str, request_: str, give_up: Decide, *, after: bool
) -> None:
    job_id = generated(runtime.settings, base + video, f"{base}/last.png")
    hold = door.holds[request_] = Hold(after=after)
    with copying(runtime, job_id) as copy:
        assert hold.arrived.wait(PATIENCE_S)
        give_up(runtime, store, job_id)
        hold.go.set()
        assert copy.result(PATIENCE_S)["state"] == "cancelled"
    assert in_bucket(store, runtime, job_id) == []
    assert store.open_parts() == []


def test_a_job_that_is_not_given_up_keeps_its_files(runtime: Runtime, store: Objects, door: Door, base: str) -> None:
    """The lease of a slow worker ends, and another worker copies the same job: the slow one removes nothing."""
    job_id = generated(runtime.settings, base + SMALL)
    hold = door.holds["put"] = Hold()
    with copying(runtime, job_id) as copy:
        assert hold.arrived.wait(PATIENCE_S)
        assert transfer(runtime, job_id)["state"] == "succeeded"
        before = in_bucket(store, runtime, job_id)
        hold.go.set()
        copy.result(PATIENCE_S)
    assert in_bucket(store, runtime, job_id) == before != []
    assert row_of(runtime, job_id)["state"] == "succeeded"


def test_a_video_deleted_before_its_second_copy_ends_leaves_nothing(
    runtime: Runtime, store: Objects, door: Door, base: str
) -> None:
    job_id = generated(runtime.settings, base + SMALL)
    hold = door.holds["put"] = Hold()
    with copying(runtime, job_id) as copy:
        assert hold.arrived.wait(PATIENCE_S)
        assert transfer(runtime, job_id)["state"] == "succeeded"
        delete_it(runtime, store, job_id)
        hold.go.set()
        copy.result(PATIENCE_S)
    assert in_bucket(store, runtime, job_id) == []


@GIVE_UP
@pytest.mark.parametrize("point", ["transfer.after_put", "transfer.after_companions"])
def test_files_of_a_killed_worker_are_removed_by_the_sweep(
    settings: Settings, base: str, store: Objects, point: str, give_up: Decide
) -> None:
    with running_runtime(settings, base) as runtime:
        job_id = generated(settings, base + SMALL)
        worker_that_is_killed(settings, base, point)
        assert in_bucket(store, runtime, job_id)
        if give_up is delete_it:
            # Simulate an upload that ends a moment after the deletion.
            video = store.read_range(
                store.keys.video("default", job_id, row_of(runtime, job_id)["created_at"]), 0, 2**20
            )
        give_up(runtime, store, job_id)
        if give_up is delete_it:
            assert in_bucket(store, runtime, job_id) == []
            put(store, store.keys.video("default", job_id, row_of(runtime, job_id)["created_at"]), video)
        assert sweep_removals(runtime.database.begin, store) == 0, "a copy may still be running"
        for passed, removed in (("11 min", 1), ("1 min", 0), ("1 h", 0), ("2 h", 1), ("1 year", 0)):
            with runtime.database.begin() as conn:
                conn.execute(
                    """UPDATE jobs SET removal_due_at = removal_due_at - %(passed)s::interval,
                              finished_at = finished_at - %(passed)s::interval,
                              deleted_at = deleted_at - %(passed)s::interval""",
                    {"passed": passed},
                )
            assert sweep_removals(runtime.database.begin, store) == removed
            assert in_bucket(store, runtime, job_id) == []


def put(store: Objects, key: str, content: bytes) -> None:
    store._s3.put_object(Bucket=store.bucket, Key=key, Body=content)


def test_a_delete_while_the_store_is_down_is_completed_by_the_sweep(
    settings: Settings, runtime: Runtime, store: Objects, base: str
) -> None:
    job_id = generated(settings, base + SMALL)
    assert transfer(runtime, job_id)["state"] == "succeeded"
    away = Objects(settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"}))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            delete(runtime.database, away, DEFAULT_TENANT, job_id)
    assert in_bucket(store, runtime, job_id)
    assert sweep_removals(runtime.database.begin, away) == 0
    with runtime.database.begin() as conn:
        conn.execute("UPDATE jobs SET removal_due_at = now()")
    assert sweep_removals(runtime.database.begin, store) == 1
    assert in_bucket(store, runtime, job_id) == []
    with runtime.database.begin() as conn:
        assert not is_removal_due(conn, job_id)
    assert delete(runtime.database, away, DEFAULT_TENANT, job_id).deleted_at, "nothing is left to do"


def test_a_stored_video_is_not_downloaded_again_for_its_companions(
    runtime: Runtime, store: Objects, door: Door
) -> None:
    files = Files({SMALL: a_video()})
    with files.running() as url:
        job_id = generated(runtime.settings, url + SMALL)
        door.faults["companion"] = [an_error(500, "InternalError")] * 100
        row = transfer(runtime, job_id)
        door.faults.clear()
        assert (row["state"], row["reason"]) == ("transferring", "store_unavailable")
        assert row["object_key"] is not None
        assert transfer(runtime, job_id)["state"] == "succeeded"
    assert files.asked == [SMALL]
    assert len(in_bucket(store, runtime, job_id)) == 3, "the video, its poster and its JSON file"

"""Segments of the journal in a real bucket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from storage.bucket.boto import make_http
from storage.bucket.objects import Objects
from storage.journal import segments
from storage.journal.entries import Answered, Sent, as_line
from storage.settings import Settings
from worker.journal import WAIT_S, Journal
from worker.runtime import Runtime

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def put(objects: Objects, lineage: object, at: datetime) -> str:
    key = f"{objects.keys.journal}{lineage}/{at:%Y%m%dT%H%M%S}-aa-1.jsonl"
    objects.put_bytes(key, as_line(Answered(uuid4(), 1, at, "accepted", None, "task")), segments.TYPE)
    return key


def test_only_segments_that_may_hold_newer_entries_are_read(settings: Settings) -> None:
    objects, mine, other = Objects(settings), uuid4(), uuid4()
    keys = [put(objects, mine, NOW - timedelta(hours=hours)) for hours in (30, 2, 1, 0)]
    foreign = put(objects, other, NOW)
    objects.put_bytes(f"{objects.keys.journal}{mine}/note.txt", b"not a segment", "text/plain")
    found = segments.of_lineage(objects, mine, NOW)
    assert found is not None
    assert list(found.keys) == keys[2:]
    assert found.since(NOW + timedelta(minutes=45)) == keys[3:]
    assert len(segments.entries(objects, found.keys)[0]) == 2
    every = segments.of_every_lineage(objects)
    assert every is not None
    assert {one.lineage: list(one.keys) for one in every} == {mine: keys, other: [foreign]}


def test_old_segments_are_deleted(settings: Settings) -> None:
    objects, mine = Objects(settings), uuid4()
    put(objects, mine, NOW - segments.RETENTION - timedelta(days=1))
    kept = put(objects, mine, NOW - segments.RETENTION + timedelta(days=1))
    assert segments.delete_old(objects, NOW) == 1
    found = segments.of_lineage(objects, mine, None)
    assert found is not None
    assert list(found.keys) == [kept]


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    made = Runtime(settings)
    yield made
    made.close()


def post() -> Sent:
    now = datetime.now(UTC)
    return Sent(uuid4(), 1, now, "main", "seedance", "seedance", "default", now)


def written(settings: Settings, lineage: UUID) -> int:
    """How many entries the bucket has."""
    objects = Objects(settings)
    found = segments.of_lineage(objects, lineage, None)
    return 0 if found is None else len(segments.entries(objects, found.keys)[0])


def test_the_first_posts_of_a_worker_are_written_down_although_it_loads_its_client_slowly(
    settings: Settings, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*arguments: Any) -> Any:
        time.sleep(WAIT_S + 0.2)  # as on a busy machine
        return make_http(*arguments)

    monkeypatch.setattr("storage.bucket.objects.make_http", slowly)
    mine = uuid4()
    assert runtime.part(Journal).write_ahead(mine, [post()])
    assert written(settings, mine) == 1


def test_posts_are_written_down_later_if_no_thread_can_be_started(
    settings: Settings, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    mine = uuid4()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert not runtime.part(Journal).write_ahead(mine, [post()])
    assert runtime.part(Journal).write_ahead(mine, [post()])
    assert written(settings, mine) == 2

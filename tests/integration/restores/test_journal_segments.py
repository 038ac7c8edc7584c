"""Segments of the journal in a real bucket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from storage.bucket.objects import Objects
from storage.journal import segments
from storage.journal.entries import Answered, as_line
from storage.settings import Settings

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

"""Entries of the journal survive their lines, and nothing else passes for one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from storage.journal.entries import Answered, Entry, Kept, Sent, Unreadable, as_line, parse

JOB = UUID("01a2248b-cccd-7122-8b3f-d6f5cdcf8510")
AT = datetime(2026, 11, 28, 23, 44, 31, 554831, UTC)
ENTRIES: list[Entry] = [
    Sent(JOB, 2, AT, "main", "seedance", "m", "default", AT, "ark", 7, 42, 130_000, "f" * 64, "row 1"),
    Sent(JOB, 1, AT, "main", "seedance", "", "other", AT),
    Answered(JOB, 2, AT, "accepted", None, "cgt-1"),
    Answered(JOB, 1, AT, "throttled", 429),
    Kept(JOB, "default", AT, {"object_key": "videos/a.mp4", "size_bytes": 3, "cost": {"amount": 5.01}}, "row 1"),
]


def test_entries_come_back_as_they_were() -> None:
    assert parse(b"".join(as_line(entry) for entry in ENTRIES)) == ENTRIES


def test_what_a_later_release_adds_is_left_out() -> None:
    line = as_line(ENTRIES[2]).replace(b'{"kind"', b'{"later":1,"kind"')
    assert parse(b'{"kind":"later","job_id":"x"}\n' + line) == [ENTRIES[2]]


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"{}", b'{"kind":"sent"}', as_line(ENTRIES[0])[:-20], b'{"kind":"answered","job_id":"x"}']
)
def test_a_damaged_segment_is_not_read_as_a_shorter_one(line: bytes) -> None:
    with pytest.raises(Unreadable, match="line 2"):
        parse(as_line(ENTRIES[2]) + line)

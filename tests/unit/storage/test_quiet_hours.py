"""When quiet hours begin and end, by the clocks of people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.admission.quiet_hours import QuietHours


def span(text: str, zone: str, now: str) -> list[str]:
    found = QuietHours.parse(text, zone).span(datetime.fromisoformat(now))
    return [instant.isoformat(timespec="minutes") for instant in found]


def test_hours_over_midnight_are_those_of_the_zone() -> None:
    tonight = ["2026-12-04T14:00+00:00", "2026-12-04T23:00+00:00"]
    assert span("22:00-07:00", "Asia/Shanghai", "2026-12-04T12:00:00Z") == tonight, "not yet"
    assert span("22:00-07:00", "Asia/Shanghai", "2026-12-04T14:00:00Z") == tonight, "just begun"
    assert span("22:00-07:00", "Asia/Shanghai", "2026-12-04T22:59:59Z") == tonight, "after midnight"
    assert span("22:00-07:00", "Asia/Shanghai", "2026-12-04T23:00:00Z")[0] == "2026-12-05T14:00+00:00"
    assert span("9:00-17:30", "UTC", "2026-12-04T17:30:00Z")[0] == "2026-12-05T09:00+00:00"


def test_clocks_that_are_set_forward_or_back() -> None:
    # Berlin, 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
    assert span("22:00-07:00", "Europe/Berlin", "2026-03-28T23:00:00Z") == [
        "2026-03-28T21:00+00:00",
        "2026-03-29T05:00+00:00",
    ]
    assert span("02:15-02:45", "Europe/Berlin", "2026-10-24T12:00:00Z") == [
        "2026-10-25T00:15+00:00",
        "2026-10-25T01:45+00:00",
    ], "through both of the two hours"
    skipped = span("02:15-02:45", "Europe/Berlin", "2026-03-28T23:00:00Z")
    assert skipped == ["2026-03-29T01:15+00:00", "2026-03-29T01:45+00:00"] or skipped[0].startswith("2026-03-30")


@pytest.mark.parametrize(
    "text", ["", "22-7", "22:00", "24:00-07:00", "22:60-07:00", "22:00-22:00", "22:00-07:00-08:00"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        QuietHours.parse(text, "UTC")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "x" * 1000, "Asia", "\0"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        QuietHours.parse("22:00-07:00", zone)


@given(
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 2 * 365 * 86400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
)
def test_the_next_span_follows_the_last_one(begins: int, ends: int, zone: str, now: datetime) -> None:
    if begins == ends:
        return
    quiet = QuietHours.parse(f"{begins // 60}:{begins % 60:02}-{ends // 60}:{ends % 60:02}", zone)
    first, last = quiet.span(now)
    assert first < last and now < last and last - first < timedelta(hours=26) and first - now < timedelta(hours=49)
    assert QuietHours.parse(quiet.text, zone) == quiet
    assert quiet.span(last)[0] >= last or quiet.span(last)[1] > last

"""Read both forms of `Retry-After`."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance.gateways.http_errors import MAX_RETRY_AFTER_S, retry_after_s


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        (" 2.5 ", 2.5),
        ("0", 0.0),
        ("-3", 0.0),
        ("1e9", MAX_RETRY_AFTER_S),
        ("inf", MAX_RETRY_AFTER_S),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
    ],
)
def test_retry_after_is_read_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": value}) == seconds


def test_a_date_in_retry_after_counts_from_now() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    seconds = retry_after_s({"retry-after": email.utils.format_datetime(at, usegmt=True)})
    assert seconds is not None and 80 < seconds <= 90


def test_retry_after_is_none_without_the_header() -> None:
    assert retry_after_s({}) is None


@given(st.text(), st.datetimes(), st.integers(-2400, 2400))
def test_retry_after_never_raises_and_stays_within_its_bounds(text: str, at: datetime, zone: int) -> None:
    for value in (text, f"{email.utils.format_datetime(at)[:-5]}{zone:+05d}"):
        seconds = retry_after_s({"retry-after": value})
        assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S

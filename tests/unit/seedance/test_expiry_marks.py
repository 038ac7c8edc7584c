"""The values of `execution_expires_after` that tell attempts apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seedance.expiry_marks import _BANDS, mark_band
from seedance.gateways.ark import Ark

EXPIRES = Ark().capabilities().options["execution_expires_after"]
DAY_S = 86_400


def test_without_a_deadline_a_task_has_between_36_and_48_hours_to_begin() -> None:
    band = mark_band(None)
    assert band.low == 1.5 * DAY_S
    assert band.low + band.count == 2 * DAY_S, "Ark's default, which tasks of other programs have, is not in it"


@given(st.floats(0, 10 * DAY_S))
def test_a_deadline_shortens_the_time_but_never_below_itself(deadline_s: float) -> None:
    band = mark_band(deadline_s)
    last = band.low + band.count - 1
    assert EXPIRES.minimum <= band.low and last <= EXPIRES.maximum
    assert band.low >= min(deadline_s, 172_801)
    if deadline_s < DAY_S:
        assert last < max(4 * deadline_s, 2 * EXPIRES.minimum)


def test_no_two_bands_share_a_value_and_each_is_wide() -> None:
    ends = [band.low + band.count for band in _BANDS]
    assert all(end <= band.low for end, band in zip(ends, _BANDS[1:], strict=False))
    assert all(band.count >= 1800 for band in _BANDS)

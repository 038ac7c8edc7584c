"""How an account learns its gateway's slot limit from refusals, and how carefully it tries more slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.admission.slot_limits import (
    MANY,
    TRY_CAP_S,
    TRY_FIRST_S,
    SlotLimit,
)


def test_a_refusal_sets_the_limit() -> None:
    limit = SlotLimit().refused(10, 40)
    assert (limit.slots, limit.allowed(40), limit.allowed(6)) == (10, 10, 6)
    assert SlotLimit().refused(0, 40) == SlotLimit()
    assert limit.refused(0, 40) == limit
    assert SlotLimit().refused(50, 40).slots == 40
    assert limit.refused(30, 40).slots == 10, "a refusal never raises it"


def test_the_limit_grows_in_doubling_steps_up_to_the_configured_one() -> None:
    limit, seen = SlotLimit().refused(3, 40), []
    while limit.slots is not None:
        seen.append(limit.slots)
        limit = limit.raised(40)
    assert seen == [3, 4, 6, 10, 18, 34]
    assert limit == SlotLimit()


def test_each_refusal_of_one_more_slot_doubles_the_wait_up_to_a_cap() -> None:
    limit, waits = SlotLimit().refused(10, 40), []
    for _ in range(7):
        waits.append(limit.quiet_s)
        limit = limit.raised(40).refused(10, 40)
        assert (limit.slots, limit.step) == (10, 1)
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0]
    assert limit.raised(40).quiet_s == TRY_FIRST_S, "after one more slot was accepted, the next try comes soon"
    assert limit.raised(40).raised(40).refused(11, 40).quiet_s == TRY_FIRST_S


def test_an_accepted_number_of_slots_is_allowed() -> None:
    limit = SlotLimit().refused(1, 40)
    assert limit.at_least(10, 40).slots == 10
    assert limit.at_least(1, 40) is limit
    assert limit.at_least(40, 40) == SlotLimit()
    assert SlotLimit().at_least(10, 40) == SlotLimit()


def test_sporadic_refusals_show_no_limit() -> None:
    free = SlotLimit()
    assert free.shows(generating=10, accepted=0, refused=MANY, in_a_row=1), "all of many"
    assert free.shows(generating=0, accepted=10, refused=30, in_a_row=1), "most of a burst"
    assert not free.shows(generating=7, accepted=0, refused=1, in_a_row=1)
    assert not free.shows(generating=3, accepted=7, refused=3, in_a_row=1)
    assert free.shows(generating=10, accepted=0, refused=1, in_a_row=2), "twice, with nothing accepted in between"
    known = free.refused(10, 40).raised(40)
    assert known.shows(generating=10, accepted=0, refused=1, in_a_row=1), "a try beyond the known limit"
    assert not known.shows(generating=4, accepted=0, refused=1, in_a_row=1)


@given(st.lists(st.tuples(st.sampled_from(("refused", "at_least", "raised")), st.integers(0, 60))), st.integers(1, 50))
def test_a_limit_is_at_least_one_and_at_most_the_configured_one(steps: list[tuple[str, int]], configured: int) -> None:
    limit = SlotLimit()
    for name, count in steps:
        limit = limit.raised(configured) if name == "raised" else getattr(limit, name)(count, configured)
        assert 1 <= limit.allowed(configured) <= configured
        assert TRY_FIRST_S <= limit.quiet_s <= TRY_CAP_S

"""Fair share: deal slots by weight."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.admission.deals import deal


def one_by_one(slots: int, weights: list[int], taken: int) -> tuple[list[int], int, int]:
    """The expected deal, slot by slot."""
    counts = [0] * len(weights)
    at, had, last = 0, taken, 0
    for _ in range(slots):
        counts[at] += 1
        had += 1
        last = at
        if had == weights[at]:
            at, had = (at + 1) % len(weights), 0
    return counts, last, had


@st.composite
def rings(draw: st.DrawFn) -> tuple[int, list[int], int]:
    weights = draw(st.lists(st.integers(1, 7), min_size=1, max_size=6))
    return draw(st.integers(1, 60)), weights, draw(st.integers(0, weights[0] - 1))


@given(rings())
def test_a_deal_equals_dealing_slot_by_slot(ring: tuple[int, list[int], int]) -> None:
    dealt = deal(*ring)
    assert (dealt.counts, dealt.last, dealt.taken) == one_by_one(*ring)
    order = dealt.order()
    assert sorted(order) == list(range(len(ring[1])))
    assert order[0] == (dealt.last if dealt.taken else (dealt.last + 1) % len(ring[1]))


@given(rings(), st.integers(1, 60))
def test_two_deals_equal_one_deal_of_both(ring: tuple[int, list[int], int], more: int) -> None:
    slots, weights, taken = ring
    first = deal(slots, weights, taken)
    order = first.order()
    second = deal(more, [weights[index] for index in order], first.taken)
    both = list(first.counts)
    for place, index in enumerate(order):
        both[index] += second.counts[place]
    assert both == deal(slots + more, weights, taken).counts

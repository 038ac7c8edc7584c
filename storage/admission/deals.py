"""Deal slots round a ring of members with weights. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Deal:
    """The slots that each member of a ring gets. `taken`: how many the `last` one has had of its interrupted turn; 0:
    its turn is over."""

    counts: list[int]
    last: int
    taken: int

    def order(self, more: int = 0) -> list[int]:
        """The indices of the ring, from the member with which the next deal begins. `more` members have come to its
        end."""
        start = self.last if self.taken else self.last + 1
        size = len(self.counts) + more
        return [(start + step) % size for step in range(size)]


def deal(slots: int, weights: Sequence[int], taken: int = 0) -> Deal:
    """Deal slots round a ring: each member in turn gets as many as its weight, until none is left.

    The first member has already had `taken` slots of its turn. There must be at least one slot and one member.
    """
    if len(weights) == 1:
        return Deal([slots], 0, (taken + slots) % weights[0])
    whole = sum(weights)
    starts = [0, *accumulate(weights)][:-1]

    def dealt(index: int, end: int) -> int:
        rounds, place = divmod(end, whole)
        return rounds * weights[index] + min(max(place - starts[index], 0), weights[index])

    end = taken + slots
    counts = [dealt(index, end) - dealt(index, taken) for index in range(len(weights))]
    place = (end - 1) % whole
    last = bisect_right(starts, place) - 1
    return Deal(counts, last, (place - starts[last] + 1) % weights[last])

"""How many jobs one round of the scheduler claims and sends, and how they are split into messages. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

SUBMIT_BATCH, POLL_BATCH, TRANSFER_BATCH = 50, 100, 40
"""Jobs a message. Each message of copies is loaded, and ends, with a transaction of its own: a copy takes 0.15 ms of
CPU less in one of 40 than in one of 20. A round fills two messages of submits or copies, for two workers; see
`jobs_a_message`."""
# Full batches that may wait in the broker per queue; other jobs wait in the table, where they can still be reordered.
MAX_WAITING = {"submit": 8, "poll": 16, "transfer": 4, "notify": 16}
MAX_SUBMITS_A_ROUND, MAX_POLLS_A_ROUND, MAX_TRANSFERS_A_ROUND, MAX_UNCONFIRMED_A_ROUND = 100, 400, 80, 100
"""While there are more, the next round follows soon."""
SLOW_SUBMITS, SLOW_S = 60, 0.02
"""The same for submits where a claim of them takes longer than this: with many accounts and tenants, a round takes some
25 ms then. Where it takes less than half of it, they are claimed as before: each round has a cost of its own."""

Account = TypeVar("Account", covariant=True)


class OfAccount(Protocol[Account]):
    """A claimed row that belongs to an account."""

    @property
    def account(self) -> Account: ...


Item = TypeVar("Item", bound=OfAccount[object])


def room(waiting: Mapping[str, int]) -> dict[str, int]:
    """How many more batches fit into each queue. `waiting`: messages in the broker, by queue; none if missing."""
    return {queue: max(0, most - waiting.get(queue, 0)) for queue, most in MAX_WAITING.items()}


@dataclass(frozen=True, slots=True)
class Limit:
    """The most jobs to claim in a round: `most`, or as many as `fit` into their queue."""

    fit: int
    most: int

    @property
    def jobs(self) -> int:
        """How many to claim."""
        return min(self.fit, self.most)

    def leaves_more(self, claimed: int) -> bool:
        """Whether the next round may claim more at once, after this one has claimed that many."""
        return claimed >= self.most < self.fit


def submits_to_claim(room: int, size: int, *, slow: bool = False) -> Limit:
    """Submits, for a queue with room for `room` batches of `size`. `slow`: claims of them take long."""
    return Limit(room * size, SLOW_SUBMITS if slow else MAX_SUBMITS_A_ROUND)


def polls_to_claim(room: int) -> Limit:
    """Polls, for a queue with room for `room` batches."""
    return Limit(room * POLL_BATCH, MAX_POLLS_A_ROUND)


def transfers_to_claim(room: int) -> Limit:
    """Copies. The last place in the queue is kept for videos whose link expires soon."""
    return Limit(max(0, room - 1) * TRANSFER_BATCH, MAX_TRANSFERS_A_ROUND)


def jobs_a_message(claimed: int, workers: int, usual: int) -> int:
    """The size of the messages in which a round sends as many submits or copies, so that each worker gets one of them.
    A worker that is alone gets all in one.

    `workers`: how many take such messages; 0: not known. `usual`: the size of a message for one of several workers.
    """
    return usual if workers == 0 else max(usual, math.ceil(claimed / workers))


def mixed_messages(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Split claimed rows into full messages that mix accounts: many small messages would each take a worker's thread
    for a video or two."""
    return (items[start : start + size] for start in range(0, len(items), size))


def messages(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Split claimed rows into messages of one account each, in the order of the claim."""
    by_account: dict[object, list[Item]] = defaultdict(list)
    for item in items:
        by_account[item.account].append(item)
    for own in by_account.values():
        for start in range(0, len(own), size):
            yield own[start : start + size]

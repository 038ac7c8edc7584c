"""How many jobs one round of the scheduler claims and sends, and how they are split into messages. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

POLL_BATCH, TRANSFER_BATCH = 100, 20
# Full batches that may wait in the broker per queue; other jobs wait in the table, where they can still be reordered.
MAX_WAITING = {"submit": 8, "poll": 16, "transfer": 8, "notify": 16}
MAX_POLLS_A_TICK, MAX_TRANSFERS_A_TICK, MAX_UNCONFIRMED_A_TICK = 800, 160, 100
MAX_SUBMITS_A_TICK = 200
"""Claims of submits walk the queue and cost most. This is 800 a second, 69 million a day: more than any account takes
in the long run, and after an outage every slot is filled some ticks later."""

Account = TypeVar("Account", covariant=True)


class OfAccount(Protocol[Account]):
    """A claimed row that belongs to an account."""

    @property
    def account(self) -> Account: ...


Item = TypeVar("Item", bound=OfAccount[object])


def room(waiting: Mapping[str, int]) -> dict[str, int]:
    """How many more batches fit into each queue. `waiting`: messages in the broker, by queue; none if missing."""
    return {queue: max(0, most - waiting.get(queue, 0)) for queue, most in MAX_WAITING.items()}


def submits_to_claim(room: int, size: int) -> int:
    """The most submits to claim in a round, for a queue with room for `room` batches of `size`."""
    return min(room * size, MAX_SUBMITS_A_TICK)


def polls_to_claim(room: int) -> int:
    """The most polls to claim in a round, for a queue with room for `room` batches."""
    return min(room * POLL_BATCH, MAX_POLLS_A_TICK)


def transfers_to_claim(room: int) -> int:
    """The most copies to claim in a round. The last place in the queue is kept for videos whose link expires soon."""
    return min(max(0, room - 1) * TRANSFER_BATCH, MAX_TRANSFERS_A_TICK)


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

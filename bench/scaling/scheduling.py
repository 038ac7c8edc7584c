"""The simulated scheduler: its rounds, with the limits and the order of the real one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import ceil

from bench.scaling.job_table import Job
from bench.scaling.machinery import Cpu
from bench.scaling.system import Message, Steps, System
from worker.scheduling import batches
from worker.scheduling.batches import (
    MAX_SUBMITS_A_ROUND,
    MAX_TRANSFERS_A_ROUND,
    POLL_BATCH,
    SUBMIT_BATCH,
    TRANSFER_BATCH,
    Limit,
)
from worker.scheduling.hinted import PAUSE_S, SHARE, Pace

ALL = ("submit", "poll", "transfer")
ROUNDS = 3
"""How many rounds a scheduler begins in a tick at most: while there is more, they follow each other and take half of
its time, some 40 ms each. They are simulated as one."""


def scheduler(system: System, cpu: Cpu, first_s: float = 0.0) -> Steps:
    """Run rounds forever from `first_s` on; the first round sees the jobs enqueued at the start."""
    yield system.env.timeout(first_s)
    pace, awaited = Pace(), set[str]()
    while True:
        yield from _round(system, cpu, awaited)
        yield from _wait(system, cpu, pace, awaited)


def _wait(system: System, cpu: Cpu, pace: Pace, awaited: set[str]) -> Steps:
    """Wait for the next tick, and claim what hints say is due until then."""
    until_s = system.now_s + system.layout.tick_s
    while system.now_s < until_s:
        if system.now_s < pace.next_at:
            yield system.until(min(until_s, pace.next_at))
            continue
        yield system.hinted | system.until(until_s)
        if system.now_s >= until_s:
            return
        queues, began_s = system.take_hints() & awaited, system.now_s
        if queues and not (system.outages.down("database", began_s) or system.outages.down("broker", began_s)):
            # Submits are claimed in one transaction, everything else in another.
            looks = ("submit" in queues) + bool(queues - {"submit"})
            yield from _dispatch(system, cpu, awaited, queues, began_s, looks=looks)
        pace.note(began_s, system.now_s)


def _round(system: System, cpu: Cpu, awaited: set[str]) -> Steps:
    """Do what a tick does. Adds to `awaited` the queues for which the claims found less than they could have taken."""
    now_s = system.now_s
    if system.outages.down("database", now_s):
        return
    system.tally.rounds += 1
    own_s, database_s = system.spend("scheduler", tick=1), system.spend("database", tick=1)
    done_s = system.database.book(cpu.book(now_s, own_s), database_s)
    if system.outages.down("broker", now_s):
        yield system.until(done_s)
        return
    yield from _dispatch(system, cpu, awaited, ALL, done_s, looks=_followed(system, awaited))


def _followed(system: System, awaited: set[str]) -> float:
    """The rounds since the last tick that hints of single jobs began, where lots are simulated."""
    if not system.unfollowed or "transfer" not in awaited:
        return 0.0
    round_s = (system.costs.of("scheduler", claim=1) + system.costs.of("database", transaction=1)) / 1000
    round_s += system.layout.commit_s
    most = system.layout.tick_s / max(PAUSE_S + round_s, round_s / SHARE)
    followed = min(system.unfollowed, most)
    # Hints that come together are one.
    system.unfollowed = min(system.unfollowed - followed, system.weight)
    return followed


def _dispatch(
    system: System, cpu: Cpu, awaited: set[str], queues: Collection[str], from_s: float, *, looks: float
) -> Steps:
    """Claim for these queues, and send the messages. `looks`: transactions that are not those of a tick."""
    awaited.difference_update(queues)
    messages, found = _claim(system, awaited, queues)
    units, claims = sum(message.units for message in messages), max(looks, found)
    own_s = system.spend("scheduler", claim=claims)
    done_s = system.database.book(cpu.book(from_s, own_s), system.spend("database", transaction=claims))
    done_s += system.layout.commit_s if messages else 0.0
    system.spend("broker", message=units)
    system.tally.messages += units
    system.tally.transactions += ceil(looks)
    yield system.until(done_s)
    for message in messages:
        system.waiting[message.kind] += message.units
        system.queues["copies" if message.kind == "transfer" else "work"].put(message)


def _claim(system: System, awaited: set[str], queues: Collection[str]) -> tuple[list[Message], int]:
    """The messages of this round for these queues, and for how many queues jobs were found."""
    table, lease_s, now_s, weight = system.table, system.layout.lease_s, system.now_s, system.weight
    lease_of_poll_s = system.layout.poll_lease_s
    room = {queue: free if queue in queues else 0 for queue, free in batches.room(system.waiting).items()}
    messages: list[Message] = []
    found = 0
    if room["transfer"]:
        urgent = table.claim_transfers(now_s, _lots(TRANSFER_BATCH, weight), lease_s, urgent=True)
        limit = _most(batches.transfers_to_claim(room["transfer"]))
        others = table.claim_transfers(now_s, _lots(limit, weight), lease_s, urgent=False) if limit else []
        for copies in (urgent, others):
            of_round = min(len(copies) * weight, MAX_TRANSFERS_A_ROUND)
            size = batches.jobs_a_message(of_round, system.layout.transfer, TRANSFER_BATCH)
            messages += _messages(system, "transfer", size, batches.mixed_messages(copies, _lots(size, weight)))
        found += bool(urgent or others)
        if len(others) < _lots(limit, weight):
            awaited.add("transfer")
    if room["poll"]:
        polls = table.claim_polls(now_s, _lots(_most(batches.polls_to_claim(room["poll"])), weight), lease_of_poll_s)
        messages += _messages(system, "poll", POLL_BATCH, batches.messages(polls, _lots(POLL_BATCH, weight)))
        found += bool(polls)
    served = False
    left = _lots(_most(batches.submits_to_claim(room["submit"], SUBMIT_BATCH)), weight) if room["submit"] else 0
    system.tally.most_queued = max(system.tally.most_queued, table.queued * weight)
    submits: list[Job] = []
    for number, quota in enumerate(system.quotas):
        while table.lost:
            system.quotas[table.lost.pop()].claim(-weight)
        free = quota.free(now_s)
        if left <= 0:
            break
        if free < weight or not table.has_queued(now_s):
            continue
        claimed = table.claim_submits(number, now_s, min(free // weight, left), lease_s)
        quota.claim(len(claimed) * weight)
        left -= len(claimed)
        submits += claimed
        served = True
    of_round = min(len(submits) * weight, MAX_SUBMITS_A_ROUND)
    size = batches.jobs_a_message(of_round, system.layout.submit_poll, SUBMIT_BATCH)
    messages += _messages(system, "submit", size, batches.messages(submits, _lots(size, weight)))
    if room["submit"] and not table.has_queued(now_s):
        awaited.add("submit")
    return messages, found + served


def _most(limit: Limit) -> int:
    return min(limit.fit, ROUNDS * limit.most)


def _lots(jobs: int, weight: int) -> int:
    return max(1, jobs // weight)


def _messages(system: System, kind: str, size: int, split: Iterable[Sequence[Job]]) -> list[Message]:
    return [Message(kind, [(job, job.due_s) for job in batch], system.batches(len(batch), size)) for batch in split]

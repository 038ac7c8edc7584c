"""Turn due rows into messages: claim as many as the queues can take, then publish them."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from storage.accounts.live import LiveSettings
from storage.admission import poll_limits
from storage.admission.grants import grants
from storage.admission.queue.queue_memory import QueueMemory
from storage.broker import NO_EFFECT
from storage.database import Connection, Database, DatabaseUnavailable, LocksHeld
from storage.jobs import callbacks, claims
from storage.jobs.due_starts import DueStarts
from storage.jobs.due_work import due_work, has_queue
from storage.jobs.playable_copies import claim_copies, release_copies
from storage.leases import Claimed
from storage.metrics.families import POLL_LATENESS
from storage.metrics.measures import Measures
from storage.settings import Settings
from storage.waking.hints import Due
from storage.webhooks.delivery import Walk, claim_messages, release_messages
from worker.failpoints import failpoint
from worker.scheduling.admission import SUBMIT_BATCH, claim_for
from worker.scheduling.batches import (
    MAX_UNCONFIRMED_A_ROUND,
    MAX_WAITING,
    POLL_BATCH,
    SLOW_S,
    TRANSFER_BATCH,
    Limit,
    copies_a_message,
    messages,
    mixed_messages,
    polls_to_claim,
    room,
    submits_to_claim,
    transfers_to_claim,
)
from worker.scheduling.beside import beside
from worker.scheduling.envelopes import Envelopes
from worker.watching.words import described
from worker.webhooks import deliver

log = logging.getLogger("reelq.dispatch")

LOOK_BACK = "look_back"
ALL = frozenset(Due)
IDLE_S = 1.0
"""While nothing is queued, limits are learned, breakers are closed and the broker is tried with a write as often."""
LONG_S = 0.005
"""A claim that takes as long is worth a thread for another one beside it."""
MODELS_EVERY_S = 1.0
"""How often breakers of models are closed that have recovered."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One message to publish."""

    task: str
    queue: str
    account: str
    """For people who watch the queues; a message may hold jobs of several accounts."""
    claimed: Sequence[Claimed]

    @property
    def what(self) -> str:
        """What the ids are."""
        return "message" if self.task == "notify" else "job"


Claim = Callable[[Connection, Mapping[str, int]], Iterator[Batch]]
"""Claims in a transaction, given how many more batches each queue can take."""


class Dispatcher:
    """Sends due jobs. Connects to the broker on first use, and again after a failure."""

    def __init__(self, app: Celery, settings: Settings, database: Database) -> None:
        self._walk = Walk()
        self._starts, self._memory = DueStarts(), QueueMemory(at_once=True)
        self._granted_at = self._recovered_at = self._written_at = -math.inf
        self._has_queue = False
        """Whether any job was queued at the last look."""
        self._is_slow = False
        """Whether claims of submits take long, by the last one."""
        self._work_takes_s = 0.0
        """How long a claim of other work takes, by the last ones."""
        self._app, self._envelopes = app, Envelopes(app)
        self.live = LiveSettings(settings)
        self._database = database
        self._connection: Any = None
        self._producer: Any = None
        self.copiers = 0
        """How many workers copy videos; 0: not known."""
        self.awaited: set[str] = set()
        """The queues for which the last claim found less than it could have taken. Only for these is a hint worth a
        round: of the others, a tick finds more at any time."""
        self.more: set[str] = set()
        """The queues for which the last claim found as much as a round takes, and which can take more: their next round
        need not wait for a tick."""

    @property
    def _settings(self) -> Settings:
        return self.live.current

    def run(self, may_submit: Callable[[Connection], bool] = lambda _: True, queues: Collection[str] = ALL) -> int:
        """Claim and publish once for these queues; returns the number of jobs sent. `may_submit` decides in the
        transaction of the claim whether queued jobs are claimed at all.

        Submits are claimed in their own transaction: they wait for locks, and polls and copies must not. While jobs are
        queued, and the other claim takes long enough, the two run side by side.

        Raises:
            DatabaseUnavailable: nothing more was claimed.
            BrokerError: the broker does not answer; the leases of unsent jobs were released.
        """
        self.awaited.difference_update(queues)
        self.more.difference_update(queues)
        free = {queue: batches if queue in queues else 0 for queue, batches in self._room().items()}
        work = {queue: batches for queue, batches in free.items() if queue != Due.SUBMIT}
        posts: dict[str, int] = {Due.SUBMIT: free[Due.SUBMIT]}

        def submits(conn: Connection, free: Mapping[str, int]) -> Iterator[Batch]:
            return self.claim_submits(conn, free) if may_submit(conn) else iter(())

        if self._has_queue and self._work_takes_s >= LONG_S and any(work.values()) and any(posts.values()):
            with beside(lambda: self._claim(submits, posts), self._release) as claimed:
                sent = self._send(self._claim_work(work))
                return sent + self._send(claimed())
        sent = self._send(self._claim_work(work))
        return sent + self._send(self._claim(submits, posts))

    def _claim_work(self, free: Mapping[str, int]) -> list[Batch]:
        began = time.monotonic()
        batches = self._claim(self.claim_work, free)
        self._work_takes_s = max(time.monotonic() - began, self._work_takes_s / 2)
        return batches

    def _claim(self, claim: Claim, free: Mapping[str, int]) -> list[Batch]:
        """Claim in a transaction. If that fails, each queue is tried alone, so that what stops one of them, such as a
        trigger of another program, stops no other."""
        wanted = [queue for queue, batches in free.items() if batches]
        if not wanted:
            return []
        try:
            with self._database.begin(planned_once=True) as conn:
                batches = list(claim(conn, free))
                if batches:
                    failpoint("scheduler.before_commit")
        except LocksHeld as exc:
            log.warning("dispatch.locks_held error=%s", exc)
            return []
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("dispatch.not_claimed queues=%s", ",".join(wanted))
            return self._claim_apart(claim, free, wanted) if len(wanted) > 1 else []
        return batches

    def _claim_apart(self, claim: Claim, free: Mapping[str, int], queues: Sequence[str]) -> list[Batch]:
        batches: list[Batch] = []
        none = dict.fromkeys(free, 0)
        for queue in queues:
            try:
                batches += self._claim(claim, none | {queue: free[queue]})
            except DatabaseUnavailable:
                if not batches:
                    raise
                break  # send what was claimed; the next round finds out, too
        return batches

    def _send(self, batches: Sequence[Batch]) -> int:
        """Publish claimed batches; returns the number of jobs."""
        if batches:
            failpoint("scheduler.after_claim")
        waiting = list(batches)
        try:
            for queue, of_queue in groupby(batches, lambda batch: batch.queue):
                sent = list(of_queue)
                self._channel().client.lpush(queue, *(self._message(batch) for batch in sent))
                del waiting[: len(sent)]
                failpoint("scheduler.after_publish")
        except (BrokerError, RedisError, OSError) as exc:
            self.close()
            raise BrokerError(str(exc)) from exc
        finally:  # also when the process is stopped halfway
            if waiting:
                self._release(waiting)
        return sum(len(batch.claimed) for batch in batches)

    def _room(self) -> dict[str, int]:
        """How many more batches each queue can take."""
        try:
            pipe = self._channel().client.pipeline(transaction=False)
            for queue in MAX_WAITING:
                pipe.llen(queue)
            if (now := time.monotonic()) >= self._written_at + IDLE_S:  # a read-only broker still counts
                pipe.execute_command(*NO_EFFECT)
                self._written_at = now
            lengths = pipe.execute()[: len(MAX_WAITING)]
        except (RedisError, OSError) as exc:
            self._written_at = -math.inf
            self.close()
            raise BrokerError(str(exc)) from exc
        return room({queue: int(length) for queue, length in zip(MAX_WAITING, lengths, strict=True)})

    def claim_work(self, conn: Connection, free: Mapping[str, int]) -> Iterator[Batch]:
        """Claim everything except submits; `free`: how many more batches each queue can take."""
        lease_s = self._settings.lease_seconds
        due = due_work(conn, self._starts)
        idle = {Due.TRANSFER: not due.transfers, Due.POLL: not due.polls, Due.NOTIFY: not due.messages}
        self.awaited.update(queue for queue, has_nothing in idle.items() if has_nothing and free[queue])
        if free["transfer"] and due.transfers:
            urgent = claims.claim_transfers(conn, TRANSFER_BATCH, lease_s, urgent=True)
            limit = transfers_to_claim(free["transfer"])
            others = claims.claim_transfers(conn, limit.jobs, lease_s) if limit.jobs else []
            self._note(Due.TRANSFER, len(others), limit)
            yield from _transfers(urgent, self.copiers)
            yield from _transfers(others, self.copiers)
        if free["transfer"] and due.playable_copies:
            copies = claim_copies(conn, self._settings.playable_copies_at_once, lease_s)
            yield from _batches("playable", "transfer", copies, 1)
        if free["poll"] and due.polls:
            limit = polls_to_claim(free["poll"])
            polls = self.claim_polls(conn, limit.jobs, due.first_poll)
            _count_lateness(conn, polls)
            self._note(Due.POLL, len(polls), limit)
            yield from _batches("poll", "poll", polls, POLL_BATCH)
        if free["poll"] and due.unconfirmed:
            unconfirmed = claims.claim_unconfirmed(conn, MAX_UNCONFIRMED_A_ROUND, lease_s)
            yield from _batches("reconcile", "poll", unconfirmed, POLL_BATCH)
        if free["poll"] and due.looks:
            looks = callbacks.claim_looks(conn, MAX_UNCONFIRMED_A_ROUND, lease_s)
            yield from _batches(LOOK_BACK, "poll", looks, POLL_BATCH)
        if free["notify"] and due.messages:
            deliveries = claim_messages(conn, free["notify"], deliver.RECEIVERS, deliver.BATCH, lease_s, self._walk)
            self._note(Due.NOTIFY, len(deliveries), Limit(free["notify"], free["notify"]))
            yield from _batches("notify", "notify", deliveries, deliver.BATCH)

    def claim_submits(self, conn: Connection, free: Mapping[str, int]) -> Iterator[Batch]:
        """Claim submits, for all accounts together. While nothing is queued, what grants learn waits for a second."""
        self._has_queue = has_queue(conn)
        if not self._has_queue:
            self.awaited.add(Due.SUBMIT)
            if time.monotonic() < self._granted_at + IDLE_S:
                return
        self._granted_at = now = time.monotonic()
        models = now >= self._recovered_at + MODELS_EVERY_S
        self._recovered_at = now if models else self._recovered_at
        lease_s = self._settings.lease_seconds
        # Count jobs, not messages: many accounts with a slot or two free make small messages, and the accounts that
        # come first in the configuration must not use up the room of the others.
        limit = submits_to_claim(free["submit"], SUBMIT_BATCH, slow=self._is_slow)
        settings = self.live.ensure(conn)

        def note(latest: int) -> None:
            if latest > settings.book.version:
                self.live.refresh(conn)  # for the next round

        if limit.jobs and (granted := grants(conn, settings, note, models=models)):
            began = time.monotonic()
            claimed = claim_for(conn, granted, limit.jobs, lease_s, self._memory)
            self._is_slow = time.monotonic() - began > (SLOW_S / 2 if self._is_slow else SLOW_S)
            slots = sum(grant.slots for grant in granted)
            self._note(Due.SUBMIT, len(claimed), Limit(min(limit.fit, slots), limit.most))
            yield from _batches("submit", "submit", claimed, SUBMIT_BATCH)

    def _note(self, queue: Due, claimed: int, limit: Limit) -> None:
        if claimed < limit.jobs:
            self.awaited.add(queue)
        elif limit.leaves_more(claimed):
            self.more.add(queue)

    def claim_polls(self, conn: Connection, limit: int, since: datetime | None = None) -> list[Claimed]:
        """Claim polls that became due at this time or later (None: all), within each account's `polls_per_minute`,
        which does not count submits."""
        limited = {a.name: a for a in self._settings.accounts if a.polls_per_minute is not None}
        most = dict.fromkeys(limited, 0)
        # How many tasks one request asks about.
        each = {name: max(1, account.dialect.capabilities().list_ids) for name, account in limited.items()}
        if limited:
            free = poll_limits.free_polls(conn, {name: a.polls_per_minute or 0 for name, a in limited.items()})
            most |= {name: requests * each[name] for name, requests in free.items()}
        claimed = claims.claim_polls(conn, limit, self._settings.poll_lease_seconds, most, since)
        polls = Counter(item.account for item in claimed if item.account in limited)
        if polls:
            poll_limits.count_polls(conn, {name: math.ceil(count / each[name]) for name, count in polls.items()})
        return claimed

    def _message(self, batch: Batch) -> bytes:
        args = [batch.account, [[item.id, item.claim] for item in batch.claimed]]
        shown = described(batch.account, [item.id for item in batch.claimed], batch.what)
        return self._envelopes.message(f"worker.{batch.task}", batch.queue, args, shown)

    def _release(self, batches: Sequence[Batch]) -> None:
        # Looks back hold leases on attempts, not on jobs: they are due again when these end.
        claimed = [(item.id, item.claim) for batch in batches if batch.task != LOOK_BACK for item in batch.claimed]
        try:
            with self._database.begin() as conn:
                # An id belongs to a job, to the copy of a succeeded job, or to a webhook message; each call ignores the
                # other kinds.
                claims.release(conn, claimed)
                release_copies(conn, claimed)
                release_messages(conn, claimed)
        except DatabaseUnavailable as exc:
            log.warning("dispatch.not_released jobs=%d error=%s: they wait for their lease to end", len(claimed), exc)

    def _channel(self) -> Any:
        return self.open_producer().channel

    def open_producer(self) -> Any:
        """The producer on this process's only connection for sending.

        Raises:
            BrokerError, RedisError, OSError: the broker does not answer.
        """
        if self._producer is None:
            connection = self._app.connection_for_write()
            connection.ensure_connection(max_retries=1, timeout=5.0)
            self._connection = connection
            self._producer = self._app.amqp.Producer(connection, auto_declare=False)
        return self._producer

    def close(self) -> None:
        """Close the broker connection."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.release()
            except (RedisError, OSError) as exc:
                log.debug("dispatch.release_failed error=%s", exc)


def _count_lateness(conn: Connection, polls: Sequence[Claimed]) -> None:
    late: dict[str, list[float]] = {}
    for poll in polls:
        if poll.late_s is not None:
            late.setdefault(poll.account, []).append(poll.late_s)
    measures = Measures()
    for account, seconds in late.items():
        measures.observe_all(POLL_LATENESS, seconds, account)
    measures.write(conn)


def _transfers(claimed: Sequence[Claimed], copiers: int) -> Iterator[Batch]:
    for items in mixed_messages(claimed, copies_a_message(len(claimed), copiers)):
        accounts = sorted({item.account for item in items})
        yield Batch("transfer", "transfer", accounts[0] if len(accounts) == 1 else f"{len(accounts)} accounts", items)


def _batches(task: str, queue: str, claimed: Sequence[Claimed], size: int) -> Iterator[Batch]:
    return (Batch(task, queue, items[0].account, items) for items in messages(claimed, size))

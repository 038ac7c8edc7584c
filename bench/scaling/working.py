"""The simulated workers: what a thread does with a message."""

from __future__ import annotations

from typing import Any

import simpy

from bench.scaling.job_table import Job
from bench.scaling.machinery import Cpu
from bench.scaling.system import LOAD_GIVEN_UP_S, Message, Steps, System
from seedance.link_expiry import URGENT_SHARE
from storage.bucket.objects import PART_BYTES
from storage.jobs.states import JobState
from worker.retry import backoff_s
from worker.scheduling.admission import SUBMIT_BATCH
from worker.scheduling.dispatch import POLL_BATCH, TRANSFER_BATCH
from worker.submitting.decisions import OUTAGE_RETRY_CAP_S, RETRY_CAP_S, RETRY_FIRST_S, THROTTLE_CAP_S, THROTTLE_FIRST_S
from worker.transferring.capacity import BYTES_AT_ONCE, COPIES_AT_ONCE, URGENT_COPIES_AT_ONCE
from worker.transferring.decisions import RETRY_AGE_SHARE
from worker.transferring.decisions import RETRY_CAP_S as COPY_RETRY_CAP_S
from worker.transferring.decisions import RETRY_FIRST_S as COPY_RETRY_FIRST_S
from worker.transferring.upload import HELD_BYTES

Outcome = tuple[float, Job, Any]
MIB = 2**20
THREADS = {"work": 16, "copies": 4}
"""Of a worker process, by what it consumes."""
NOT_SENT, TOO_MANY = "not sent", "too many"


def intake(system: System, queue: str, threads: int) -> simpy.Store:
    """A process's own messages: as many as it has threads wait in it beside those it works on. Processes take turns."""
    own = simpy.Store(system.env, threads)

    def take() -> Steps:
        while True:
            message: Message = yield system.queues[queue].get()
            system.waiting[message.kind] -= message.units
            yield own.put(message)

    system.env.process(take())
    return own


class SubmitPollWorker:
    """A process of the submit and poll queues: threads that share one core."""

    def __init__(self, system: System, cpu: Cpu) -> None:
        self._system, self._cpu = system, cpu
        self._messages = intake(system, "work", THREADS["work"])
        for _ in range(THREADS["work"]):
            system.env.process(self._thread())

    def _thread(self) -> Steps:
        system = self._system
        while True:
            message: Message = yield self._messages.get()
            begun_s = system.now_s
            yield from self._handle(message)
            system.submit_poll_threads_s += system.now_s - begun_s

    def _handle(self, message: Message) -> Steps:
        system, worker = self._system, self._system.costs.worker
        own_ms = worker.submit_message_ms if message.kind == "submit" else worker.poll_message_ms
        yield system.until(self._cpu.book(system.now_s, message.units * (worker.receive_ms + own_ms) / 1000))
        if system.outages.down("database", system.now_s):
            yield system.env.timeout(LOAD_GIVEN_UP_S)
            return
        state = JobState.QUEUED if message.kind == "submit" else JobState.GENERATING
        yield system.until(system.transact("load", len(message.items), self._cpu, system.now_s, message.units))
        held = message.held(state, system.now_s)
        if held and message.kind == "submit":
            yield from self._submit(held)
        elif held:
            yield from self._poll(held)

    def _submit(self, held: list[Job]) -> Steps:
        system, weight = self._system, self._system.weight
        units = system.batches(len(held), SUBMIT_BATCH)
        yield system.until(system.transact("begin", len(held), self._cpu, system.now_s, units))
        quota = system.quotas[held[0].account]
        quota.begin(system.now_s, len(held) * weight)
        outcomes: list[Outcome] = []
        for job in held:
            system.book.set(job, JobState.SUBMITTING, system.now_s + system.layout.lease_s)
            job.submitted_s = system.now_s
            sent_s = self._cpu.book(system.now_s, weight * system.costs.worker.submit_ms / 1000)
            latency_s = system.work.submit.draw(system.rng)
            system.tally.posts += weight
            if system.outages.down("gateway", sent_s):
                outcomes.append((sent_s, job, NOT_SENT))
                continue
            takes_s = system.work.draw_generation(system.rng, system.tally.posts // weight - 1)
            ends_s = quota.post(sent_s + latency_s / 2, takes_s)
            outcomes.append((sent_s + latency_s, job, TOO_MANY if ends_s is None else ends_s))
        yield from system.write_out(outcomes, self._write_submits, self._submitted, self._unknown)

    def _write_submits(self, group: list[Outcome]) -> float:
        calls = self._system.writes(len(group), self._system.work.submit, SUBMIT_BATCH)
        return self._system.transact("accepted", len(group), self._cpu, self._system.now_s, calls)

    def _submitted(self, job: Job, outcome: Any) -> None:
        system, quota = self._system, self._system.quotas[job.account]
        if outcome not in (NOT_SENT, TOO_MANY):
            job.ends_s, job.refusals, job.setbacks = outcome, 0, 0
            quota.accept(system.weight, job.submitted_s)
            pacing = system.pacing(job.account)
            system.book.set(job, JobState.GENERATING, system.now_s + pacing.next_s(0.0, rng=system.rng))
            return
        if outcome == TOO_MANY:
            job.refusals += 1
            wait_s = backoff_s(job.refusals, THROTTLE_FIRST_S, THROTTLE_CAP_S, system.rng)
            system.tally.refused += system.weight
            quota.throttle(system.now_s)
        elif quota.fail(system.now_s, job.submitted_s):
            job.setbacks += 1
            wait_s = backoff_s(job.setbacks, RETRY_FIRST_S, OUTAGE_RETRY_CAP_S, system.rng)
        else:
            job.refusals += 1
            wait_s = backoff_s(job.refusals, RETRY_FIRST_S, RETRY_CAP_S, system.rng)
        quota.give_back(system.weight)
        system.book.requeue(job, system.now_s + wait_s)

    def _unknown(self, job: Job) -> None:
        """Its outcome could not be written: only a person or the policy can tell. It ends here."""
        self._system.quotas[job.account].give_back(self._system.weight)
        self._system.end(job, JobState.FAILED)

    def _poll(self, held: list[Job]) -> Steps:
        system = self._system
        loaded_s = system.now_s
        outcomes: list[Outcome] = []
        for job in held:
            sent_s = self._cpu.book(system.now_s, system.weight * system.costs.worker.poll_ms / 1000)
            system.tally.polls += system.weight
            if system.outages.down("gateway", sent_s):
                outcomes.append((sent_s, job, None))
                continue
            latency_s = system.work.query.draw(system.rng)
            outcomes.append((sent_s + latency_s, job, (sent_s + latency_s / 2 >= job.ends_s, loaded_s)))
        yield from system.write_out(outcomes, self._write_polls, self._polled, lambda _job: None)

    def _write_polls(self, group: list[Outcome]) -> float:
        system = self._system
        found = sum(1 for _, _, outcome in group if outcome is not None and outcome[0])
        calls = system.writes(len(group), system.work.query, POLL_BATCH)
        done_s = system.now_s
        if found:
            done_s = system.transact("found", found, self._cpu, done_s, calls)
        if still := len(group) - found:
            done_s = system.transact("still", still, self._cpu, done_s, 0 if found else calls)
        return done_s

    def _polled(self, job: Job, outcome: Any) -> None:
        system = self._system
        job.polls += 1
        if outcome is not None and outcome[0]:
            job.detected_s, job.setbacks = system.now_s, 0
            job.expires_s = job.ends_s + job.life_s
            system.learn(job)
            system.quotas[job.account].finish(system.weight)
            system.in_transfer += system.weight
            system.tally.most_copies_waiting = max(system.tally.most_copies_waiting, system.in_transfer)
            system.book.set(job, JobState.TRANSFERRING, system.now_s)
            return
        pacing = system.pacing(job.account)
        age_s = (system.now_s if outcome is None else outcome[1]) - job.submitted_s
        wait_s = pacing.next_s(age_s, system.work.refresh_s, system.rng)
        if outcome is None:
            job.setbacks += 1
            wait_s = max(wait_s, backoff_s(job.setbacks, pacing.min_s, pacing.max_s, system.rng))
        else:
            job.polled_s, job.setbacks = system.now_s, 0
        system.book.set(job, JobState.GENERATING, system.now_s + wait_s)


class TransferWorker:
    """A process of the transfer queue: threads that share a core, a number of copies and of bytes at once."""

    def __init__(self, system: System, cpu: Cpu) -> None:
        self._system, self._cpu = system, cpu
        self._decoder = Cpu()
        # A lot of many videos has the process for itself for as long as they take in turns.
        self._lots = max(1, COPIES_AT_ONCE // system.weight)
        self._slots = simpy.Resource(system.env, self._lots)
        self._urgent = simpy.Resource(system.env, max(1, URGENT_COPIES_AT_ONCE // system.weight))
        self._bytes = simpy.Container(system.env, init=BYTES_AT_ONCE / MIB)
        # A lot of more than a batch is several messages, which as many threads would have.
        threads = max(1, min(THREADS["copies"], THREADS["copies"] * TRANSFER_BATCH // system.weight))
        self._messages = intake(system, "copies", threads)
        for _ in range(threads):
            system.env.process(self._thread())

    def _thread(self) -> Steps:
        system = self._system
        while True:
            message: Message = yield self._messages.get()
            worker = system.costs.worker
            own_ms = worker.receive_ms + worker.transfer_message_ms
            yield system.until(self._cpu.book(system.now_s, message.units * own_ms / 1000))
            if system.outages.down("database", system.now_s):
                yield system.env.timeout(LOAD_GIVEN_UP_S)
                continue
            yield system.until(
                system.transact("load_transfers", len(message.items), self._cpu, system.now_s, message.units)
            )
            held = message.held(JobState.TRANSFERRING, system.now_s)
            done = simpy.Store(system.env)
            for job in held:
                job.due_s = float("inf")  # its lease is renewed for as long as the copy runs
                system.env.process(self._copy(job, done))
            left = len(held)
            while left:
                group = [(yield done.get())]
                group += done.items
                done.items.clear()
                left -= len(group)
                yield from system.write_out(
                    [(system.now_s, job, stored) for job, stored in group], self._write, self._copied, self._not_written
                )

    def _copy(self, job: Job, done: simpy.Store) -> Steps:
        system, layout, worker, weight = (
            self._system,
            self._system.layout,
            self._system.costs.worker,
            self._system.weight,
        )
        urgent = job.expires_s - system.now_s < URGENT_SHARE * job.life_s and self._slots.count >= self._slots.capacity
        slots = self._urgent if urgent else self._slots
        held_mib = min(job.mib, HELD_BYTES / MIB) if job.mib > PART_BYTES / MIB else job.mib
        with slots.request() as slot:
            yield slot
            if weight == 1:
                yield self._bytes.get(held_mib)
            down = system.outages.down("store", system.now_s)
            moved_mib = min(job.mib, PART_BYTES / MIB) if down else job.mib
            cpu_s = (worker.copy_ms + worker.mib_ms * moved_mib) / 1000
            at_once = min(COPIES_AT_ONCE, BYTES_AT_ONCE / MIB / held_mib)
            turns = max(1.0, weight / at_once) if weight > 1 else 1.0
            own_s = (layout.store_s + moved_mib / layout.connection_mib_s) * turns
            ends_s = max(
                self._cpu.book(system.now_s, cpu_s * weight),
                system.network.book(system.now_s, weight * moved_mib / layout.network_mib_s),
                system.now_s + own_s,
            )
            if layout.poster and not down:
                ends_s = max(ends_s, self._decoder.book(system.now_s, weight * worker.poster_ms / 1000))
                system.decoder_busy_s += weight * worker.poster_ms / 1000
            yield system.until(ends_s)
            if weight == 1:
                yield self._bytes.put(held_mib)
        yield done.put((job, not system.outages.down("store", system.now_s) and not down))

    def _write(self, group: list[Outcome]) -> float:
        system = self._system
        stored = sum(1 for _, _, outcome in group if outcome)
        calls = max(1.0, len(group) * system.weight / TRANSFER_BATCH * 2) if system.weight > 1 else 1.0
        done_s = system.now_s
        if stored:
            done_s = system.transact("stored", stored, self._cpu, done_s, calls)
        if failed := len(group) - stored:
            done_s = system.transact("still", failed, self._cpu, done_s, 0 if stored else calls)
        return done_s

    def _copied(self, job: Job, outcome: Any) -> None:
        system = self._system
        if system.now_s > job.expires_s:
            system.in_transfer -= system.weight
            system.end(job, JobState.FAILED)
            return
        if outcome:
            system.in_transfer -= system.weight
            system.end(job, JobState.SUCCEEDED)
            return
        job.setbacks += 1
        slow_s = min((system.now_s - job.detected_s) * RETRY_AGE_SHARE, COPY_RETRY_CAP_S)
        wait_s = max(slow_s, backoff_s(job.setbacks, COPY_RETRY_FIRST_S, COPY_RETRY_CAP_S, system.rng))
        system.book.set(job, JobState.TRANSFERRING, system.now_s + wait_s)

    def _not_written(self, job: Job) -> None:
        """The copy is made again after its lease."""
        self._system.book.set(job, JobState.TRANSFERRING, self._system.now_s + self._system.layout.lease_s)

"""The simulated workers: how a thread processes a message. The decision functions of the real workers decide what an
outcome means for its job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import simpy

from bench.scaling.held import HeldPolls
from bench.scaling.job_table import Job
from bench.scaling.machinery import THREADS, Cpu
from bench.scaling.system import CONNECT_TIMEOUT_S, Message, Steps, System
from seedance.errors import NotSent
from seedance.gateways.base import Submitted, TaskReport, TaskStatus
from seedance.link_expiry import URGENT_SHARE
from storage.bucket.objects import PART_BYTES
from storage.bucket.requests import StoreUnavailable
from storage.jobs.states import JobState
from storage.settings import Settings
from worker.decisions import Decision
from worker.polling.decisions import decide_poll
from worker.polling.forecasts import Learning
from worker.polling.held import GATHER_S as POLLS_GATHER_S
from worker.polling.pacing import PollPacing
from worker.scheduling.batches import SUBMIT_BATCH, TRANSFER_BATCH
from worker.submitting.decisions import decide_submit, refusals_of
from worker.transferring.capacity import LINE_AT_MOST, ONE_HOST_BYTES, ONE_HOST_COPIES, ONE_HOST_URGENT_COPIES
from worker.transferring.companions import Complete
from worker.transferring.decisions import decide_transfer
from worker.transferring.transfer import GATHER_S as COPIES_GATHER_S
from worker.transferring.upload import Stored, held_bytes
from worker.watching.gathered_events import GATHER_S as EVENTS_GATHER_S

Outcome = tuple[float, Job, Any]
MIB = 2**20
NOT_SENT = NotSent("connection refused")
ACCEPTED = Submitted("task")
UNFINISHED = TaskReport(TaskStatus.RUNNING, "running")
FINISHED = TaskReport(TaskStatus.SUCCEEDED, "succeeded", video_url="https://files/video.mp4")
STORED, NO_STORE = Complete(Stored("video.mp4", 0, "")), StoreUnavailable("connection refused")
KINDS = 20
"""Number of separate kinds of videos, whose generation times are learnt apart; accounts share them."""
GENERATION_TIMEOUT_S = Settings().generation_timeout_seconds


def intake(system: System, queue: str, threads: int) -> simpy.Store:
    """The messages that a process has prefetched: at most one per thread, in addition to those in progress."""
    own = simpy.Store(system.env, threads)

    def prefetch() -> Steps:
        while True:
            message: Message = yield system.queues[queue].get()
            system.waiting[message.kind] -= message.units
            yield own.put(message)

    system.env.process(prefetch())
    return own


class Events:
    """How often a worker process sends the events of its tasks."""

    def __init__(self, system: System) -> None:
        self._system, self._planned_until_s = system, 0.0

    def due(self) -> int:
        """1 for the first message of a second, else 0."""
        if self._system.now_s < self._planned_until_s:
            return 0
        self._planned_until_s = self._system.now_s + EVENTS_GATHER_S
        return 1


class SubmitPollWorker:
    """A worker process of the submit and poll queues; its threads share one core."""

    def __init__(self, system: System, cpu: Cpu) -> None:
        self._system, self._cpu = system, cpu
        self._messages = intake(system, "work", THREADS["work"])
        self._held = HeldPolls(system, self._poll_held)
        self._learnt: defaultdict[int, Learning] = defaultdict(Learning)
        self._answers: list[Outcome] = []
        self._events = Events(system)
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
        system = self._system
        own_s = system.spend("submit_poll", transaction=message.units, events=self._events.due())
        yield system.until(self._cpu.book(system.now_s, own_s))
        if system.outages.down("database", system.now_s):
            yield system.env.timeout(CONNECT_TIMEOUT_S)
            return
        state = JobState.QUEUED if message.kind == "submit" else JobState.GENERATING
        yield system.until(system.transact(self._cpu, system.now_s, message.units))
        held = message.held(state, system.now_s)
        if held and message.kind == "submit":
            yield from self._submit(held, message.units)
        elif held:
            yield from self._poll(held)

    def _submit(self, held: list[Job], messages: int) -> Steps:
        system, weight = self._system, self._system.weight
        yield system.until(self._write(messages, jobs=len(held)))
        quota = system.quotas[held[0].account]
        quota.begin(len(held) * weight)
        outcomes: list[Outcome] = []
        for job in held:
            system.table.set(job, JobState.SUBMITTING, system.now_s + system.layout.lease_s)
            job.submitted_s = system.now_s
            sent_s = self._cpu.book(system.now_s, system.spend("submit_poll", submit=weight))
            latency_s = system.work.submit.draw(system.rng)
            system.tally.posts += weight
            if system.outages.down("gateway", sent_s):
                outcomes.append((sent_s, job, None))
                continue
            takes_s = system.work.draw_generation(system.rng, system.tally.posts // weight - 1)
            outcomes.append((sent_s + latency_s, job, sent_s + latency_s / 2 + takes_s))
        yield from system.write_out(outcomes, self._write_submits, self._submitted, self._unknown)

    def _write_submits(self, group: list[Outcome]) -> float:
        return self._write(self._system.writes(len(group), self._system.work.submit, SUBMIT_BATCH))

    def _write(self, calls: float, **rows: float) -> float:
        """Run transactions that write; returns the time of the last commit."""
        own_s = self._system.spend("submit_poll", transaction=calls)
        committing_s = self._system.transact(self._cpu, self._system.now_s, calls, own_s, **rows)
        return committing_s + self._system.layout.commit_s

    def _submitted(self, job: Job, ends_s: float | None) -> None:
        """`ends_s`: when the generation ends. None: the gateway could not be reached."""
        system, quota = self._system, self._system.quotas[job.account]
        pacing = self._pacing(job)
        if ends_s is not None:
            job.ends_s = ends_s
            quota.accept(system.weight, job.submitted_s)
            decision = decide_submit(ACCEPTED, job.refusals, pacing, system.rng)
            lease_ends_s = system.now_s + system.layout.poll_lease_s
            if self._held.hold(job, decision.due_in_s, lease_ends_s):
                decision = replace(decision, due_in_s=system.layout.poll_lease_s)
            system.apply_decision(job, decision)
            return
        quota.fail(system.now_s, job.submitted_s)
        quota.release(system.weight)
        refusals = refusals_of(system.work_of(job, system.now_s), NOT_SENT)
        system.apply_decision(job, decide_submit(NOT_SENT, refusals, pacing, system.rng))

    def _unknown(self, job: Job) -> None:
        """The outcome could not be written, so only a person or the policy can resolve the job. The model ends it."""
        self._system.quotas[job.account].release(self._system.weight)
        self._system.end(job, JobState.FAILED)

    def _poll(self, held: Sequence[Job]) -> Steps:
        """Poll the jobs of a message, until all have an answer."""
        yield from self._poll_held([(job, job.due_s) for job in held])

    def _poll_held(self, held: Sequence[tuple[Job, float]]) -> Steps:
        """Poll these jobs, each with the end of its lease."""
        system = self._system
        asked_s = system.now_s
        answers: list[tuple[float, Job, float, TaskReport | NotSent]] = []
        for job, lease_ends_s in held:
            sent_s = self._cpu.book(asked_s, system.spend("submit_poll", poll=system.weight))
            system.tally.polls += system.weight
            if system.outages.down("gateway", sent_s):
                answers.append((sent_s, job, lease_ends_s, NOT_SENT))
                continue
            latency_s = system.work.query.draw(system.rng)
            finished = sent_s + latency_s / 2 >= job.ends_s
            answers.append((sent_s + latency_s, job, lease_ends_s, FINISHED if finished else UNFINISHED))
        for at_s, job, lease_ends_s, result in sorted(answers, key=lambda answer: answer[0]):
            yield system.until(at_s)
            self._answered(job, lease_ends_s, result, asked_s)

    def _answered(self, job: Job, lease_ends_s: float, result: TaskReport | NotSent, asked_s: float) -> None:
        """Hold an unfinished task if there is time; else write the answer, with others that come soon."""
        if isinstance(result, TaskReport):
            self._learn(job, finished=result is FINISHED)
        if result is UNFINISHED:
            decision = self._decide(job, result, asked_s)
            if self._held.hold(job, decision.due_in_s, lease_ends_s):
                job.polls += 1
                job.polled_s = self._system.now_s
                return
        self._answers.append((self._system.now_s, job, (result, asked_s, lease_ends_s)))
        if len(self._answers) == 1:
            self._system.env.process(self._flush())

    def _flush(self) -> Steps:
        yield self._system.env.timeout(POLLS_GATHER_S)
        answers, self._answers = self._answers, []
        yield from self._system.write_out(answers, self._write_polls, self._polled, lambda _job: None)

    def _write_polls(self, group: list[Outcome]) -> float:
        found = sum(1 for _, _, (result, *_) in group if result is FINISHED)
        return self._write(self._transactions(len(group)), still=len(group) - found)

    def _transactions(self, lots: int) -> float:
        """How many transactions write the answers of these lots, whose answers come one by one: as many as there are
        answers, or one in each `POLLS_GATHER_S` if there are more."""
        system = self._system
        if system.weight == 1:
            return 1.0
        a_second = (
            (sum(system.table.ended.values()) + lots)
            * system.weight
            / max(1.0, system.now_s)
            / system.layout.submit_poll
        )
        return max(1.0, lots * system.weight / (1.0 + a_second * POLLS_GATHER_S))

    def _learn(self, job: Job, *, finished: bool) -> None:
        """What the process learns from a look at a task."""
        submitted_s, now_s = job.submitted_s, self._system.now_s
        seen_s = job.polled_s - submitted_s if job.polled_s > submitted_s else None
        learning = self._learnt[job.account % KINDS]
        learning.note(seen_s, now_s - submitted_s, finished=finished, now=now_s, rng=self._system.rng)

    def _pacing(self, job: Job) -> PollPacing:
        """The poll schedule for a job, from what the process has learnt."""
        layout = self._system.layout
        return PollPacing(layout.poll_min_s, layout.poll_max_s, self._learnt[job.account % KINDS].forecast)

    def _decide(self, job: Job, result: TaskReport | NotSent, asked_s: float) -> Decision:
        system = self._system
        work, pacing = system.work_of(job, asked_s), self._pacing(job)
        dialect = system.quotas[job.account].account.dialect
        return decide_poll(result, work, dialect, pacing, GENERATION_TIMEOUT_S, system.rng)

    def _polled(self, job: Job, outcome: tuple[TaskReport | NotSent, float, float]) -> None:
        """`outcome`: the gateway's answer, when it was asked, and the end of the lease."""
        system, (result, asked_s, lease_ends_s) = self._system, outcome
        if job.state is not JobState.GENERATING or job.due_s != lease_ends_s:
            return  # claimed again
        job.polls += 1
        if result is UNFINISHED:
            job.polled_s = system.now_s
        decision = self._decide(job, result, asked_s)
        if result is FINISHED:
            job.detected_s, job.expires_s = system.now_s, job.ends_s + job.life_s
            system.quotas[job.account].finish(system.weight)
            system.in_transfer += system.weight
            system.tally.most_copies_waiting = max(system.tally.most_copies_waiting, system.in_transfer)
            system.hint("transfer")
        system.apply_decision(job, decision)


class TransferWorker:
    """A worker process of the transfer queue. Its threads hand batches over as long as the line has room; the copies
    share one core and the limits on copies and bytes at once."""

    def __init__(self, system: System, cpu: Cpu) -> None:
        self._system, self._cpu = system, cpu
        self._decoder = Cpu()
        self._events = Events(system)
        # A lot of many videos occupies the process for as long as its videos take in sequence.
        self._lots = max(1, ONE_HOST_COPIES // system.weight)
        self._slots = simpy.Resource(system.env, self._lots)
        self._urgent = simpy.Resource(system.env, max(1, ONE_HOST_URGENT_COPIES // system.weight))
        self._bytes = simpy.Container(system.env, init=ONE_HOST_BYTES / MIB)
        self._waiting = 0
        self._left = system.env.event()
        # A lot that is larger than a batch represents several messages, which would use as many threads.
        threads = max(1, min(THREADS["copies"], THREADS["copies"] * TRANSFER_BATCH // system.weight))
        self._messages = intake(system, "copies", threads)
        for _ in range(threads):
            system.env.process(self._thread())

    def _thread(self) -> Steps:
        system = self._system
        while True:
            message: Message = yield self._messages.get()
            own_s = system.spend("transfer", message=message.units, events=self._events.due())
            yield system.until(self._cpu.book(system.now_s, own_s))
            while self._waiting >= LINE_AT_MOST:
                yield self._left
            self._waiting += len(message.items)
            if system.weight == 1:
                system.env.process(self._batch(message))
            else:  # a lot takes minutes: others that waited in the process would outlive their leases
                yield from self._batch(message)

    def _leave_line(self, count: int = 1) -> None:
        self._waiting -= count
        self._left.succeed()
        self._left = self._system.env.event()

    def _batch(self, message: Message) -> Steps:
        system = self._system
        if system.outages.down("database", system.now_s):
            yield system.env.timeout(CONNECT_TIMEOUT_S)
            self._leave_line(len(message.items))
            return
        yield system.until(system.transact(self._cpu, system.now_s, message.units))
        held = message.held(JobState.TRANSFERRING, system.now_s)
        self._leave_line(len(message.items) - len(held))
        done, all_done = simpy.Store(system.env), system.env.event()
        left = [len(held)]
        for job in held:
            job.due_s = float("inf")  # the lease is renewed while the copy runs
            system.env.process(self._copy(job, done, left, all_done))
        unwritten = len(held)
        while unwritten:
            group = [(yield done.get())]
            yield all_done | system.env.timeout(COPIES_GATHER_S)
            group += done.items
            done.items.clear()
            unwritten -= len(group)
            yield from system.write_out(
                [(system.now_s, job, stored) for job, stored in group], self._write, self._copied, self._not_written
            )

    def _copy(self, job: Job, done: simpy.Store, left: list[int], all_done: simpy.Event) -> Steps:
        system, layout, weight = self._system, self._system.layout, self._system.weight
        urgent = job.expires_s - system.now_s < URGENT_SHARE * job.life_s and self._slots.count >= self._slots.capacity
        slots = self._urgent if urgent else self._slots
        held_mib = held_bytes(int(job.mib * MIB)) / MIB
        with slots.request() as slot:
            yield slot
            self._leave_line()
            if weight == 1:
                yield self._bytes.get(held_mib)
            down = system.outages.down("store", system.now_s)
            moved_mib = min(job.mib, PART_BYTES / MIB) if down else job.mib
            cpu_s = system.spend("transfer", copy=weight, mib=moved_mib * weight)
            at_once = min(ONE_HOST_COPIES, ONE_HOST_BYTES / MIB / held_mib)
            turns = max(1.0, weight / at_once) if weight > 1 else 1.0
            own_s = (layout.store_s + moved_mib / layout.connection_mib_s) * turns
            ends_s = max(self._cpu.book(system.now_s, cpu_s), system.now_s + own_s)
            if not down:
                ends_s = max(ends_s, self._decoder.book(system.now_s, system.spend("decoder", poster=weight)))
            yield system.until(ends_s)
            if weight == 1:
                yield self._bytes.put(held_mib)
        left[0] -= 1
        is_last = not left[0]
        yield done.put((job, not system.outages.down("store", system.now_s) and not down))
        if is_last:
            all_done.succeed()

    def _write(self, group: list[Outcome]) -> float:
        system = self._system
        stored = sum(1 for _, _, outcome in group if outcome)
        calls = max(1.0, len(group) * system.weight / TRANSFER_BATCH * 2) if system.weight > 1 else 1.0
        committing_s = system.transact(self._cpu, system.now_s, calls, still=len(group) - stored)
        return committing_s + system.layout.commit_s

    def _copied(self, job: Job, stored: bool) -> None:
        """A video whose URL has expired is lost: the gateway of the model returns no new one."""
        system = self._system
        if system.now_s > job.expires_s:
            system.in_transfer -= system.weight
            system.end(job, JobState.FAILED)
            return
        if stored:
            system.in_transfer -= system.weight
        decided = decide_transfer(
            STORED if stored else NO_STORE, system.work_of(job, system.now_s), job.life_s, system.rng
        )
        system.apply_decision(job, decided)

    def _not_written(self, job: Job) -> None:
        """The copy is repeated after the lease."""
        self._system.table.set(job, JobState.TRANSFERRING, self._system.now_s + self._system.layout.lease_s)

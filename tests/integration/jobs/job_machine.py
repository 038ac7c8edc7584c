"""The model of the property test: everything that can happen to jobs, and a gateway with a record of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from producer.errors import NotPossible
from producer.operator_actions import job_actions
from seedance.gateways.base import TaskStatus
from storage.accounts import changes
from storage.database import Connection
from storage.jobs import callbacks, transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, NewJob, Work
from storage.jobs.states import TERMINAL, JobState
from storage.jobs.work import load_work
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.jobs.counts.kept_counts import miscounted
from tests.integration.jobs.job_messages import BATCHES, KINDS, Delivery, Message, claimed_of, prompts_of
from tests.integration.jobs.job_story import Story, empty_tables, read_story
from tests.integration.submitting.held_gateway import ANSWERS, LISTS, Call, HeldGateway, HeldRuntime, Post
from tests.waiting import PATIENCE_S, wait_for
from worker.polling.evidence import MAX_DOUBTFUL
from worker.scheduling.maintenance import due_tasks

S = JobState
GRACE_S = 3600.0
ANY = st.integers(0, 1_000)
MAX_JOBS = 5


class Jobs(RuleBasedStateMachine):
    """The state machine: rules for events, and invariants."""

    runtime: HeldRuntime
    pool: ThreadPoolExecutor

    def __init__(self) -> None:
        super().__init__()
        self.gateway = HeldGateway(self.post_arrives)
        self.runtime.gateway = self.gateway
        self.settings = self.runtime.settings
        self.database = self.runtime.database
        self.prompts: dict[UUID, str] = {}
        self.messages: list[Message] = []
        self.deliveries: list[Delivery] = []
        self.copies: list[Work] = []
        self.ended: dict[UUID, Any] = {}
        self.faults: list[str] = []
        with self.database.begin() as conn:
            empty_tables(conn)

    # --- the gateway's side of promise 2 ---

    def post_arrives(self, post: Post) -> None:
        """Called for every POST before it counts. Collects faults; an exception would look like a gateway error."""
        for earlier in self.gateway.of(post.prompt):
            if earlier.accepted and earlier.known:
                self.faults.append(f"{post.prompt}: sent again, though {earlier.task_id} was known to be accepted")
            elif earlier.may_be_paid and not earlier.excused:
                self.faults.append(f"{post.prompt}: sent again, though {earlier.task_id} may have been accepted")
        with self.database.begin() as conn:
            row = conn.execute(
                "SELECT count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE j.request ->> 'prompt' = %s",
                [post.prompt],
            ).fetchone()
        if row is None or row[0] <= len(self.gateway.of(post.prompt)):
            self.faults.append(f"{post.prompt}: sent before its attempt was stored")

    # --- rules ---

    @initialize()
    def begin(self) -> None:
        self.enqueue(2)

    @precondition(lambda self: len(self.prompts) < MAX_JOBS)
    @rule(count=st.integers(1, 2), account=st.sampled_from((None, "ark", "listed")), seed=st.booleans())
    def enqueue(self, count: int, account: str | None = None, seed: bool = True) -> None:
        """Jobs for one account or for any; many of them with the same seed."""
        new = []
        for _ in range(count):
            prompt = f"job {len(self.prompts)}"
            request = {"prompt": prompt, "duration": 4, "resolution": "480p"} | ({"seed": 42} if seed else {})
            job = NewJob(new_job_id(), request, prompt, ["anyfast", "ark"], account_pin=account)
            self.prompts[job.id] = prompt
            new.append(job)
        with self.database.begin() as conn:
            enqueue_jobs(conn, new)

    @rule(limit=st.integers(1, 3))
    def tick(self, limit: int) -> None:
        """One round of a scheduler."""
        with self.database.begin() as conn:
            tasks = due_tasks(conn)
        for maintain in tasks:
            with self.database.begin() as conn:
                maintain(conn, self.settings)
        with self.database.begin(planned_once=True) as conn:  # as the dispatcher does
            for kind in KINDS:
                for account, claimed in claimed_of(conn, self.runtime, kind, limit):
                    self.messages.append(Message(kind, account, claimed))

    @rule(limit=st.integers(1, 3), once=st.booleans())
    def hurry(self, limit: int, once: bool) -> None:
        """All waiting jobs are due, and the messages are delivered as soon as they are sent."""
        with self.database.begin() as conn:
            self._due(conn, *self.prompts)
        before = len(self.messages)
        self.tick(limit)
        for message in self.messages[before:]:
            self._deliver(message, once)

    @precondition(lambda self: self.messages)
    @rule(which=ANY, once=st.booleans())
    def deliver(self, which: int, once: bool) -> None:
        """A message arrives, perhaps not for the last time."""
        self._deliver(self.messages[which % len(self.messages)], once)

    def _deliver(self, message: Message, once: bool) -> None:
        if once:
            self.messages.remove(message)
        claimed = [(item.id, item.claim) for item in message.claimed]
        if message.kind == "transfer":
            with self.database.begin() as conn:
                self.copies += load_work(conn, S.TRANSFERRING, claimed)
            return
        self.gateway.hold_queries = message.kind == "poll"
        before = len(self.gateway.calls)
        work = self.pool.submit(BATCHES[message.kind], self.runtime, message.account, claimed)
        prompts = {self.prompts[job_id] for job_id, _ in claimed}

        def calls() -> list[Call]:
            new = self.gateway.calls[before:]
            if message.kind == "submit":
                return [call for call in new if call.post is not None and call.post.prompt in prompts]
            return [call for call in new if call.post is None]

        self._until(lambda: work.done() or (bool(calls()) and self._begun(claimed) <= prompts_of(calls())))
        if not work.done():
            # All calls of a batch begin in the same iteration of the loop.
            self.runtime.start(asyncio.sleep(0)).result(PATIENCE_S)
        if calls():
            self.deliveries.append(Delivery(work, calls()))
        else:
            work.result(PATIENCE_S)

    def _begun(self, claimed: list[tuple[UUID, int]]) -> set[str]:
        """The prompts of jobs that a batch is submitting: each will have its POST, some after a last check."""
        with self.database.begin() as conn:
            rows = conn.execute(
                """SELECT j.id FROM jobs j JOIN unnest(%s::uuid[], %s::bigint[]) AS i(id, claim)
                       ON j.id = i.id AND j.claim = i.claim + 1
                   WHERE j.state = 'submitting'""",
                [[job_id for job_id, _ in claimed], [claim for _, claim in claimed]],
            ).fetchall()
        return {self.prompts[row[0]] for row in rows}

    @precondition(lambda self: self.deliveries)
    @rule(which=ANY, answers=st.lists(st.sampled_from(ANSWERS), min_size=3, max_size=3))
    def answer(self, which: int, answers: list[str]) -> None:
        """All calls of one batch are answered, and the worker writes the outcomes."""
        self._answer(self.deliveries[which % len(self.deliveries)], answers)

    def _answer(self, delivery: Delivery, answers: list[str]) -> None:
        self.deliveries.remove(delivery)
        loop = delivery.calls[0].answer.get_loop()
        for call, answer in zip(delivery.calls, answers, strict=False):
            loop.call_soon_threadsafe(call.answer.set_result, answer)
        delivery.work.result(PATIENCE_S)
        for call, answer in zip(delivery.calls, answers, strict=False):
            if call.post is not None:
                call.post.known = not answer.endswith(("lost", "died"))

    @rule(which=ANY)
    def lease_ends(self, which: int) -> None:
        """A job's lease, pause or backoff ends, even if a worker still processes it."""
        with self.database.begin() as conn:
            self._due(conn, self._pick(which))

    def _due(self, conn: Any, *ids: UUID) -> None:
        conn.execute("UPDATE jobs SET due_at = now() WHERE id = ANY(%s) AND due_at IS NOT NULL", [list(ids)])

    @rule(which=ANY)
    def grace_passes(self, which: int) -> None:
        self._grace_passes(self._pick(which))

    def _grace_passes(self, job_id: UUID) -> None:
        """An hour passes; a POST in flight would have reached its time limit long before."""
        posts = self.gateway.of(self.prompts[job_id])
        if any(post.accepted is None for post in posts):
            return
        with self.database.begin() as conn:
            conn.execute(
                """UPDATE attempts
                   SET started_at = started_at - interval '2 h', finished_at = finished_at - interval '2 h'
                   WHERE job_id = %s""",
                [job_id],
            )
            self._due(conn, job_id)
        for post in posts:
            post.arrived_at -= 7200
            post.disproved = post.disproved or (post.account == "ark" and not post.accepted)
            post.excused = post.excused or self.settings.unconfirmed_policy == "resubmit"

    @precondition(lambda self: self.gateway.tasks())
    @rule(which=ANY, named=ANY, finished=st.booleans())
    def gateway_calls_back(self, which: int, named: int, finished: bool) -> None:
        """A callback about any task at any time; sometimes with the id of another task."""
        tasks = [post for post in self.gateway.tasks() if post.sent.callback_url]
        if not tasks:
            return
        post = tasks[which % len(tasks)]
        wrong = named % 5 == 0
        about = self.gateway.tasks()[named % len(self.gateway.tasks())] if wrong else post
        token = (post.sent.callback_url or "").rpartition("/")[2]
        with self.database.begin() as conn:
            assert callbacks.hint(conn, "ark", token, about.task_id, unfinished=not finished) is not None

    @rule(how=st.sampled_from(LISTS))
    def lists_become(self, how: str) -> None:
        self.gateway.lists = how

    @rule()
    def accounts_recover(self) -> None:
        with self.database.begin() as conn:
            for account in self.settings.accounts:
                changes.resume_account(conn, account.name)

    @precondition(lambda self: self.gateway.tasks())
    @rule(which=ANY, status=st.sampled_from((TaskStatus.SUCCEEDED, TaskStatus.SUCCEEDED, TaskStatus.FAILED)))
    def generation_ends(self, which: int, status: TaskStatus) -> None:
        tasks = self.gateway.tasks()
        post = tasks[which % len(tasks)]
        post.ended = post.ended or status

    @precondition(lambda self: self.copies)
    @rule(which=ANY, outcome=st.sampled_from(("stored", "url_refused", "died")))
    def copy_ends(self, which: int, outcome: str) -> None:
        work = self.copies.pop(which % len(self.copies))
        if outcome == "stored":
            patch = {"object_key": f"videos/{work.id}.mp4", "size_bytes": 1, "sha256": work.gateway_task_id}
            move = Move(work.id, (S.TRANSFERRING,), S.SUCCEEDED, Reason.STORED, work.claim, patch=patch)
        elif outcome == "url_refused":
            move = Move(work.id, (S.TRANSFERRING,), S.GENERATING, Reason.URL_REFUSED, work.claim)
        else:
            return
        with self.database.begin() as conn:
            row = conn.execute("SELECT claim FROM jobs WHERE id = %s", [work.id]).fetchone()
            moved = transitions.move(conn, [move])
        assert row is not None
        assert not moved or row[0] == work.claim, "a worker without a lease changed it"

    @precondition(lambda self: self.gateway.posts)  # jobs that were never sent are of little interest
    @rule(which=ANY, discard=st.booleans())
    def cancel(self, which: int, discard: bool) -> None:
        self._decide(lambda job_id: job_actions.cancel(self.database, DEFAULT_TENANT, job_id, discard=discard), which)

    @rule(which=ANY)
    def abandon(self, which: int) -> None:
        self._decide(lambda job_id: job_actions.abandon(self.database, DEFAULT_TENANT, job_id), which)

    @rule(which=ANY)
    def resubmit(self, which: int) -> None:
        if self._decide(lambda job_id: job_actions.resubmit(self.database, DEFAULT_TENANT, job_id), which):
            for post in self.gateway.of(self.prompts[self._pick(which)]):
                post.excused = True

    @precondition(lambda self: self.deliveries)
    @rule(which=ANY, late=st.sampled_from(("never", *ANSWERS)))
    def lose_patience(self, which: int, late: str) -> None:
        """A lease ends while a POST is in flight, a person resubmits the job, and then the first answer arrives."""
        delivery = self.deliveries[which % len(self.deliveries)]
        post = delivery.calls[0].post
        if post is None:
            return
        job_id = next(job_id for job_id, prompt in self.prompts.items() if prompt == post.prompt)
        with self.database.begin() as conn:
            self._due(conn, job_id)
        self.tick(3)
        self.resubmit(list(self.prompts).index(job_id))
        self.hurry(3, once=True)
        if late != "never":
            self._answer(delivery, [late] * 3)
            self.hurry(3, once=True)

    @precondition(lambda self: self.gateway.tasks())
    @rule(which=ANY)
    def adopt(self, which: int) -> None:
        """A person finds the task in the gateway's console."""
        tasks = self.gateway.tasks()
        post = tasks[which % len(tasks)]
        job_id = next(job_id for job_id, prompt in self.prompts.items() if prompt == post.prompt)
        if self._rows()[job_id]["account"] != post.account:
            return  # the console of another account
        try:
            if job_actions.adopt(self.database, DEFAULT_TENANT, job_id, post.task_id).state is S.GENERATING:
                post.known = True
        except NotPossible:
            pass

    def _decide(self, decide: Callable[[UUID], object], which: int) -> bool:
        try:
            decide(self._pick(which))
        except NotPossible:
            return False
        return True

    def _pick(self, which: int) -> UUID:
        return list(self.prompts)[which % len(self.prompts)]

    @staticmethod
    def _until(condition: Callable[[], bool]) -> None:
        wait_for("the batch has called or ended", condition, every_s=0.0005)

    @staticmethod
    def _time_stands_still(conn: Connection) -> None:
        """Nothing becomes due with time, so that the same steps always have the same effect."""
        conn.execute("UPDATE jobs SET due_at = due_at + interval '1 h' WHERE due_at > now()")
        conn.execute("UPDATE attempts SET look_at = look_at + interval '1 h' WHERE look_at > now()")

    # --- what must always hold ---

    @invariant()
    def nothing_was_paid_twice(self) -> None:
        assert not self.faults

    @invariant()
    def rows_tell_one_story_and_kept_counts_are_exact(self) -> None:
        # One for all: after each step, a transaction costs as much as what it reads.
        with self.database.begin() as conn:
            self._time_stands_still(conn)
            wrong, story = miscounted(conn), read_story(conn)
        assert wrong == []
        story.check(self.prompts, self.gateway, self.ended)

    def _story(self) -> Story:
        with self.database.begin() as conn:
            return read_story(conn)

    def _rows(self) -> dict[UUID, dict[str, Any]]:
        return self._story().rows

    # --- promise 1: without further faults and decisions, every job ends ---

    def teardown(self) -> None:
        try:
            self._come_to_rest()
            self.nothing_was_paid_twice()
            self.rows_tell_one_story_and_kept_counts_are_exact()
            self._check_rest()
        finally:
            for delivery in list(self.deliveries):
                self._answer(delivery, ["died"] * 3)

    def _come_to_rest(self) -> None:
        self.gateway.lists = "whole"
        self.messages.clear()
        self.copies.clear()
        for _ in range(40):
            for delivery in list(self.deliveries):
                self._answer(delivery, ["accepted"] * 3)
            for post in self.gateway.tasks():
                post.ended = post.ended or TaskStatus.SUCCEEDED
            rows = self._rows()
            waiting = [job_id for job_id, row in rows.items() if S(row["state"]) not in TERMINAL]
            by_policy = self.settings.unconfirmed_policy == "resubmit"
            looks = self._looks()
            if not looks and all(
                rows[job_id]["reason"] == "held" and (not by_policy or self._is_doubtful(job_id)) for job_id in waiting
            ):
                return
            for job_id in {*waiting, *looks}:
                self._grace_passes(job_id)
            self.accounts_recover()
            with self.database.begin() as conn:
                self._due(conn, *waiting)
                conn.execute("UPDATE attempts SET look_at = now() WHERE look_at IS NOT NULL")
            self.tick(3)
            while self.messages:
                self.deliver(0, once=True)
            while self.copies:
                self.copy_ends(0, "stored")
        raise AssertionError(f"these do not come to an end: {[rows[job_id] for job_id in {*waiting, *looks}]}")

    def _looks(self) -> list[UUID]:
        """The jobs of which a reported task is yet to be looked at."""
        with self.database.begin() as conn:
            return [row[0] for row in conn.execute("SELECT job_id FROM attempts WHERE look_at IS NOT NULL")]

    def _is_doubtful(self, job_id: UUID) -> bool:
        """It is not sent again: it was sent too often, or its task belongs to another job."""
        attempts = self._story().attempts[job_id]
        return len(attempts) >= MAX_DOUBTFUL or attempts[-1]["outcome"] == "task_taken"

    def _check_rest(self) -> None:
        story = self._story()
        for job_id, row in story.rows.items():
            posts = self.gateway.of(self.prompts[job_id])
            if row["state"] == S.UNCONFIRMED:
                last = posts[-1]
                assert not last.known, "held without a reason"
                findable = last.account == "ark" or (last.account == "listed" and last.accepted)
                assert not findable or self._is_doubtful(job_id), "held, although the list shows its task"

"""Match the tasks of a gateway's list to attempts. Pure.

A task belongs to an attempt if the list shows a mark that only this attempt carries. Without a mark, everything that
the list shows must agree, including the prompt or the seed, and no attempt with a different request may own it as well.
Attempts with exactly the same request may have each other's tasks. A person decides about tasks that cannot be
distinguished.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from seedance.comparison import (
    ALTERED,
    Comparison,
    Sent,
    can_be,
    compare,
    confirmed_fields,
    shown_differences,
    unreliable_fields,
)
from seedance.gateways.base import Dialect, ListedTask, TaskStatus
from seedance.problems import InvalidInput
from seedance.request import parse_request
from storage.jobs.doubts import OpenAttempt
from worker.polling.evidence import Evidence, Found, Unproven

CLOCK_SKEW_S = 300.0
"""The usual difference between the gateway's clock and the database's."""
MOST_SKEW_S = 900.0
"""The difference that is allowed for before a task is ruled out. A gateway that was seen to be further behind proves no
absence."""
MOST_CANDIDATES = 10
_FREE_ENDS = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED})
_ENDS = _FREE_ENDS | {TaskStatus.SUCCEEDED}
Key = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Times:
    """How long after the beginning of an attempt its task may have been created, in seconds: `usually_s` to recognize a
    task without a mark, `at_most_s` to rule one out."""

    usually_s: float
    at_most_s: float


class Matching:
    """Matches attempts whose task is unknown with tasks whose attempt is unknown."""

    def __init__(
        self,
        attempts: Sequence[OpenAttempt],
        tasks: Sequence[ListedTask],
        dialect: Dialect,
        times: Times,
        known: Sequence[tuple[OpenAttempt, ListedTask]] = (),
    ) -> None:
        """`known`: other attempts with their own tasks. They show which fields of the list are reliable."""
        self._attempts = {(item.job_id, item.number): item for item in attempts}
        self._tasks = {task.task_id: task for task in tasks}
        self._times = times
        self._sent = {key: sent for key, item in self._attempts.items() if (sent := _sent(item, dialect)) is not None}
        pairs = ((_sent(attempt, dialect), task) for attempt, task in known)
        own = [(sent, task) for sent, task in pairs if sent is not None]
        self.clock_is_behind = any(not _is_within(attempt, task, None, MOST_SKEW_S) for attempt, task in known)
        """Tasks of ours show that the list was not read far enough back."""
        self._besides = unreliable_fields(own)
        self._unconfirmed = ALTERED - confirmed_fields(own)
        self._owners: dict[str, dict[Key, Comparison]] = {}
        self._owned: dict[Key, list[str]] = defaultdict(list)
        for task_id, owners in self._recognised():
            self._owners[task_id] = owners
            for key in owners:
                self._owned[key].append(task_id)

    def _recognised(self) -> Iterator[tuple[str, dict[Key, Comparison]]]:
        """Each recognized task with the attempts that may own it."""
        marks, seeds, prompts = defaultdict(list), defaultdict(list), defaultdict(list)
        for key, sent in self._sent.items():
            marks[sent.mark].append(key)
            seeds[sent.expected_seed].append(key)
            prompts[_words(sent.request.prompt)].append(key)
        for task in self._tasks.values():
            keys = {
                *(marks[task.execution_expires_after] if task.execution_expires_after is not None else ()),
                *(seeds[task.report.seed] if task.report.seed is not None else ()),
                *(prompts[_words(task.prompt)] if task.prompt else ()),
            }
            found = {key: compare(self._sent[key], task, self._besides) for key in keys}
            own = {
                key: comparison
                for key, comparison in found.items()
                if comparison.recognised and self._is_timely(key, task, marked=comparison.marked)
            }
            if own:
                # A mark proves the owner, so no other attempt can own the task.
                marked = {key: comparison for key, comparison in own.items() if comparison.marked}
                yield task.task_id, marked or own

    def _is_timely(self, key: Key, task: ListedTask, *, marked: bool) -> bool:
        if marked:
            return _is_within(self._attempts[key], task, None, MOST_SKEW_S)
        return _is_within(self._attempts[key], task, self._times.usually_s)

    def evidence(self, key: Key) -> Evidence:
        """What the list proves about an attempt that its job waits for."""
        if key not in self._sent:
            return Unproven.UNCLEAR
        if key not in self._owned:
            return self._without_own(key, frozenset())
        attempts, tasks = self._together(key)
        involved = [self._attempts[item] for item in attempts]
        alike = all((item.model, item.request) == (involved[0].model, involved[0].request) for item in involved)
        if any(item.standing == "in_flight" for item in involved):
            return Unproven.PENDING
        if not alike or len(tasks) > len(attempts):
            return Unproven.UNCLEAR
        own = self._attempts[key].account  # the list of this account; others may see the same tasks in theirs
        waiting = sorted(
            (item for item in involved if item.standing == "doubt" and item.account == own), key=_order_of_attempts
        )
        place = [(item.job_id, item.number) for item in waiting].index(key)
        if place >= len(tasks):
            return self._without_own(key, tasks)
        given = sorted((self._tasks[task_id] for task_id in tasks), key=_order_of_tasks)[place]
        comparison = self._owners[given.task_id].get(key) or compare(self._sent[key], given, self._besides)
        if comparison.unseen and not comparison.marked and given.report.status not in _ENDS:
            return Unproven.PENDING  # another program may have requested the same video in another size
        return Found(given.task_id, sure=comparison.marked)

    def _together(self, key: Key) -> tuple[set[Key], frozenset[str]]:
        """All attempts and tasks that are connected with an attempt, directly or through others."""
        attempts, tasks, waiting = {key}, set[str](), [key]
        while waiting:
            for task_id in self._owned[waiting.pop()]:
                if task_id not in tasks:
                    tasks.add(task_id)
                    new = self._owners[task_id].keys() - attempts
                    attempts |= new
                    waiting += new
        return attempts, frozenset(tasks)

    def _without_own(self, key: Key, besides: frozenset[str]) -> Evidence:
        """The evidence if no task is recognized as the attempt's: a task may still turn out to be it."""
        pending = False
        for task in self._could_be(key, besides):
            if task.report.status is TaskStatus.SUCCEEDED:
                return Unproven.UNCLEAR  # the list will never show more about it
            pending = True
        return Unproven.PENDING if pending else Unproven.NOT_SHOWN

    def _could_be(self, key: Key, besides: frozenset[str]) -> Iterator[ListedTask]:
        """Tasks that nothing contradicts, among those that are billed and not marked as another attempt's."""
        sent, attempt = self._sent[key], self._attempts[key]
        for task in self._tasks.values():
            if task.task_id in besides or task.report.status in _FREE_ENDS:
                continue
            owners = self._owners.get(task.task_id, {})
            if key not in owners and any(comparison.marked for comparison in owners.values()):
                continue
            if self._may_be(sent, task) and _is_within(attempt, task, self._times.at_most_s, MOST_SKEW_S):
                yield task

    def _may_be(self, sent: Sent, task: ListedTask) -> bool:
        """Whether what is shown leaves it open. What gateways are known to alter rules nothing out alone, until it was
        seen that this one does not."""
        return can_be(sent, task, self._besides) or can_be(sent, task, self._besides | self._unconfirmed)

    def candidates(self, key: Key) -> list[dict[str, Any]]:
        """The tasks that a person may choose from, likeliest first, as JSON."""
        if key not in self._sent:
            return []
        sent, attempt = self._sent[key], self._attempts[key]
        found = []
        for task in self._tasks.values():
            if not (can_be(sent, task, self._besides) or _words(task.prompt) == _words(sent.request.prompt)):
                continue
            comparison = compare(sent, task, self._besides)
            timely = _is_within(attempt, task, self._times.at_most_s)
            if timely or comparison.recognised or comparison.marked:
                found.append((comparison, timely, task))
        found.sort(key=lambda item: (not item[0].recognised, bool(item[0].differs), not item[1], -len(item[0].matches)))
        return [candidate(task, comparison, "list") for comparison, _, task in found[:MOST_CANDIDATES]]

    def of_given_up(self) -> list[tuple[UUID, int, str]]:
        """Tasks (job, attempt, task id) with the mark of an attempt that its job has given up."""
        found = []
        for task_id, owners in self._owners.items():
            for key, comparison in owners.items():
                if comparison.marked and len(owners) == 1 and self._attempts[key].standing == "given_up":
                    found.append((*key, task_id))
        return found


def candidate(task: ListedTask, comparison: Comparison, source: str) -> dict[str, Any]:
    """A task that may belong to an attempt, as it is stored and shown."""
    return {
        "task_id": task.task_id,
        "source": source,
        "status": str(task.report.status),
        "created_at": task.created_at,
        "model": task.model or None,
        "matches": list(comparison.matches),
        "differs": shown_differences(comparison),
    }


def _sent(attempt: OpenAttempt, dialect: Dialect) -> Sent | None:
    try:
        request = parse_request(attempt.request)
    except InvalidInput:  # the rules have changed since the job was stored
        return None
    return Sent(dialect, attempt.model, request, attempt.seed, attempt.mark, attempt.draft_task_id)


def _is_within(attempt: OpenAttempt, task: ListedTask, latest_s: float | None, skew_s: float = CLOCK_SKEW_S) -> bool:
    """Whether a task was created after an attempt began, by at most `latest_s` seconds; None: at any later time."""
    if task.created_at is None:
        return True
    after_s = task.created_at - attempt.started_at.timestamp()
    return after_s >= -skew_s and (latest_s is None or after_s <= latest_s + skew_s)


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _order_of_attempts(attempt: OpenAttempt) -> tuple[Any, ...]:
    return attempt.started_at, attempt.job_id


def _order_of_tasks(task: ListedTask) -> tuple[Any, ...]:
    return task.created_at or 0, task.task_id

"""Judge the three promises from outside: our rows against the gateway's ledger and the bytes in the bucket."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.database import Connection
from storage.jobs.history import attempts_of, events_of
from storage.jobs.queries import jobs_of_any_tenant
from storage.jobs.records import JobView
from storage.jobs.states import TERMINAL, JobState

# Task states that a gateway does not charge for.
_FREE = frozenset({"failed", "expired", "cancelled"})


@dataclass
class Verdict:
    """The outcome of some jobs. `broken` names every promise that does not hold; empty when all hold."""

    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    held: int = 0
    lost: int = 0
    paid_twice: int = 0
    states: Counter[JobState] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def check(self) -> None:
        assert not self.broken, "\n".join(self.broken)


def judge(conn: Connection, objects: Objects, ids: Sequence[UUID], tasks: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge jobs that have ended or are held. Each job needs its own prompt, which finds its tasks in the ledger.

    `tasks`: the tasks in the gateways' own ledgers.
    """
    verdict = Verdict(jobs=len(ids))
    found = jobs_of_any_tenant(conn, ids)
    by_prompt: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for task in tasks:
        by_prompt[task["prompt"]].append(task)
    for job_id in ids:
        job = found.get(job_id)
        if job is None:
            verdict.lost += 1
            verdict.broken.append(f"{job_id}: has no row")
            continue
        own_tasks = by_prompt.get(str(job.request.get("prompt")), [])
        _count(verdict, job)
        verdict.broken += _payment(verdict, job, own_tasks)
        verdict.broken += _timeline(conn, job)
        if job.state is JobState.SUCCEEDED:
            verdict.broken += _video(objects, job, own_tasks)
    return verdict


def _count(verdict: Verdict, job: JobView) -> None:
    verdict.states[job.state] += 1
    if job.state is JobState.SUCCEEDED:
        verdict.succeeded += 1
    elif job.state in TERMINAL:
        verdict.failed += 1
        if job.error is None and job.state is JobState.FAILED:
            verdict.broken.append(f"{job.id}: failed without an error")
    elif job.state is JobState.UNCONFIRMED and job.reason:
        verdict.held += 1
    else:
        verdict.lost += 1
        verdict.broken.append(f"{job.id}: is {job.state} ({job.reason}), neither ended nor held")


def _payment(verdict: Verdict, job: JobView, own_tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    paid = [task for task in own_tasks if task["status"] not in _FREE]
    if len(paid) > 1:
        verdict.paid_twice += 1
        return [f"{job.id}: paid {len(paid)} times: {[task['id'] for task in paid]}"]
    if paid and job.state is JobState.FAILED and (job.error or {}).get("code") not in _LOST_AT_GATEWAY:
        verdict.lost += 1
        return [f"{job.id}: generated as {paid[0]['id']} ({paid[0]['status']}), but failed: {job.error}"]
    if paid and job.state is not JobState.UNCONFIRMED and job.gateway_task_id != paid[0]["id"]:
        return [f"{job.id}: has task {job.gateway_task_id}, the gateway has {paid[0]['id']}"]
    return []


# Failures where the gateway may have generated and charged a video that it did not give us.
_LOST_AT_GATEWAY = frozenset(
    {"gateway_lost", "task_lost", "result_missing", "generation_timeout", "deadline_exceeded", "expired_upstream"}
)


def _timeline(conn: Connection, job: JobView) -> list[str]:
    """Check that the events lead from the first state to the present one: at most one end, one attempt per submit."""
    events = events_of(conn, job.id)
    problems = []
    state = None
    for event in events:
        if event["source"] != state:
            problems.append(f"{job.id}: moved from {event['source']} while it was {state}")
        state = event["target"]
    if state != job.state:
        problems.append(f"{job.id}: the last event says {state}, the row {job.state}")
    ends = [event for event in events if JobState(event["target"]) in TERMINAL]
    if len(ends) > 1:
        problems.append(f"{job.id}: ended {len(ends)} times")
    submits = sum(event["target"] == JobState.SUBMITTING for event in events)
    attempts = attempts_of(conn, job.id)
    if submits != len(attempts) or job.attempt != len(attempts):
        problems.append(f"{job.id}: {submits} submits, {len(attempts)} attempts, number {job.attempt}")
    return problems


def _video(objects: Objects, job: JobView, own_tasks: Sequence[Mapping[str, Any]]) -> list[str]:
    task = next((task for task in own_tasks if task["id"] == job.gateway_task_id), None)
    if task is None:
        return [f"{job.id}: succeeded with task {job.gateway_task_id}, which the gateway does not have"]
    digest = hashlib.sha256()
    try:
        for chunk in objects.chunks(job.object_key or ""):
            digest.update(chunk)
    except StoreUnavailable as exc:
        return [f"{job.id}: its video cannot be read: {exc}"]
    if not digest.hexdigest() == task["sha256"] == job.sha256:
        return [f"{job.id}: stored {digest.hexdigest()}, row {job.sha256}, generated {task['sha256']}"]
    return []

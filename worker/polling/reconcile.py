"""Reconcile: look for the tasks of jobs whose POST may have been accepted.

A callback may have named the task; a gateway that lists its tasks shows it by the attempt's own seed, and what such a
list does not show after the grace was not taken. Otherwise the policy decides, or a person.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from seedance.client import GatewayClient
from seedance.errors import GatewayError
from seedance.gateways.base import ListedTask, TaskStatus
from storage.database import Connection
from storage.jobs import attempts, queries, transitions
from storage.jobs.document import job_document
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Doubt, Move, Postponement
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.webhooks import outbox
from worker.failpoints import failpoint
from worker.runtime import Runtime

log = logging.getLogger("reelq.reconcile")

CHECK_S = 60.0
DISCARD_S = 120.0
"""A job that is to be discarded is looked for no longer than this, where looking tells nothing."""
CLOCK_SKEW_S = 300.0  # between the gateway's clock and the database's
MAX_PAGES = 100
_FREE_ENDS = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED})


class Unproven(Enum):
    """What looking for a task gave when it did not give the task."""

    NOT_TAKEN = "the gateway's list does not show it"
    UNCLEAR = "a task that may be it has not ended, so its seed is not shown yet"
    NO_MEANS = "the gateway can neither list its tasks nor has it called back"


@dataclass(frozen=True, slots=True)
class Found:
    """The task is there."""

    task_id: str


Evidence = Found | Unproven


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Look again later."""

    reason: Reason
    seconds: float


def reconcile_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Look into what is still ours of a claimed batch."""
    with runtime.database.begin() as conn:
        held = attempts.doubts(conn, claimed)
    if not held:
        return
    client = runtime.client(account)
    found: Mapping[UUID, Evidence] = {}
    if client is not None:
        limit_s = runtime.settings.lease_seconds
        found = runtime.start(_look(runtime, client, held)).result(timeout=limit_s)
    failpoint("reconcile.after_look")
    with runtime.database.begin() as conn:
        outcomes: list[AttemptOutcome] = []
        moves: list[Move] = []
        later: list[Postponement] = []
        for doubt in held:
            evidence = found.get(doubt.id, Unproven.NO_MEANS)
            move = decide(doubt, evidence, runtime.settings)
            if isinstance(move, RetryLater):
                later.append(Postponement(doubt.id, doubt.claim, move.seconds, move.reason))
                continue
            moves.append(move)
            if isinstance(evidence, Found):
                outcomes.append(
                    AttemptOutcome(doubt.id, doubt.attempt, Reason.ACCEPTED, gateway_task_id=evidence.task_id)
                )
            elif move.reason is Reason.PROVEN_NOT_SUBMITTED:
                outcomes.append(AttemptOutcome(doubt.id, doubt.attempt, Reason.NOT_SUBMITTED))
        attempts.finish_attempts(conn, outcomes, moves)
        held_now = _newly_held(conn, runtime.settings, later)
        transitions.postpone(conn, later)
        if held_now:
            outbox.tell_held(
                conn, {job.id: job_document(job) for job in queries.jobs_of_everybody(conn, held_now).values()}
            )
    failpoint("reconcile.after_write")


def _newly_held(conn: Connection, settings: Settings, later: Sequence[Postponement]) -> list[UUID]:
    """Those that from now on wait for a person."""
    if settings.unconfirmed_policy != "hold":
        return []
    held = [item.id for item in later if item.reason is Reason.HELD]
    return outbox.newly_held(conn, held) if held else []


def decide(doubt: Doubt, evidence: Evidence, settings: Settings) -> Move | RetryLater:
    """Where an unconfirmed job goes. It is sent again only where that cannot pay twice, or where the policy says so."""
    source = (JobState.UNCONFIRMED,)
    if isinstance(evidence, Found):
        patch = {"gateway_task_id": evidence.task_id, "setbacks": 0, "refusals": 0}
        return Move(doubt.id, source, JobState.GENERATING, Reason.ADOPTED, doubt.claim, doubt.attempt, patch=patch)
    grace_s = settings.unconfirmed_grace_seconds
    over = doubt.age_s >= grace_s
    again = None
    if over and evidence is Unproven.NOT_TAKEN:
        again = Reason.PROVEN_NOT_SUBMITTED
    elif over and settings.unconfirmed_policy == "resubmit":
        again = Reason.RESUBMITTED_BY_POLICY
    if again is not None:
        target = JobState.QUEUED if doubt.cancel_request is None else JobState.CANCELLED
        patch = {"account": None, "gateway": None, "model": None}
        detail = {"message": evidence.value}
        return Move(doubt.id, source, target, again, doubt.claim, doubt.attempt, patch=patch, detail=detail)
    if doubt.cancel_request == "discard" and (evidence is not Unproven.UNCLEAR or doubt.age_s > DISCARD_S):
        message = "its task was not found; it may be billed"
        return Move(
            doubt.id,
            source,
            JobState.CANCELLED,
            Reason.DISCARDED,
            doubt.claim,
            doubt.attempt,
            detail={"message": message},
        )
    left_s = max(grace_s - doubt.age_s, 0.0)
    wait_s = min(CHECK_S, left_s + 0.1, max(grace_s / 4, 0.5)) if left_s else CHECK_S
    return RetryLater(Reason.HELD if evidence is Unproven.NO_MEANS else Reason.LOOKING, wait_s)


async def _look(runtime: Runtime, client: GatewayClient, held: Sequence[Doubt]) -> dict[UUID, Evidence]:
    found: dict[UUID, Evidence] = {}
    for doubt in held:
        if doubt.reported_task_id is not None and await _is_known(client, doubt.reported_task_id):
            found[doubt.id] = Found(doubt.reported_task_id)
    rest = [doubt for doubt in held if doubt.id not in found]
    limits = client.dialect.capabilities().list_limits
    if not rest or limits is None or not limits.proves_absence:
        return found
    begun_at = min(doubt.started_at.timestamp() for doubt in rest) - CLOCK_SKEW_S
    try:
        listed = await _list_since(client, begun_at)
    except GatewayError as exc:
        log.warning("reconcile.no_list account=%s code=%s %s", client.account.name, exc.code, exc.message)
        return found | {doubt.id: Unproven.UNCLEAR for doubt in rest}
    with runtime.database.begin() as conn:
        known = attempts.known_tasks(conn, client.account.name, [task.task_id for task in listed])
    strangers = [task for task in listed if task.task_id not in known]
    lease_s = runtime.settings.lease_seconds
    return found | {doubt.id: search(doubt, rest, strangers, lease_s) for doubt in rest}


async def _is_known(client: GatewayClient, task_id: str) -> bool:
    """A callback is a hint: only the gateway's own answer to our key proves that the task is there."""
    try:
        await client.query(task_id)
    except GatewayError as exc:
        log.warning("reconcile.hint_not_confirmed account=%s code=%s", client.account.name, exc.code)
        return False
    return True


async def _list_since(client: GatewayClient, begun_at: float) -> list[ListedTask]:
    tasks: list[ListedTask] = []
    for page in range(1, MAX_PAGES + 1):
        listed = (await client.list_tasks(page)).tasks
        tasks.extend(listed)
        if not listed or any(task.created_at is not None and task.created_at < begun_at for task in listed):
            return tasks
    raise _incomplete(client)


def _incomplete(client: GatewayClient) -> GatewayError:
    # A list that was not read to its end proves nothing of what it did not show.
    return GatewayError(f"more than {MAX_PAGES} pages of tasks", gateway=client.dialect.name, operation="list")


def search(doubt: Doubt, doubts: Sequence[Doubt], strangers: Sequence[ListedTask], lease_s: float) -> Evidence:
    """Look for one attempt's task among listed tasks that no attempt of ours has.

    Ark shows a task's seed only once it has ended, so one that is still under way leaves the matter open.
    """
    started_at = doubt.started_at.timestamp()
    candidates = [
        task
        for task in strangers
        if task.created_at is None
        or started_at - CLOCK_SKEW_S <= task.created_at <= started_at + lease_s + CLOCK_SKEW_S
    ]
    same = [task for task in candidates if doubt.seed is not None and task.report.seed == doubt.seed]
    rivals = [other for other in doubts if other.seed == doubt.seed]
    if len(same) == 1 and (doubt.seed_is_own or len(rivals) == 1):
        return Found(same[0].task_id)
    if same:
        return Unproven.UNCLEAR
    silent = [
        task
        for task in candidates
        if (task.report.seed is None or doubt.seed is None) and task.report.status not in _FREE_ENDS
    ]
    return Unproven.UNCLEAR if silent else Unproven.NOT_TAKEN

"""Reconcile: look for the tasks of jobs whose POST may have been accepted.

If a callback named the task, the gateway is queried about it; a gateway that can list its tasks shows it. Each job is
decided as soon as the facts for it are known. If there are none, the policy decides, or a person.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from seedance.account import at_same_address
from seedance.client import GatewayClient
from storage.database import Connection
from storage.jobs import attempts, callbacks, doubts, queries, transitions
from storage.jobs.doubts import Doubt
from storage.jobs.late import settle_acceptances
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Move, Postponement
from storage.jobs.shown.document import job_document
from storage.jobs.states import JobState
from storage.journal import rows
from storage.settings import Settings
from storage.webhooks import outbox
from worker.batch import run_batch
from worker.clients import clients_of
from worker.failpoints import failpoint
from worker.journal import Journal
from worker.leases import KeptLeases
from worker.polling.evidence import Evidence, Found, RetryLater, Unproven, decide
from worker.polling.look import Look, Looked, since
from worker.polling.matching import CLOCK_SKEW_S, MOST_SKEW_S, Matching, Times
from worker.runtime import Runtime

log = logging.getLogger("reelq.reconcile")

CHECK_AGAIN_S = 5.0
MOST_KNOWN = 50
"""How many tasks with known attempts are used to find the reliable fields of a list."""
LIST_LAG_S = 10.0
"""The longest expected time between the answer to a POST and the task's appearance in the list."""


def reconcile_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Check the unconfirmed jobs of a claimed batch whose leases this worker still holds."""
    with runtime.database.begin() as conn:
        held = doubts.doubts(conn, claimed)
        # The attempt in doubt, or one before it, may be known to be accepted by now.
        settle_acceptances(conn, [doubt.id for doubt in held])
        found = clients_of(runtime, conn, account, held)
    for client, doubts_of_key in found:
        if client is None:
            _write(runtime, None, [Looked(doubt, None, None) for doubt in doubts_of_key])
        else:
            _reconcile(runtime, client, doubts_of_key)


def _reconcile(runtime: Runtime, client: GatewayClient, held: Sequence[Doubt]) -> None:
    look = Look(client, held)
    with KeptLeases(runtime, [(doubt.id, doubt.claim) for doubt in held]) as leases:

        def write(looked: Sequence[Looked]) -> None:
            leases.done([item.doubt.id for item in looked])
            failpoint("reconcile.after_look")
            _write(runtime, client, looked)
            failpoint("reconcile.after_write")

        run_batch(runtime, held, look.at, write)


def _write(runtime: Runtime, client: GatewayClient | None, looked: Sequence[Looked]) -> None:
    settings = runtime.settings
    given_up: list[tuple[UUID, int, str]] = []
    with runtime.database.begin() as conn:
        accounts = at_same_address(settings.accounts, looked[0].doubt.attempt.account)
        doubts.lock_tasks(conn, accounts)
        known = doubts.holders(conn, accounts, [item.reported for item in looked if item.reported is not None])
        found: dict[UUID, Evidence] = {}
        matching = None
        if client is not None and any(item.seen is not None for item in looked):
            matching = _matching(conn, client, accounts, looked, settings)
            given_up = matching.of_given_up()
        for item in looked:
            evidence = _evidence(item, client, known, matching)
            if evidence is Unproven.NOT_TAKEN and not (_has_key(item, client) and _shows_ours(conn, item)):
                evidence = Unproven.PENDING
            found[item.doubt.id] = evidence
        _write_decisions(conn, settings, [item.doubt for item in looked], found)
        if matching is not None:
            _write_candidates(conn, [item for item in looked if item.seen is not None], found, matching)
        lineage, answered = rows.answered(conn, [(item.doubt.id, item.doubt.attempt.number) for item in looked])
    if lineage is not None:
        settled = (Reason.ACCEPTED, Reason.NOT_SUBMITTED)
        runtime.part(Journal).note(lineage, [entry for entry in answered if entry.outcome in settled])
    if given_up:
        with runtime.database.begin() as conn:
            callbacks.report(conn, given_up)


def _matching(
    conn: Connection, client: GatewayClient, accounts: Sequence[str], looked: Sequence[Looked], settings: Settings
) -> Matching:
    """Compare listed tasks that no job has with every attempt that may own them."""
    shown = {task.task_id: task for item in looked if item.seen is not None for task in item.seen.tasks}
    usually_s = settings.lease_seconds
    times = Times(usually_s, max(settings.unconfirmed_grace_seconds, usually_s))
    begun = [item.doubt.attempt for item in looked]
    span_s = usually_s + CLOCK_SKEW_S + MOST_SKEW_S
    rivals = doubts.open_attempts(conn, accounts, [a.started_at for a in begun], span_s)
    # In this order: an attempt that is accepted in between is a rival, and its task is known.
    known = doubts.holders(conn, accounts, list(shown))
    mine = {(attempt.job_id, attempt.number) for attempt in begun}
    others = [rival for rival in rivals if (rival.job_id, rival.number) not in mine]
    strangers = [task for task_id, task in shown.items() if task_id not in known]
    newest = sorted(known, key=lambda task_id: shown[task_id].created_at or 0, reverse=True)[:MOST_KNOWN]
    pairs = [(attempt, shown[task_id]) for task_id, attempt in doubts.owners(conn, accounts, newest).items()]
    return Matching([*begun, *others], strangers, client.dialect, times, pairs)


def _evidence(
    item: Looked, client: GatewayClient | None, known: dict[str, UUID], matching: Matching | None
) -> Evidence:
    doubt, seen = item.doubt, item.seen
    if item.reported is not None:
        return Unproven.TAKEN if item.reported in known else Found(item.reported)
    if client is None or seen is None or matching is None:
        return _without_list(doubt, client)
    begun = since(doubt.attempt)
    evidence = matching.evidence((doubt.id, doubt.attempt.number))
    if isinstance(evidence, Found):
        return evidence if evidence.sure or seen.covers(begun) else Unproven.PENDING
    if doubt.taken:
        return Unproven.TAKEN
    limits = client.dialect.capabilities().list_limits
    if evidence is not Unproven.NOT_SHOWN or limits is None:
        return evidence
    if not limits.proves_absence:
        return evidence if seen.covers(begun) else Unproven.PENDING
    return Unproven.NOT_TAKEN if seen.proves_absence(begun) and not matching.clock_is_behind else Unproven.PENDING


def _has_key(item: Looked, client: GatewayClient | None) -> bool:
    """Whether the list was read with the key of the attempt: that of another project does not show its task."""
    return client is not None and client.account.key_id == item.doubt.key_id


def _shows_ours(conn: Connection, item: Looked) -> bool:
    """Whether the list shows every task of ours that began with the doubt's attempt or later.

    A copy from a cache, a list of another project's tasks, and one whose records are removed by another program do not,
    so they prove nothing about absence.
    """
    attempt, seen = item.doubt.attempt, item.seen
    until = attempt.started_at + timedelta(seconds=item.doubt.age_s - LIST_LAG_S)
    ours = doubts.accepted_between(conn, attempt.account, item.doubt.key_id, attempt.started_at, until)
    missing = ours - {task.task_id for task in seen.tasks} if seen is not None else ours
    if missing:
        log.warning(
            "reconcile.list_incomplete account=%s missing=%d of=%d, such as %s: it proves nothing",
            attempt.account,
            len(missing),
            len(ours),
            min(missing),
        )
    return not missing


def _without_list(doubt: Doubt, client: GatewayClient | None) -> Unproven:
    if doubt.taken:
        return Unproven.TAKEN
    if client is None or not client.account.can_list:
        return Unproven.NO_MEANS
    return Unproven.OUT_OF_REACH


def _write_decisions(conn: Connection, settings: Settings, held: Sequence[Doubt], found: dict[UUID, Evidence]) -> None:
    outcomes: list[AttemptOutcome] = []
    moves: list[Move] = []
    later: list[Postponement] = []
    for doubt in held:
        evidence = found[doubt.id]
        decision = decide(doubt, evidence, settings)
        if isinstance(decision, RetryLater):
            later.append(Postponement(doubt.id, doubt.claim, decision.seconds, decision.reason))
            continue
        moves.append(decision)
        if isinstance(evidence, Found):
            outcomes.append(_outcome(doubt, Reason.ACCEPTED, evidence.task_id))
        elif evidence is Unproven.NOT_TAKEN:
            outcomes.append(_outcome(doubt, Reason.NOT_SUBMITTED))
    # Another worker may have given the task to its own job: then check again.
    taken = {item.job_id for item in attempts.store_outcomes(conn, outcomes)}
    later += [Postponement(d.id, d.claim, CHECK_AGAIN_S, Reason.LOOKING) for d in held if d.id in taken]
    moved = transitions.move(conn, [item for item in moves if item.id not in taken])
    callbacks.look_again(conn, [item.id for item in moved if item.target is not JobState.GENERATING])
    # A callback may make a job due, and another worker its holder, while its task is found here: the outcome is stored.
    settled = {item.id for item in moved} | taken
    accepted = [item.job_id for item in outcomes if item.outcome == Reason.ACCEPTED and item.job_id not in settled]
    settle_acceptances(conn, accepted)
    by_policy = settings.unconfirmed_policy == "resubmit"
    grace_s = settings.unconfirmed_grace_seconds
    waiting = {d.id for d in held if not by_policy or d.age_s >= grace_s}  # otherwise the policy will decide
    held_now = _newly_held(conn, [item.id for item in later if item.reason is Reason.HELD and item.id in waiting])
    written = transitions.postpone(conn, later)
    if held_now := [job_id for job_id in held_now if job_id in written]:
        jobs = queries.jobs_of_any_tenant(conn, held_now).values()
        outbox.tell_held(conn, {job.id: job_document(job) for job in jobs})


def _outcome(doubt: Doubt, outcome: Reason, task_id: str | None = None) -> AttemptOutcome:
    return AttemptOutcome(doubt.id, doubt.attempt.number, outcome, gateway_task_id=task_id)


def _newly_held(conn: Connection, held: Sequence[UUID]) -> list[UUID]:
    """The jobs that wait for a person from now on."""
    return outbox.newly_held(conn, held) if held else []


def _write_candidates(
    conn: Connection, looked: Sequence[Looked], found: dict[UUID, Evidence], matching: Matching
) -> None:
    """Store the tasks that a person may choose from, if they have changed."""
    changed = []
    for item in looked:
        doubt = item.doubt
        if isinstance(found[doubt.id], Found):
            continue
        candidates = matching.candidates((doubt.id, doubt.attempt.number))
        if candidates != list(doubt.candidates or []):
            changed.append((doubt.attempt, candidates))
    doubts.store_candidates(conn, changed)

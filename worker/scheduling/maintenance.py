"""The scheduler's maintenance tasks: they need only the database and run before it uses the broker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from storage import merging
from storage.accounts import changes
from storage.admission import campaign_pace
from storage.admission.spending import settlement
from storage.database import Connection
from storage.jobs import claims, transitions
from storage.jobs.due_work import due_duties
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.metrics import kept
from storage.reporting import job_counts, recounts
from storage.settings import Settings
from worker.decisions import draft_expired, past_deadline
from worker.scheduling import draft_notices, expiry_alarms, retention, webhook_maintenance
from worker.submitting.decisions import UNCONFIRMED_CHECK_S

log = logging.getLogger("reelq.maintenance")

BATCH = 500
SETTLE_EVERY_S = 1.0
BARRED_EVERY_S = 30.0
QUIET_EVERY_S = 1.0
COUNTS_EVERY_S = 1.0
RECOUNT_EVERY_S = 60.0
SOON_S = 0.2
PERIODIC_S = 0.01
"""How much of a round periodic tasks take, if several are due."""
MaintenanceTask = Callable[[Connection, Settings], int]


def lost_submits(conn: Connection, settings: Settings) -> int:
    """Submits whose lease expired: the worker died or hangs, and the POST may have been accepted."""
    moves = [
        Move(
            job_id,
            (JobState.SUBMITTING,),
            JobState.UNCONFIRMED,
            Reason.SUBMIT_LOST,
            claim,
            due_in_s=UNCONFIRMED_CHECK_S,
            detail={"message": "the worker did not report the outcome of the POST before its lease ended"},
        )
        for job_id, claim in claims.due(conn, JobState.SUBMITTING, BATCH)
    ]
    return len(transitions.move(conn, moves))


def cancelled_in_queue(conn: Connection, settings: Settings) -> int:
    """Jobs that a person cancelled during their submit and that came back to the queue: cancelling them is free."""
    moves = [
        Move(job_id, (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED, claim)
        for job_id, claim in claims.cancel_wanted(conn, BATCH)
    ]
    return len(transitions.move(conn, moves))


def deadlines(conn: Connection, settings: Settings) -> int:
    """Queued jobs whose deadline has passed: nothing was submitted or billed."""
    decision = past_deadline()
    moves = [
        Move(job_id, (JobState.QUEUED,), JobState.FAILED, decision.reason, claim, patch=decision.patch)
        for job_id, claim in claims.past_deadline(conn, BATCH)
    ]
    return len(transitions.move(conn, moves))


def dead_drafts(conn: Connection, settings: Settings) -> int:
    """Queued finals whose draft can be used no longer: nothing was submitted or billed."""
    decision = draft_expired()
    moves = [
        Move(job_id, (JobState.QUEUED,), JobState.FAILED, decision.reason, claim, patch=decision.patch)
        for job_id, claim in claims.dead_drafts(conn, BATCH)
    ]
    return len(transitions.move(conn, moves))


def barred_everywhere(conn: Connection, settings: Settings) -> int:
    """Queued jobs whose last suitable account was removed from the configuration: let the other accounts try again."""
    accounts = [
        {
            "name": account.name,
            "gateway": account.gateway,
            "served": None if serves.only is None else sorted(serves.only),
            "besides": sorted(serves.besides),
        }
        for account in settings.accounts
        for serves in [settings.serves(account)]
    ]
    return claims.unbar_queued(conn, accounts, BATCH)


def spare_accounts(conn: Connection, settings: Settings) -> int:
    """Replaced keys that no task needs, and removed accounts whose last task has ended. It runs after a heartbeat,
    and only while there are any: a task of each tick costs a transaction."""
    return changes.tidy_up(conn, settings)


def settled_budgets(conn: Connection, settings: Settings) -> int:
    """Count finished attempts at their cost, and release jobs that now fit into the budgets."""
    return settlement.settle(conn)


def quiet_hours(conn: Connection, settings: Settings) -> int:
    """Find the next quiet hours of campaigns whose last ones are over."""
    return campaign_pace.renew_quiet_hours(conn)


def merged_counts(conn: Connection, settings: Settings) -> int:
    """Merge the newest changes of the kept counts of jobs and of metrics."""
    return job_counts.merge_counts(conn) + kept.merge_metrics(conn)


def recounted_slots(conn: Connection, settings: Settings) -> int:
    """Repair the kept counts of slots in use, if a session wrote jobs with its triggers switched off."""
    wrong = recounts.recount_slots(conn)
    if wrong:
        log.warning("slots.recounted wrong=%d: a session wrote jobs without running the table's triggers", wrong)
    return wrong


class Periodic:
    """A task that need not run in each round: it is due at first, then again `seconds` after its last run.

    `batch`: what it does at most in one run, so that no round takes long; after a full one it is due in `SOON_S`.
    """

    def __init__(self, seconds: float, task: MaintenanceTask, batch: int | None = None) -> None:
        self._seconds, self._task, self._batch = seconds, task, batch
        self.next_at = 0.0
        """When it is due again (`time.monotonic`)."""
        self.takes_s = 0.0
        """How long a run takes, by the last ones."""

    def __call__(self, conn: Connection, settings: Settings) -> int:
        began = time.monotonic()
        self.next_at = began + self._seconds  # also if it fails: the others get their turns
        count = self._task(conn, settings)
        ended = time.monotonic()
        is_full = self._batch is not None and count >= self._batch
        self.next_at = ended + (SOON_S if is_full else self._seconds)
        self.takes_s = max(ended - began, self.takes_s / 2)
        return count


PERIODIC = (
    Periodic(BARRED_EVERY_S, barred_everywhere),
    Periodic(SETTLE_EVERY_S, settled_budgets),
    Periodic(QUIET_EVERY_S, quiet_hours),
    Periodic(COUNTS_EVERY_S, merged_counts, merging.AT_ONCE),
    Periodic(RECOUNT_EVERY_S, recounted_slots),
    Periodic(expiry_alarms.EVERY_S, expiry_alarms.expiring_videos),
    Periodic(draft_notices.EVERY_S, draft_notices.expiring_drafts),
    Periodic(webhook_maintenance.CAMPAIGNS_EVERY_S, webhook_maintenance.finished_campaigns),
    Periodic(webhook_maintenance.NOTICES_EVERY_S, webhook_maintenance.campaign_notices),
    Periodic(webhook_maintenance.SWEEP_EVERY_S, webhook_maintenance.old_messages, webhook_maintenance.SWEEP),
    Periodic(retention.EVERY_S, retention.what_is_long_over, retention.JOBS),
)


def due_tasks(conn: Connection) -> list[MaintenanceTask]:
    """The tasks of this round. Each is to run in a transaction of its own, so that a lock that one needs does not hold
    up the others."""
    due = due_duties(conn)
    looked: dict[MaintenanceTask, bool] = {
        lost_submits: due.lost_submits,
        cancelled_in_queue: due.cancelled,
        deadlines: due.past_deadline,
        dead_drafts: due.dead_drafts,
    }
    return [*(task for task, is_due in looked.items() if is_due), *in_turn(PERIODIC, time.monotonic())]


def in_turn(tasks: Sequence[Periodic], now: float) -> list[Periodic]:
    """Those of these tasks to run in one round: the longest overdue first, as many as take `PERIODIC_S` together, but
    at least one. The others come in the next rounds."""
    chosen: list[Periodic] = []
    left_s = PERIODIC_S
    for task in sorted((task for task in tasks if task.next_at <= now), key=lambda task: task.next_at):
        left_s -= task.takes_s
        if chosen and left_s < 0:
            break
        chosen.append(task)
    return chosen

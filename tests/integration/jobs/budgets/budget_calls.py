"""What the tests of budgets share: enqueue, claim, submit and end jobs in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from storage.admission.spending import budgets
from storage.campaigns import controls
from storage.database import Connection
from storage.jobs import queries, transitions
from storage.jobs.attempts import begin_attempts, finish_attempts
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Correlation, Move, NewJob
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import claim_submits

S = JobState
LEASE_S = 60.0
ACCOUNTS = ("main", "other", *(f"account-{number}" for number in range(4)))
NO_ACCOUNT = {"account": None, "gateway": None, "model": None}


def enqueue(
    conn: Connection,
    count: int,
    campaign: UUID | None = None,
    *,
    cost: float | None = 1.0,
    currency: str = "CNY",
    tenant: str = DEFAULT_TENANT,
    prices: Mapping[str, Mapping[str, float]] | None = None,
) -> list[UUID]:
    """Jobs that cost the same at every account, or according to `prices`."""
    if prices is None:
        prices = dict.fromkeys(ACCOUNTS, {} if cost is None else {currency: cost})
    new = [
        NewJob(new_job_id(), {"prompt": "a"}, "h", ["anyfast"], tenant, campaign, prices=prices) for _ in range(count)
    ]
    return [item.id for item in enqueue_jobs(conn, new)]


def claim(conn: Connection, limit: int = 100, account: str = "main") -> list[UUID]:
    return [item.id for item in claim_submits(conn, account, "anyfast", limit, LEASE_S)]


def begin(conn: Connection, ids: Sequence[UUID], account: str = "main") -> None:
    """Commit the attempts of claimed jobs."""
    patch = {"account": account, "gateway": "anyfast", "model": "seedance"}
    moves = [Move(i, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, due_in_s=60.0, patch=patch) for i in ids]
    assert len(begin_attempts(conn, moves, {i: Correlation() for i in ids})) == len(ids)


def answer(conn: Connection, ids: Sequence[UUID], outcome: Reason, target: JobState, **patch: object) -> None:
    """Write the outcomes of the newest attempts of jobs that are submitting or unconfirmed."""
    numbers = {row[0]: row[1] for row in conn.execute("SELECT id, attempt FROM jobs WHERE id = ANY(%s)", [list(ids)])}
    outcomes, moves = [], []
    for i in ids:
        task = f"task-{i}-{numbers[i]}" if outcome is Reason.ACCEPTED else None
        outcomes.append(AttemptOutcome(i, numbers[i], outcome, gateway_task_id=task))
        own = {**patch, "gateway_task_id": task} if task else {**patch}
        moves.append(Move(i, (S.SUBMITTING, S.UNCONFIRMED), target, outcome, due_in_s=60.0, patch=own))
    assert len(finish_attempts(conn, outcomes, moves)) == len(ids)


def accept(conn: Connection, ids: Sequence[UUID]) -> None:
    answer(conn, ids, Reason.ACCEPTED, S.GENERATING)


def lose(conn: Connection, ids: Sequence[UUID]) -> None:
    answer(conn, ids, Reason.OUTCOME_UNKNOWN, S.UNCONFIRMED)


def refuse(conn: Connection, ids: Sequence[UUID]) -> None:
    answer(conn, ids, Reason.THROTTLED, S.QUEUED, **NO_ACCOUNT)
    conn.execute("UPDATE jobs SET due_at = now() WHERE id = ANY(%s)", [list(ids)])


def resubmit(conn: Connection, ids: Sequence[UUID]) -> None:
    moves = [Move(i, (S.UNCONFIRMED,), S.QUEUED, Reason.RESUBMITTED, patch=NO_ACCOUNT) for i in ids]
    assert len(transitions.move(conn, moves)) == len(ids)


def end(conn: Connection, ids: Sequence[UUID], state: JobState, reason: Reason, **patch: object) -> None:
    """Let jobs end, from any state."""
    sources = tuple(
        JobState(row[0]) for row in conn.execute("SELECT DISTINCT state FROM jobs WHERE id = ANY(%s)", [ids])
    )
    if state is S.FAILED:
        patch |= {"error": {"code": reason, "message": "no"}}
    assert len(transitions.move(conn, [Move(i, sources, state, reason, patch=patch) for i in ids])) == len(ids)


def store(conn: Connection, ids: Sequence[UUID], cost: float | None, currency: str = "CNY") -> None:
    """Let generating jobs succeed; `cost` is the cost that the gateway reported."""
    paid = None if cost is None else {"amount": cost, "currency": currency}
    patch = {"video_url": "http://a", "cost": paid}
    transitions.move(
        conn, [Move(i, (S.GENERATING,), S.TRANSFERRING, Reason.GENERATED, due_in_s=60.0, patch=patch) for i in ids]
    )
    end(conn, ids, S.SUCCEEDED, Reason.STORED, object_key="a.mp4", sha256="0", size_bytes=1)


def succeed(conn: Connection, ids: Sequence[UUID], cost: float | None, currency: str = "CNY") -> None:
    begin(conn, ids)
    accept(conn, ids)
    store(conn, ids, cost, currency)


def of(conn: Connection, campaign: UUID | None = None) -> budgets.Budget:
    [found] = budgets.budgets_of(conn, DEFAULT_TENANT, None if campaign is None else [campaign])
    return found


def sums(conn: Connection, campaign: UUID | None = None) -> tuple[float, float]:
    """The amounts spent and reserved."""
    found = of(conn, campaign)
    return float(found.spent), float(found.reserved)


def a_campaign(conn: Connection, name: str, budget: str | None = None, tenant: str = DEFAULT_TENANT) -> UUID:
    campaign = controls.ensure_campaign(conn, tenant, name)
    if budget is not None:
        budgets.set_budget(conn, tenant, campaign, Decimal(budget), "CNY")
    return campaign


def reasons(conn: Connection, ids: Sequence[UUID]) -> list[str | None]:
    found = queries.get_jobs(conn, DEFAULT_TENANT, ids)
    return [found[i].reason for i in ids]


def touched(conn: Connection) -> int:
    """How many rows of `jobs` this transaction has read and written."""
    row = conn.execute(
        """SELECT seq_tup_read + idx_tup_fetch + n_tup_ins + n_tup_upd FROM pg_stat_xact_user_tables
           WHERE relname = 'jobs'"""
    ).fetchone()
    assert row is not None
    return int(row[0])

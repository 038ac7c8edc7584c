"""Adopt a task by hand: ask the gateway about it first, and compare what it shows with what the job asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from producer.errors import NotPossible
from producer.operator_actions.job_actions import adopt, check_task_is_free, handle_of, unconfirmed_job
from seedance.account import Account, at_same_address
from seedance.client import GatewayClient
from seedance.comparison import Comparison, Sent, compare, shown_differences
from seedance.errors import GatewayError, TaskUnknown
from seedance.gateways.base import ListedTask, TaskReport
from seedance.problems import InvalidInput
from seedance.request import parse_request
from storage.database import Database
from storage.jobs import history
from storage.jobs.records import JobView
from storage.settings import Settings

CLOCK_SKEW_S = 900.0
LATEST_S = 86_400.0
"""How long after its attempt began a task may have been created, for lists that filter by time."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that may be a held job's. `source` is how it is known: list, callback or answer (of the POST itself).

    `matches` names the fields that agree; `differs` holds, by field, what was `asked` for and what is `shown`.
    `taken`: it belongs to another job.
    """

    task_id: str
    source: str
    status: str | None = None
    created_at: datetime | None = None
    matches: tuple[str, ...] = ()
    differs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    taken: bool = False


def candidates(attempt: Mapping[str, Any]) -> list[Candidate]:
    """The tasks that may belong to an attempt, as `history.attempts_of` gives it, the likeliest first."""
    found = [_listed(item) for item in attempt["candidates"] or ()]
    known = {item.task_id for item in found}
    reported, error = attempt["reported_task_id"], attempt["error"] or {}
    if reported is not None and reported not in known and attempt["gateway_task_id"] is None:
        found.insert(0, Candidate(reported, "callback"))
    if attempt["outcome"] == "task_taken" and error.get("task_id") not in (None, *known):
        found.append(Candidate(error["task_id"], "answer", taken=True))
    return found


def _listed(item: Mapping[str, Any]) -> Candidate:
    created_at = item.get("created_at")
    return Candidate(
        item["task_id"],
        item["source"],
        item.get("status"),
        None if created_at is None else datetime.fromtimestamp(created_at).astimezone(),
        tuple(item.get("matches", ())),
        item.get("differs", {}),
    )


def adopt_checked(database: Database, settings: Settings, tenant: str, job_id: UUID, task_id: str) -> JobView:
    """Adopt a task that the gateway knows and that does not contradict the unconfirmed job.

    Raises:
        JobNotFound: there is none with that id.
        NotPossible: the job is not unconfirmed; the task belongs to another job, is not known to the gateway, or asks
            for something else; or the gateway could not be asked.
    """
    with database.begin() as conn:
        job = unconfirmed_job(conn, tenant, job_id)
        task_id = handle_of(job, task_id)
        # Not the tenant's accounts of now: the attempt was made before they changed.
        accounts = at_same_address(settings.whole.accounts, job.account or "")
        check_task_is_free(conn, tenant, job_id, task_id, accounts)
        [*_, attempt] = history.attempts_of(conn, job_id)
        account = settings.whole.account_with_key(job.account or "", attempt["key_id"])
    if account is None:
        raise _unchecked(job, task_id, f"account {job.account} is not in this configuration")
    try:
        _, listed = asyncio.run(_look(account, settings, task_id, attempt["started_at"].timestamp()))
    except TaskUnknown as exc:
        raise NotPossible(job_id, f"cannot adopt task {task_id}: {account.name} does not know it") from exc
    except (GatewayError, InvalidInput) as exc:
        raise _unchecked(job, task_id, str(exc)) from exc
    found = Comparison() if listed is None else _compared(account, job, attempt, listed)
    if found.differs and not found.marked:
        raise NotPossible(
            job_id,
            f"cannot adopt task {task_id}: it was created for something else "
            f"({differences(shown_differences(found))}); "
            "if you are sure, adopt it without the check",
        )
    seen = f"; it matches in {', '.join(found.matches)}" if found.matches else ""
    return adopt(database, tenant, job_id, task_id, accounts, f"task {task_id}, which {account.name} knows{seen}")


def differences(differs: Mapping[str, Mapping[str, str]]) -> str:
    """What was asked for and what is shown, field by field, on one line."""
    return "; ".join(f"{name}: asked {item['asked']}, shown {item['shown']}" for name, item in differs.items())


def _unchecked(job: JobView, task_id: str, why: str) -> NotPossible:
    message = f"cannot check task {task_id} at its gateway: {why}; try again later, or adopt it without the check"
    return NotPossible(job.id, message)


async def _look(
    account: Account, settings: Settings, task_id: str, begun: float
) -> tuple[TaskReport, ListedTask | None]:
    async with GatewayClient(
        account,
        account.dialect,
        submit_timeout_s=settings.submit_timeout_seconds,
        query_timeout_s=settings.query_timeout_seconds,
        outbound=settings.outbound(),
    ) as client:
        report = await client.query(task_id)
        return report, await client.find_listed(task_id, begun - CLOCK_SKEW_S, begun + LATEST_S)


def _compared(account: Account, job: JobView, attempt: Mapping[str, Any], task: ListedTask) -> Comparison:
    request = parse_request(job.request)
    marks = (attempt["seed"], attempt["mark"])
    return compare(Sent(account.dialect, attempt["model"], request, *marks, job.draft_task_id), task)

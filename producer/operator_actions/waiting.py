"""Why a job that has not ended is waiting now: facts, which the commands, the API and the page put into words.

Admission's reasons come from `storage.admission.grants`, which makes the decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

from seedance.lanes import lane_of
from storage import heartbeats
from storage.admission import campaign_pace, grants, poll_limits
from storage.admission.campaign_pace import FREE, Pace
from storage.admission.grants import Hold
from storage.admission.obstacles import Obstacles, able_accounts
from storage.admission.spending import budgets
from storage.admission.spending.budgets import Shortage
from storage.campaigns import controls
from storage.database import Connection
from storage.jobs import queries
from storage.jobs.reasons import Reason
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.journal.state import held_by
from storage.reporting.waiting import waiting_in_campaign
from storage.settings import Settings

FRESH_S = 60.0
"""A part of the system without a heartbeat for this long is reported as silent."""
PAUSED: Final = "paused"
PARTS = ("scheduler", "submit", "poll", "transfer")

Code = (
    grants.Code
    | Literal[
        "submits_held",
        "tried_again",
        "paused",
        "kept_back",
        "before_start",
        "quiet_hours",
        "max_concurrent",
        "over_budget",
        "no_price",
        "no_account",
        "account_missing",
        "polls_per_minute",
        "held",
        "looked_for",
        "polled",
        "copied",
        "parts_silent",
    ]
)


@dataclass(frozen=True, slots=True)
class WaitReason:
    """One reason. `values` by code:

    submits_held: `hold`, the code of the hold. tried_again, polled, copied: `seconds` until then and `reason`.
    suspended, misrouted, outage, throttled, model_closed, probing: `account`, `until`, `since`, `error`, and `model` if
    it concerns one model. slots_taken: `account`, `used`, `most`, and `model` likewise. account_missing,
    account_paused, removing: `account`. requests_per_minute and polls_per_minute: `account`, `most`. parts_silent:
    `parts`. over_budget and no_price: `tenant`, `campaign` (None: the tenant's own budget), `amount`, `left`,
    `currency`; over_budget also `price`, the most that the job may cost at the cheapest account. before_start,
    quiet_hours: `until`. max_concurrent: `used`, `most`. The others have none.
    """

    code: Code
    values: Mapping[str, Any] = field(default_factory=dict)


def why_it_waits(conn: Connection, settings: Settings, job: JobView) -> list[WaitReason]:
    """All reasons; none for a job that has ended."""
    if job.terminal:
        return []
    silent = [part for part in PARTS if part not in heartbeats.fresh_components(conn, FRESH_S)]
    if job.state is not JobState.QUEUED:
        return list(reasons(job, silent=silent, slow_polls=_slow_polls(conn, settings, job)))
    lane = lane_of(job.request)
    gateways, barred = queries.routes_of(conn, [job.id])[job.id]
    able = able_accounts(settings, job.account_pin, gateways, lane)
    holds = [
        (grant.account.name, grant.hold_of(lane))
        for grant in grants.survey(conn, settings)
        if grant.account in able and grant.account.name not in barred
    ]
    return list(
        reasons(
            job,
            holds=holds,
            missing=job.account_pin is not None and settings.account(job.account_pin) is None,
            silent=silent,
            paused=controls.is_paused(conn, job.id),
            pace=campaign_pace.pace_of_job(conn, job.id),
            shortages=budgets.shortages(conn, job.id),
            submits_held=held_by(conn),
        )
    )


def with_obstacles(conn: Connection, settings: Settings, jobs: Sequence[JobView]) -> list[JobView]:
    """The same jobs, with the obstacle as the `reason` of queued jobs that no account can serve now."""
    queued = [job.id for job in jobs if job.state is JobState.QUEUED and job.account is None]
    if not queued:
        return list(jobs)
    obstacles, routes = Obstacles.read(conn, settings), queries.routes_of(conn, queued)
    return [
        replace(job, reason=obstacle)
        if job.id in routes
        and (obstacle := obstacles.of(job.account_pin, routes[job.id][0], lane_of(job.request))) is not None
        else job
        for job in jobs
    ]


def waiting_for(conn: Connection, settings: Settings, campaign_id: UUID, *, paused: bool) -> dict[str, int]:
    """The number of queued jobs of a campaign, by the reason why they wait: `PAUSED` for all of a `paused` one."""
    if paused:
        waiting = sum(group.jobs for group in waiting_in_campaign(conn, campaign_id))
        return {PAUSED: waiting} if waiting else {}
    obstacles, found = Obstacles.read(conn, settings), Counter[str]()
    for group in waiting_in_campaign(conn, campaign_id):
        obstacle = obstacles.of(group.account_pin, group.gateways, group.lane)
        found[obstacle or group.reason or Reason.ENQUEUED] += group.jobs
    return {str(reason): count for reason, count in found.most_common()}


def _slow_polls(conn: Connection, settings: Settings, job: JobView) -> tuple[str, int] | None:
    """The account and its limit of queries per minute, if a due poll waits for that limit."""
    account = settings.account(job.account or "")
    if job.state is not JobState.GENERATING or account is None or account.polls_per_minute is None:
        return None
    due = job.due_at is not None and job.due_at <= datetime.now(UTC)
    if not due or poll_limits.left(conn, account.name, account.polls_per_minute) > 0:
        return None
    return account.name, account.polls_per_minute


def reasons(
    job: JobView,
    *,
    holds: Sequence[tuple[str, Hold | None]] = (),
    missing: bool = False,
    silent: Sequence[str] = (),
    paused: bool = False,
    pace: Pace = FREE,
    shortages: Sequence[Shortage] = (),
    slow_polls: tuple[str, int] | None = None,
    submits_held: str | None = None,
) -> Iterator[WaitReason]:
    """The reasons, from these facts. `holds`: for each account that can serve the job, why it does not get the job now,
    None if it can; `missing`: the account that it is pinned to is not configured; `silent`: parts of the system without
    a recent heartbeat; `paused`: its campaign is paused; `pace`: how that submits; `shortages`: the budgets that hold
    it back; `slow_polls`: the account and its limit of queries per minute, if a poll waits for that limit;
    `submits_held`: the code of the hold of all submits."""
    due_s = (job.due_at - datetime.now(UTC)).total_seconds() if job.due_at else 0.0
    until = {"seconds": max(due_s, 0.0), "reason": job.reason}
    match job.state:
        case JobState.QUEUED:
            if submits_held is not None:
                yield WaitReason("submits_held", {"hold": submits_held})
            if paused:
                yield WaitReason(PAUSED)
            if job.reason == Reason.KEPT_BACK:
                yield WaitReason("kept_back")
            if pace.hold is not None:
                yield WaitReason("before_start" if pace.waits_for_start else "quiet_hours", {"until": pace.hold[1]})
            if pace.is_full and job.account is None:
                yield WaitReason("max_concurrent", {"used": pace.in_use, "most": pace.max_concurrent})
            for shortage in shortages:
                budget = shortage.budget
                shown: dict[str, Any] = {"tenant": shortage.tenant, "campaign": budget.campaign}
                shown |= {"amount": budget.amount, "left": budget.left, "currency": budget.currency}
                if shortage.price is None:
                    yield WaitReason("no_price", shown)
                else:
                    yield WaitReason("over_budget", shown | {"price": shortage.price})
            if due_s > 0 and job.account is None and job.reason not in (Reason.OVER_BUDGET, Reason.KEPT_BACK):
                yield WaitReason("tried_again", until)
            if not holds and missing:
                yield WaitReason("account_missing", {"account": job.account_pin})
            elif not holds:
                yield WaitReason("no_account")
            elif all(hold is not None for _, hold in holds):
                for account, hold in holds:
                    if hold is not None:
                        yield WaitReason(hold.code, {"account": account, **hold.values})
        case JobState.UNCONFIRMED:
            yield WaitReason("held" if job.reason == Reason.HELD else "looked_for")
        case JobState.GENERATING:
            if slow_polls is not None:
                yield WaitReason("polls_per_minute", {"account": slow_polls[0], "most": slow_polls[1]})
            yield WaitReason("polled", until)
        case JobState.TRANSFERRING if due_s > 0 and job.reason != Reason.GENERATED:
            yield WaitReason("copied", until)
    if silent:
        yield WaitReason("parts_silent", {"parts": list(silent)})

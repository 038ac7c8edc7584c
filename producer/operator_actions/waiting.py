"""Why a live job is not moving at this moment: facts, which each way in puts into its own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from seedance.account import Account
from storage import heartbeats
from storage.admission import accounts, budgets, usage
from storage.admission.budgets import Budget
from storage.campaigns import controls
from storage.database import Connection
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings

FRESH_S = 60.0
"""A part of the system that was not seen for this long is named."""
PARTS = ("scheduler", "submit", "poll", "transfer")

Code = Literal[
    "tried_again",
    "paused",
    "over_budget",
    "no_price",
    "suspended",
    "outage",
    "throttled",
    "slots_taken",
    "held",
    "looked_for",
    "polled",
    "copied",
    "parts_silent",
]


@dataclass(frozen=True, slots=True)
class WaitReason:
    """One reason. `values` by code:

    tried_again, polled, copied: `seconds` until then and `reason`; suspended: `account`, `until`, `error`; outage: the
    same and `since`; throttled: `account`, `until`; slots_taken: `accounts` (name, used, most); parts_silent: `parts`;
    over_budget and no_price: `campaign` (None: the tenant's own budget), `amount`, `left`, `currency`. The others have
    none.
    """

    code: Code
    values: Mapping[str, Any] = field(default_factory=dict)


def why_it_waits(conn: Connection, settings: Settings, job: JobView) -> list[WaitReason]:
    """Every reason; none for a job that has ended."""
    if job.terminal:
        return []
    seen = heartbeats.fresh_components(conn, FRESH_S)
    able = [account for account in settings.accounts if account.name == (job.account_pin or account.name)]
    states = accounts.states(conn)
    known = [states[account.name] for account in able if account.name in states]
    resting = [state for state in known if state["suspended"] or state["outage"] or state["throttled"]]
    slots: list[tuple[str, int, int]] = []
    if job.state is JobState.QUEUED:
        used = usage.in_flight(conn, settings.unconfirmed_grace_seconds)
        names = {state["name"] for state in resting}
        most = {a.name: _limit_now(a, states.get(a.name, {})) for a in able if a.name not in names}
        full = [name for name, limit in most.items() if used.get(name, 0) >= limit]
        if full and len(full) == len(most):
            slots = [(name, used.get(name, 0), most[name]) for name in full]
    paused = job.state is JobState.QUEUED and controls.is_paused(conn, job.id)
    silent = [part for part in PARTS if part not in seen]
    spent = budgets.over_budget(conn, job.id) if job.state is JobState.QUEUED else []
    return list(reasons(job, resting[0] if resting else {}, slots, silent, paused=paused, spent=spent))


def _limit_now(account: Account, learnt: Mapping[str, Any]) -> int:
    """Slots of an account: as configured, or fewer where the gateway has said "too many"."""
    return min(learnt.get("slot_limit") or account.max_in_flight, account.max_in_flight)


def reasons(
    job: JobView,
    account: Mapping[str, Any],
    slots: Sequence[tuple[str, int, int]],
    silent: Sequence[str],
    *,
    paused: bool = False,
    spent: Sequence[Budget] = (),
) -> Iterator[WaitReason]:
    """The same from what is known: `account` is what was learnt about one that rests, if any; `slots` are the accounts
    (name, used, most) if all that do not rest are full; `silent` the parts of the system that were not seen lately;
    `paused` whether its campaign is; `spent` the budgets that hold it back."""
    due_s = (job.due_at - datetime.now(UTC)).total_seconds() if job.due_at else 0.0
    until = {"seconds": max(due_s, 0.0), "reason": job.reason}
    match job.state:
        case JobState.QUEUED:
            if paused:
                yield WaitReason("paused")
            code: Code = "no_price" if job.reason == budgets.NO_PRICE else "over_budget"
            for budget in spent:
                shown = {"campaign": budget.campaign, "amount": budget.amount, "left": budget.left}
                yield WaitReason(code, shown | {"currency": budget.currency})
            if due_s > 0 and job.account is None:
                yield WaitReason("tried_again", until)
            if account.get("suspended"):
                of = {"account": account["name"], "until": account["suspended_until"], "error": account.get("error")}
                yield WaitReason("suspended", of)
            elif account.get("outage"):
                of = {"account": account["name"], "until": account["suspended_until"], "error": account.get("error")}
                yield WaitReason("outage", of | {"since": account["suspended_at"]})
            elif account.get("throttled"):
                yield WaitReason("throttled", {"account": account["name"], "until": account["throttled_until"]})
            if slots:
                yield WaitReason("slots_taken", {"accounts": list(slots)})
        case JobState.UNCONFIRMED:
            yield WaitReason("held" if job.reason == "held" else "looked_for")
        case JobState.GENERATING:
            yield WaitReason("polled", until)
        case JobState.TRANSFERRING if due_s > 0 and job.reason != "generated":
            yield WaitReason("copied", until)
    if silent:
        yield WaitReason("parts_silent", {"parts": list(silent)})

"""Whether a campaign stands still: nothing of it goes on before a person acts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from shlex import quote
from uuid import UUID

from producer.wording import repair_account
from seedance.problems import shorten
from storage.admission import grants
from storage.admission.grants import Hold
from storage.admission.obstacles import Obstacles, able_accounts
from storage.admission.spending import budgets
from storage.campaigns.proofs import awaiting_review
from storage.campaigns.summaries import campaign_summaries
from storage.database import Connection
from storage.jobs.reasons import OBSTACLES, Reason
from storage.journal.state import RESTORED, held_by
from storage.reporting.waiting import WaitingJobs, waiting_in_campaign
from storage.settings import Settings

_CLOSED = frozenset({"suspended", "account_paused", "removing", "model_closed"})


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why `jobs` of a campaign wait for a person: a code, and what to do in one sentence."""

    code: str
    jobs: int
    advice: str


def standstill_of(conn: Connection, settings: Settings, tenant: str, name: str) -> list[Standstill]:
    """The reasons why nothing of a campaign goes on by itself; empty: something does, or nothing waits."""
    found = campaign_summaries(conn, tenant, name=name, limit=1)
    if not found:
        return []
    campaign = found[0]
    groups = waiting_in_campaign(conn, campaign["id"])
    waiting = sum(group.jobs for group in groups)
    if waiting == 0 or waiting < sum(campaign["counts"].get(state, 0) for state in _GOES_ON):
        return []
    if (code := held_by(conn)) is not None and code != RESTORED:  # a restore's own hold ends by itself
        advice = "nothing is submitted before a person decides: run `reelq db status`, then `reelq db confirm`"
        return [Standstill("submits_held", waiting, advice)]
    if campaign["paused_at"] is not None:
        return [Standstill("paused", waiting, _resume(name))]
    return _reasons(conn, settings, tenant, name, groups)


def review_of(conn: Connection, tenant: str, name: str, row_ids: Sequence[UUID]) -> list[Standstill]:
    """How many of these rows of a campaign have a proof that waits for a decision; empty: none."""
    found = campaign_summaries(conn, tenant, name=name, limit=1)
    return review_standstill(name, awaiting_review(conn, found[0]["id"], row_ids) if found else 0)


def review_standstill(name: str, waiting: int) -> list[Standstill]:
    """The same for a number of rows."""
    campaign = quote(name)
    advice = f"look at the proofs, then run `reelq campaign approve {campaign}` or `reelq campaign reject {campaign}`"
    return [Standstill(Reason.AWAITING_REVIEW, waiting, advice)] if waiting else []


_GOES_ON = ("queued", "submitting", "generating", "transferring")


def _reasons(
    conn: Connection, settings: Settings, tenant: str, name: str, groups: Iterable[WaitingJobs]
) -> list[Standstill]:
    """One reason for each kind of jobs; none at all if some of them can go on."""
    obstacles = Obstacles.read(conn, settings)
    survey = {grant.account.name: grant for grant in grants.survey(conn, settings)}
    counts: Counter[tuple[str, str]] = Counter()
    for group in groups:
        code = str(obstacles.of(group.account_pin, group.gateways, group.lane) or group.reason)
        if code == Reason.KEPT_BACK:
            advice: str | None = _resume(name)
        elif code == Reason.OVER_BUDGET:
            advice = _of_budget(conn, tenant, name)
        elif code in OBSTACLES:
            advice = Reason(code).line
        else:
            accounts = [
                account.name for account in able_accounts(settings, group.account_pin, group.gateways, group.lane)
            ]
            holds = [survey[account].hold_of(group.lane) for account in accounts]
            code, advice = "suspended", _reopen(accounts, holds)
        if advice is None:
            return []
        counts[code, advice] += group.jobs
    return [Standstill(code, count, advice) for (code, advice), count in counts.most_common()]


def _resume(name: str) -> str:
    return f"run `reelq campaign resume {quote(name)}`"


def _of_budget(conn: Connection, tenant: str, name: str) -> str | None:
    """What to do about the budget that is used up; None: other jobs of the tenant may still leave something of it."""
    found = campaign_summaries(conn, tenant, name=name, limit=1)
    own = next(
        (budget for budget in budgets.budgets_of(conn, tenant, [row["id"] for row in found]) if budget.held), None
    )
    budget = own or next(iter(budgets.budgets_of(conn, tenant)), None)
    if budget is None or (own is None and budget.reserved > 0):
        return None
    command = f"reelq campaign set {quote(name)}" if own is not None else f"reelq tenants set {quote(tenant)}"
    left = f"{max(budget.left, 0):.2f} {budget.currency} of {budget.amount:.2f}"
    return f'{left} is left; raise it with `{command} --budget "AMOUNT {budget.currency}"`'


def _reopen(accounts: Sequence[str], holds: Sequence[Hold | None]) -> str | None:
    """What to do about one of the accounts that could serve a job, first of all one that stays; None: one of them may
    serve it by itself."""
    closed = [(name, hold) for name, hold in zip(accounts, holds, strict=True) if hold and hold.code in _CLOSED]
    if len(closed) < len(holds):
        return None
    account, hold = min(closed, key=lambda one: one[1].code == "removing")
    message = (hold.values.get("error") or {}).get("message")
    said = f"{account} says: {shorten(message, 200)}; " if message else ""
    match hold.code:
        case "removing":
            return f"account {account} is being removed; add another that can serve these jobs"
        case "model_closed":
            model = f"model {hold.values['model']}"
            return f"{said}let the gateway open {model} for the key of {account}, or add another account"
        case "suspended" if said:
            return said + repair_account(account)
    return f"run `reelq accounts resume {account}`"

"""Whether a campaign stands still: nothing of it goes on before a person acts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from storage.admission import budgets, grants
from storage.admission.grants import Grant
from storage.admission.obstacles import Obstacles, able_accounts
from storage.campaigns.outlook import fitting_jobs
from storage.campaigns.summaries import campaign_summaries
from storage.database import Connection
from storage.jobs import queries
from storage.jobs.reasons import OBSTACLES, Reason
from storage.settings import Settings

_CLOSED = frozenset({"suspended", "model_closed"})


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
    groups = queries.waiting_in_campaign(conn, campaign["id"])
    waiting = sum(count for *_, count in groups)
    if waiting == 0 or waiting < sum(campaign["counts"].get(state, 0) for state in _GOES_ON):
        return []
    if campaign["paused_at"] is not None:
        return [Standstill("paused", waiting, f"run `reelq campaign resume {name}`")]
    kept_back = sum(count for *_, reason, count in groups if reason == Reason.KEPT_BACK)
    if waiting > kept_back and (dear := _out_of_budget(conn, tenant, name, campaign["id"], waiting - kept_back)):
        rest = Standstill(Reason.KEPT_BACK, kept_back, f"run `reelq campaign resume {name}`")
        return [dear, rest] if kept_back else [dear]
    return list(_by_group(conn, settings, name, groups))


_GOES_ON = ("queued", "submitting", "generating", "transferring")


def _out_of_budget(conn: Connection, tenant: str, name: str, campaign_id: UUID, waiting: int) -> Standstill | None:
    """Set if no job fits into what is left of a budget, and no running job can leave something."""
    for scope in ([campaign_id], None):
        for budget in budgets.budgets_of(conn, tenant, scope):
            others_run = scope is None and budget.reserved > 0
            if not others_run and fitting_jobs(conn, campaign_id, budget.currency, budget.left) == 0:
                whose = f"reelq campaign set {name}" if scope is not None else f"reelq tenants set {tenant}"
                left = f"{max(budget.left, 0):.2f} {budget.currency} of {budget.amount:.2f}"
                return Standstill(Reason.OVER_BUDGET, waiting, f"{left} is left; raise it with `{whose} --budget`")
    return None


def _by_group(
    conn: Connection,
    settings: Settings,
    name: str,
    groups: Iterable[tuple[str | None, list[str], str, str | None, int]],
) -> Iterator[Standstill]:
    """One reason for each group of jobs; none at all if some group can go on."""
    obstacles = Obstacles.read(conn, settings)
    survey = {grant.account.name: grant for grant in grants.survey(conn, settings)}
    counts: Counter[tuple[str, str]] = Counter()
    for pin, gateways, lane, reason, count in groups:
        obstacle = obstacles.of(pin, gateways, lane) or reason
        if obstacle == Reason.KEPT_BACK:
            key = (str(obstacle), f"run `reelq campaign resume {name}`")
        elif obstacle in OBSTACLES:
            key = (str(obstacle), Reason(str(obstacle)).line)
        else:
            accounts = [account.name for account in able_accounts(settings, pin, gateways, lane)]
            closed = [name for name in accounts if _is_closed(survey[name], lane)]
            if not closed or len(closed) < len(accounts):
                return
            key = ("suspended", f"solve the problem, then run `reelq accounts resume {closed[0]}`")
        counts[key] += count
    yield from (Standstill(code, count, advice) for (code, advice), count in counts.most_common())


def _is_closed(grant: Grant, lane: str) -> bool:
    hold = grant.hold_of(lane)
    return hold is not None and hold.code in _CLOSED

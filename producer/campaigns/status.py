"""Campaign status, and changes to a whole campaign: terms, pause and cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from producer.errors import CampaignNotFound, JobNotFound, NotPossible
from producer.intake.recipients import check_mail
from producer.intake.terms import Terms, set_campaign_terms
from producer.operator_actions import job_actions
from storage import decisions
from storage.admission.campaign_pace import FREE, Pace, paces_of
from storage.admission.spending import budgets
from storage.campaigns import controls
from storage.campaigns.completion import complete
from storage.campaigns.controls import subject_of
from storage.campaigns.rows import count_states_of
from storage.campaigns.summaries import campaign_summaries
from storage.database import Connection, Database
from storage.jobs import claims, queries, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import TERMINAL, JobState
from storage.reporting import costs
from storage.settings import Settings
from storage.webhooks.recipients import recipients_of_campaigns

_PAGE = 500


@dataclass(frozen=True, slots=True)
class CampaignStatus:
    """A campaign; `counts`: rows in each state; `costs`: sums for each currency; `budget`: its budget, None if it has
    none; `proof`: its rows are made as proofs first; `pace`: when and how fast it submits;
    `notify`: who gets mail about it, None: those whom its tenant names."""

    id: UUID
    name: str
    created_at: datetime
    paused_at: datetime | None
    weight: int
    counts: Mapping[str, int]
    costs: list[dict[str, Any]]
    budget: dict[str, Any] | None
    proof: bool = False
    pace: Pace = FREE
    notify: Sequence[str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON."""
        total = sum(self.counts.values())
        finished = sum(self.counts.get(state, 0) for state in TERMINAL)
        return {name: value for name, value in asdict(self).items() if name != "id"} | {
            "pace": self.pace.as_dict(),
            "total": total,
            "finished": finished,
        }


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The result of cancelling a campaign. `cancelled`: jobs that ended; `asked`: jobs whose gateways are asked to
    cancel; `refused`: jobs that cannot be cancelled."""

    cancelled: int = 0
    asked: int = 0
    refused: int = 0


def campaign_status(conn: Connection, tenant: str, name: str) -> CampaignStatus:
    """The status of a tenant's campaign with that name.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
    """
    found = campaign_summaries(conn, tenant, name=name, limit=1)
    if not found:
        raise CampaignNotFound(name)
    return _statuses(conn, tenant, found)[0]


def campaign_page(conn: Connection, tenant: str, before: UUID | None, limit: int) -> list[CampaignStatus]:
    """Campaigns, newest first; `before` is the last one of the previous page."""
    return _statuses(conn, tenant, campaign_summaries(conn, tenant, before=before, limit=limit))


def _statuses(conn: Connection, tenant: str, rows: Sequence[Mapping[str, Any]]) -> list[CampaignStatus]:
    """In the same few statements for all of them."""
    ids = [row["id"] for row in rows]
    complete(conn, *ids)
    known = {item.campaign: item.as_dict() for item in budgets.budgets_of(conn, tenant, ids)}
    counts, sums = count_states_of(conn, ids), costs.costs_of_campaigns(conn, ids)
    recipients, paces = recipients_of_campaigns(conn, tenant, ids), paces_of(conn, ids)
    return [
        CampaignStatus(
            **{**row, "counts": counts.get(row["id"], {})},
            costs=[item.as_dict() for item in sums.get(row["id"], ())],
            budget=known.get(row["name"]),
            notify=recipients.get(row["id"]),
            pace=paces.get(row["id"], FREE),
        )
        for row in rows
    ]


def change_campaign(conn: Connection, settings: Settings, tenant: str, name: str, terms: Terms) -> CampaignStatus:
    """Set the budget and the weight of a campaign, and who gets mail about it; returns its status.

    Raises:
        InvalidInput: it names recipients, but no mail can be sent.
        CampaignNotFound: there is no campaign with that name.
    """
    check_mail(terms.notify, settings)
    set_campaign_terms(conn, tenant, campaign_status(conn, tenant, name).id, terms)
    return campaign_status(conn, tenant, name)


def pause_campaign(conn: Connection, tenant: str, name: str, *, paused: bool = True) -> CampaignStatus:
    """Hold back the jobs of a campaign that have no slot yet, or resume it (`paused=False`), with those that were kept
    back when they were enqueued; returns its status.

    Raises:
        CampaignNotFound: there is no campaign with that name.
    """
    if not controls.set_paused(conn, tenant, name, paused=paused):
        raise CampaignNotFound(name)
    status = campaign_status(conn, tenant, name)
    decisions.record(conn, tenant, "campaign.paused" if paused else "campaign.resumed", subject_of(status.id))
    if not paused:
        claims.wake_queued(conn, tenant, status.id, Reason.KEPT_BACK)
    return status


def cancel_campaign(database: Database, tenant: str, name: str, *, discard: bool = False) -> Cancelled:
    """Cancel every job of a campaign, like `job_actions.cancel` for one job. It is a decision about the campaign if it
    cancels any.

    Raises:
        CampaignNotFound: there is no campaign with that name.
    """
    with database.begin() as conn:
        campaign_id = campaign_status(conn, tenant, name).id
    cancelled = asked = refused = 0
    last: UUID | None = None
    while True:
        with database.begin() as conn:
            page = queries.live_ids(conn, campaign_id, after=last, limit=_PAGE)
            # Usually nearly all of them are queued: these are cancelled in one statement.
            moves = [Move(job_id, (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED) for job_id in page]
            done = {moved.id for moved in transitions.move(conn, moves)}
            if done and not cancelled + asked:
                _note_cancelled(conn, tenant, campaign_id, discard=discard)
        if not page:
            return Cancelled(cancelled, asked, refused)
        last = page[-1]
        cancelled += len(done)
        for job_id in page:
            if job_id in done:
                continue
            try:
                job = job_actions.cancel(database, tenant, job_id, discard=discard)
            except NotPossible:
                refused += 1
                continue
            except JobNotFound:
                continue
            if not cancelled + asked:
                with database.begin() as conn:
                    _note_cancelled(conn, tenant, campaign_id, discard=discard)
            cancelled += job.terminal
            asked += not job.terminal


def _note_cancelled(conn: Connection, tenant: str, campaign_id: UUID, *, discard: bool) -> None:
    decisions.record(conn, tenant, "campaign.cancelled", subject_of(campaign_id), discard=discard)

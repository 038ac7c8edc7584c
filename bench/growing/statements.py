"""What runs by itself or for a page: the product's own functions, each in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from celery import Celery

from storage.admission.grants import grants
from storage.campaigns.rows import count_rows
from storage.campaigns.summaries import campaign_summaries
from storage.database import Connection, Database
from storage.jobs import callbacks, claims, history, queries, search
from storage.jobs.events.log import EventLog, position_now
from storage.jobs.events.positions import Position
from storage.jobs.playable_copies import claim_copies
from storage.jobs.states import JobState
from storage.metrics.kept import read_metrics
from storage.reporting import costs, overview
from storage.reporting.gauges import read_gauges
from storage.reporting.waiting import waiting_in_campaign
from storage.settings import Settings
from storage.webhooks.delivery import claim_messages
from storage.webhooks.messages import MessageFilter, list_messages, message_counts
from worker.scheduling import draft_notices, expiry_alarms, maintenance, retention, webhook_maintenance
from worker.scheduling.admission import SUBMIT_BATCH, claim_for
from worker.scheduling.batches import (
    MAX_POLLS_A_TICK,
    MAX_TRANSFERS_A_TICK,
    MAX_UNCONFIRMED_A_TICK,
    MAX_WAITING,
    TRANSFER_BATCH,
)
from worker.scheduling.dispatch import Dispatcher
from worker.webhooks import deliver

TENANT, BIG_CAMPAIGN, SMALL_CAMPAIGN = "t0", "campaign 0", "campaign 200"
LEASE_S, PAGE = 90.0, 50
TICK, FULL_TICK = "usual", "everything free"
USUAL_ROOM = {"submit": 2, "poll": 4, "transfer": 3, "notify": 3}
"""The messages that workers take between two ticks, at twice the pace of 10 M jobs a day. In the full tick all queues
are empty and each account has eight slots more: as many jobs as a tick claims at most."""
Kind = Literal["tick", "claim", "duty", "page"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing to measure. A tick is several transactions; everything else is one."""

    kind: Kind
    name: str
    run: tuple[Callable[[Connection], object], ...]


def statements(db: Database, settings: Settings) -> list[Statement]:
    """Everything that is measured."""
    with db.begin() as conn:
        big, small = (_campaign(conn, name) for name in (BIG_CAMPAIGN, SMALL_CAMPAIGN))
    return [*_ticks(db, settings), *_claims(settings), *_duties(settings), *_pages(settings, big, small)]


def _campaign(conn: Connection, name: str) -> UUID:
    found = overview.campaign(conn, TENANT, name)
    assert found is not None
    return found.id


def _ticks(db: Database, settings: Settings) -> list[Statement]:
    return [_tick(db, settings, TICK, USUAL_ROOM), _tick(db, _with_free_slots(settings), FULL_TICK, MAX_WAITING)]


def _tick(db: Database, settings: Settings, name: str, room: Mapping[str, int]) -> Statement:
    dispatcher = Dispatcher(Celery(), settings, db)
    tick = (
        lambda conn: [task(conn, settings) for task in maintenance.due_tasks(conn)],
        lambda conn: list(dispatcher.claim_work(conn, room)),
        lambda conn: list(dispatcher.claim_submits(conn, room)),
    )
    return Statement("tick", name, tick)


def _with_free_slots(settings: Settings) -> Settings:
    each = MAX_WAITING["submit"] * SUBMIT_BATCH // len(settings.accounts)
    accounts = [
        account.model_copy(update={"max_in_flight": account.max_in_flight + each}) for account in settings.accounts
    ]
    return settings.model_copy(update={"accounts": tuple(accounts)})


def _with(duty: maintenance.MaintenanceTask, settings: Settings) -> tuple[Callable[[Connection], object]]:
    return (lambda conn: duty(conn, settings),)


def _claims(settings: Settings) -> list[Statement]:
    def submits(conn: Connection, *, half_open: bool, served: bool) -> None:
        wanted = [
            grant
            for grant in grants(conn, settings)
            if bool(grant.half_open) is half_open and (grant.account.gateway == "ark") is served
        ]
        claim_for(conn, wanted, MAX_WAITING["submit"] * SUBMIT_BATCH, LEASE_S)

    wanted: list[tuple[str, Callable[[Connection], object]]] = [
        ("grants of 50 accounts", lambda conn: grants(conn, settings)),
        ("submits, half-open accounts", lambda conn: submits(conn, half_open=True, served=True)),
        ("submits, half-open, cannot serve a share", lambda conn: submits(conn, half_open=True, served=False)),
        ("submits, healthy accounts", lambda conn: submits(conn, half_open=False, served=True)),
        ("submits, healthy, cannot serve a share", lambda conn: submits(conn, half_open=False, served=False)),
        ("polls", lambda conn: claims.claim_polls(conn, MAX_POLLS_A_TICK, LEASE_S)),
        ("copies", lambda conn: claims.claim_transfers(conn, MAX_TRANSFERS_A_TICK, LEASE_S)),
        ("urgent copies", lambda conn: claims.claim_transfers(conn, TRANSFER_BATCH, LEASE_S, urgent=True)),
        ("unconfirmed", lambda conn: claims.claim_unconfirmed(conn, MAX_UNCONFIRMED_A_TICK, LEASE_S)),
        ("looks at reported tasks", lambda conn: callbacks.claim_looks(conn, MAX_UNCONFIRMED_A_TICK, LEASE_S)),
        ("playable copies", lambda conn: claim_copies(conn, settings.playable_copies_at_once, LEASE_S)),
        ("webhook messages", lambda conn: claim_messages(conn, 16, deliver.RECEIVERS, deliver.BATCH, LEASE_S)),
    ]
    return [Statement("claim", name, (run,)) for name, run in wanted]


def _duties(settings: Settings) -> list[Statement]:
    duties = (
        maintenance.lost_submits,
        maintenance.cancelled_in_queue,
        maintenance.deadlines,
        maintenance.dead_drafts,
        maintenance.barred_everywhere,
        maintenance.settled_budgets,
        maintenance.quiet_hours,
        expiry_alarms.expiring_videos,
        draft_notices.expiring_drafts,
        webhook_maintenance.finished_campaigns,
        webhook_maintenance.campaign_notices,
        webhook_maintenance.old_messages,
        retention.what_is_long_over,
    )
    return [Statement("duty", duty.__name__.replace("_", " "), _with(duty, settings)) for duty in duties]


def _pages(settings: Settings, big: UUID, small: UUID) -> list[Statement]:
    by_text = search.Search(TENANT, text="lighthouse keeper")
    newest, queued = queries.JobFilter(TENANT), queries.JobFilter(TENANT, [JobState.QUEUED])
    by_key = queries.JobFilter(TENANT, idempotency_key="key 200")
    wanted: list[tuple[str, Callable[[Connection], object]]] = [
        ("/metrics", lambda conn: read_gauges(conn, settings.unconfirmed_grace_seconds)),
        ("counts of a tenant", lambda conn: overview.counts(conn, TENANT)),
        ("ends of the last day", lambda conn: overview.finished_lately(conn, TENANT, 3600, 24)),
        ("held jobs", lambda conn: overview.held(conn, TENANT, PAGE)),
        ("expiring videos", lambda conn: overview.expiring(conn, TENANT, PAGE)),
        ("list of jobs", lambda conn: queries.page_of_jobs(conn, newest, limit=PAGE)),
        ("search, newest", lambda conn: search.find(conn, search.Search(TENANT), limit=PAGE)),
        ("search, words that occur nowhere", lambda conn: search.find(conn, by_text, limit=PAGE)),
        ("list of campaigns with counts", lambda conn: campaign_summaries(conn, TENANT, limit=PAGE)),
        ("counts of the big campaign", lambda conn: overview.campaign_counts(conn, [big])),
        ("ends in the big campaign", lambda conn: overview.finished_in_campaign(conn, big, (60, 3600, 86400), 100)),
        ("costs of the big campaign", lambda conn: costs.campaign_costs(conn, TENANT, BIG_CAMPAIGN)),
        ("why the big campaign waits", lambda conn: waiting_in_campaign(conn, big)),
        ("counts of a small campaign", lambda conn: overview.campaign_counts(conn, [small])),
        ("rows of a small campaign", lambda conn: count_rows(conn, small)),
        ("jobs to cancel in the big campaign", lambda conn: queries.live_ids(conn, big)),
        ("costs of the last day", lambda conn: costs.recent_costs(conn, TENANT, 86_400.0)),
        ("list of queued jobs", lambda conn: queries.page_of_jobs(conn, queued, limit=PAGE)),
        ("one job by its key", lambda conn: queries.page_of_jobs(conn, by_key, limit=PAGE)),
        ("webhook messages of a tenant", lambda conn: list_messages(conn, MessageFilter(TENANT), limit=PAGE)),
        ("counts of webhook messages", message_counts),
        ("new events, none", lambda conn: EventLog(Position(history.last_event(conn))).read(conn)),
        ("beginning of the page's stream", position_now),
        ("counters of /metrics", read_metrics),
        ("links that end soon", lambda conn: overview.ending_links(conn, 7200.0)),
        (
            "export, first page",
            lambda conn: queries.jobs_in_order(conn, queries.JobFilter(TENANT, campaign=BIG_CAMPAIGN), limit=500),
        ),
    ]
    return [Statement("page", name, (run,)) for name, run in wanted]

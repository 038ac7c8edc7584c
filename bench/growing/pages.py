"""What is read for a page, for a command, or for an answer of the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bench.growing.statement import BIG_CAMPAIGN, SMALL_CAMPAIGN, TENANT, Statement
from producer.campaigns.status import campaign_page
from producer.health.journal import check_journal
from producer.health.work import check_counts, check_links, check_parts, check_webhooks
from producer.operator_actions.account_status import account_statuses
from storage.batches.batches import list_batches
from storage.campaigns.failures import failures_of
from storage.campaigns.rows import count_rows, count_states, find_rows
from storage.campaigns.summaries import campaign_summaries
from storage.database import Connection, Database
from storage.decisions import list_decisions
from storage.jobs import history, queries, search
from storage.jobs.events.log import EventLog, position_now
from storage.jobs.events.positions import Position
from storage.jobs.states import JobState
from storage.journal.views import journal_view
from storage.metrics.kept import read_metrics
from storage.reporting import costs, overview
from storage.reporting.ark_tasks import TaskFilter, list_tasks
from storage.reporting.gauges import read_gauges
from storage.reporting.waiting import waiting_in_campaign
from storage.settings import Settings
from storage.tenants.tenants import list_tenants
from storage.uploads.records import list_uploads, totals
from storage.webhooks.messages import MessageFilter, MessageState, find_messages, message_counts

PAGE = 50
WEEK_S = 7 * 86_400.0


def pages(db: Database, settings: Settings) -> list[Statement]:
    """Everything that is read."""
    with db.begin() as conn:
        big, small = (_campaign(conn, name) for name in (BIG_CAMPAIGN, SMALL_CAMPAIGN))
        [job] = queries.page_of_jobs(conn, queries.JobFilter(TENANT, [JobState.FAILED]), limit=1)
    named = [*_lists(), *_one(job.id), *_campaigns(big, small), *_system(settings)]
    return [Statement("page", name, ((run,),)) for name, run in named]


def _campaign(conn: Connection, name: str) -> UUID:
    found = overview.campaign(conn, TENANT, name)
    assert found is not None
    return found.id


Named = list[tuple[str, Callable[[Connection], object]]]


def _lists() -> Named:
    newest, queued = queries.JobFilter(TENANT), queries.JobFilter(TENANT, [JobState.QUEUED])
    month_ago = datetime.now(UTC) - timedelta(days=30)
    account, old = queries.JobFilter(TENANT, account="none"), queries.JobFilter(TENANT, created_before=month_ago)
    of_campaign = queries.JobFilter(TENANT, campaign=BIG_CAMPAIGN)
    by_text = search.Search(TENANT, text="lighthouse keeper")
    dead, failed = MessageFilter(TENANT, states=[MessageState.DEAD]), MessageFilter(TENANT, type="job.failed")
    return [
        ("list of jobs", lambda conn: queries.page_of_jobs(conn, newest, limit=PAGE)),
        ("list of queued jobs", lambda conn: queries.page_of_jobs(conn, queued, limit=PAGE)),
        ("list of an account without jobs", lambda conn: queries.find_page(conn, account, limit=PAGE)),
        ("list of jobs of a month ago", lambda conn: queries.find_page(conn, old, limit=PAGE)),
        ("search, newest", lambda conn: search.find(conn, search.Search(TENANT), limit=PAGE)),
        ("search, words that occur nowhere", lambda conn: search.find(conn, by_text, limit=PAGE)),
        ("Ark's list of tasks", lambda conn: list_tasks(conn, TaskFilter(TENANT), offset=0, limit=10)),
        ("export, first page", lambda conn: queries.jobs_in_order(conn, of_campaign, limit=500)),
        ("webhook messages of a tenant", lambda conn: find_messages(conn, MessageFilter(TENANT), limit=PAGE)),
        ("messages that were given up", lambda conn: find_messages(conn, dead, limit=PAGE)),
        ("messages of one type", lambda conn: find_messages(conn, failed, limit=PAGE)),
        ("uploads", lambda conn: (list_uploads(conn, TENANT), totals(conn, TENANT))),
        ("batches", lambda conn: list_batches(conn, TENANT)),
        ("decisions", lambda conn: list_decisions(conn, TENANT)),
        ("tenants", list_tenants),
        ("new events, none", lambda conn: EventLog(Position(history.last_event(conn))).read(conn)),
        ("beginning of the page's stream", position_now),
    ]


def _one(job: UUID) -> Named:
    by_key = queries.JobFilter(TENANT, idempotency_key="key 200")
    return [
        ("one job", lambda conn: queries.get_jobs(conn, TENANT, [job])),
        ("its timeline", lambda conn: (history.events_of(conn, job), history.attempts_of(conn, job))),
        ("one job by its key", lambda conn: queries.page_of_jobs(conn, by_key, limit=PAGE)),
        ("jobs by the beginning of an id", lambda conn: search.by_id(conn, TENANT, str(job)[:10], PAGE)),
    ]


def _campaigns(big: UUID, small: UUID) -> Named:
    return [
        ("list of campaigns with counts", lambda conn: campaign_summaries(conn, TENANT, limit=PAGE)),
        ("list of campaigns of the API", lambda conn: campaign_page(conn, TENANT, None, PAGE)),
        ("counts of the big campaign", lambda conn: overview.campaign_counts(conn, [big])),
        ("ends in the big campaign", lambda conn: overview.finished_in_campaign(conn, big, (60, 3600, 86400), 100)),
        ("costs of the big campaign", lambda conn: costs.campaign_costs(conn, TENANT, BIG_CAMPAIGN)),
        ("why the big campaign waits", lambda conn: waiting_in_campaign(conn, big)),
        ("states of the big campaign's rows", lambda conn: count_states(conn, big)),
        ("rows of the big campaign", lambda conn: count_rows(conn, big)),
        ("page of the big campaign's rows", lambda conn: find_rows(conn, big, limit=PAGE)),
        ("failures in the big campaign", lambda conn: failures_of(conn, big)),
        ("counts of a small campaign", lambda conn: overview.campaign_counts(conn, [small])),
        ("rows of a small campaign", lambda conn: count_rows(conn, small)),
        ("jobs to cancel in the big campaign", lambda conn: queries.live_ids(conn, big)),
    ]


def _system(settings: Settings) -> Named:
    return [
        ("/metrics", lambda conn: read_gauges(conn, settings.unconfirmed_grace_seconds)),
        ("counters of /metrics", read_metrics),
        ("counts of a tenant", lambda conn: overview.counts(conn, TENANT)),
        ("ends of the last day", lambda conn: overview.finished_lately(conn, TENANT, 1800, 48)),
        ("ends of the last week", lambda conn: overview.finished_lately(conn, TENANT, 10_800, 56)),
        ("costs of the last day", lambda conn: costs.recent_costs(conn, TENANT, 86_400.0)),
        ("costs of the last week", lambda conn: costs.recent_costs(conn, TENANT, WEEK_S)),
        ("held jobs", lambda conn: overview.held(conn, TENANT, PAGE)),
        ("expiring videos", lambda conn: overview.expiring(conn, TENANT, PAGE)),
        ("links that end soon", lambda conn: overview.ending_links(conn, 7200.0)),
        ("counts of webhook messages", message_counts),
        ("accounts", lambda conn: account_statuses(conn, settings)),
        ("db status", journal_view),
        ("doctor", _doctor),
    ]


def _doctor(conn: Connection) -> None:
    for check in (check_journal, check_links, check_webhooks, check_counts):
        list(check(conn))
    list(check_parts(conn, 60.0))

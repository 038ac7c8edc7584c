"""What runs by itself or for a page: the product's own functions, each in a transaction that is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from celery import Celery

from bench.growing.pages import pages
from bench.growing.statement import Statement
from storage import heartbeats
from storage.accounts.keys import delete_unused
from storage.admission.grants import grants
from storage.batches.batches import claim_batch
from storage.bucket.sweeps import held_transfers
from storage.database import Connection, Database
from storage.jobs import callbacks, claims
from storage.jobs.deletion.removals import claim_removals
from storage.jobs.events import partitions
from storage.jobs.playable_copies import claim_copies
from storage.metrics.kept import merge_metrics
from storage.reporting import count_checks
from storage.reporting.job_counts import merge_counts
from storage.settings import Settings
from storage.uploads.removal import expire_uploads, removed_uploads
from storage.webhooks.delivery import claim_messages
from worker.scheduling import draft_notices, expiry_alarms, maintenance, retention, webhook_maintenance
from worker.scheduling.admission import claim_for
from worker.scheduling.batches import (
    MAX_POLLS_A_ROUND,
    MAX_TRANSFERS_A_ROUND,
    MAX_UNCONFIRMED_A_ROUND,
    MAX_WAITING,
    SUBMIT_BATCH,
    TRANSFER_BATCH,
)
from worker.scheduling.dispatch import Dispatcher
from worker.webhooks import deliver

LEASE_S = 90.0
TICK, FULL_TICK = "usual", "everything free"
USUAL_ROOM = {"submit": 2, "poll": 4, "transfer": 3, "notify": 3}
"""The messages that workers take between two ticks, at twice the pace of 10 M jobs a day. In the full tick all queues
are empty and each account has eight slots more: four times as many jobs as a round claims at most."""


def statements(db: Database, settings: Settings) -> list[Statement]:
    """Everything that is measured."""
    return [*_ticks(db, settings), *_claims(settings), *_duties(settings), *_sweeps(), *pages(db, settings)]


def _ticks(db: Database, settings: Settings) -> list[Statement]:
    return [_tick(db, settings, TICK, USUAL_ROOM), _tick(db, _with_free_slots(settings), FULL_TICK, MAX_WAITING)]


def _tick(db: Database, settings: Settings, name: str, room: Mapping[str, int]) -> Statement:
    dispatcher = Dispatcher(Celery(), settings, db)
    duties = (lambda conn: [task(conn, settings) for task in maintenance.due_tasks(conn)],)
    claims_ = (
        lambda conn: list(dispatcher.claim_work(conn, room)),
        lambda conn: list(dispatcher.claim_submits(conn, room)),
    )
    return Statement("tick", name, (duties, claims_))


def _with_free_slots(settings: Settings) -> Settings:
    each = MAX_WAITING["submit"] * SUBMIT_BATCH // len(settings.accounts)
    accounts = [
        account.model_copy(update={"max_in_flight": account.max_in_flight + each}) for account in settings.accounts
    ]
    return settings.model_copy(update={"accounts": tuple(accounts)})


def _with(duty: maintenance.MaintenanceTask, settings: Settings) -> tuple[tuple[Callable[[Connection], object]]]:
    return ((lambda conn: duty(conn, settings),),)


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
        ("polls", lambda conn: claims.claim_polls(conn, MAX_POLLS_A_ROUND, LEASE_S)),
        ("copies", lambda conn: claims.claim_transfers(conn, MAX_TRANSFERS_A_ROUND, LEASE_S)),
        ("urgent copies", lambda conn: claims.claim_transfers(conn, TRANSFER_BATCH, LEASE_S, urgent=True)),
        ("unconfirmed", lambda conn: claims.claim_unconfirmed(conn, MAX_UNCONFIRMED_A_ROUND, LEASE_S)),
        ("looks at reported tasks", lambda conn: callbacks.claim_looks(conn, MAX_UNCONFIRMED_A_ROUND, LEASE_S)),
        ("playable copies", lambda conn: claim_copies(conn, settings.playable_copies_at_once, LEASE_S)),
        ("webhook messages", lambda conn: claim_messages(conn, 16, deliver.RECEIVERS, deliver.BATCH, LEASE_S)),
    ]
    return [Statement("claim", name, ((run,),)) for name, run in wanted]


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


def _sweeps() -> list[Statement]:
    """What workers and API processes do besides jobs, without the store."""
    wanted: list[tuple[str, Callable[[Connection], object]]] = [
        ("files of deleted jobs", lambda conn: claim_removals(conn, 500)),
        ("expired uploads", lambda conn: expire_uploads(conn, 30 * retention.DAY_S, 500)),
        ("removed uploads", lambda conn: removed_uploads(conn, 500)),
        ("uploads that workers hold", lambda conn: held_transfers(conn, [UUID(int=n) for n in range(100)])),
        ("the next partition of timelines", lambda conn: partitions.next_partition(conn, 1)),
        ("a look at kept counts", lambda conn: count_checks.look(conn, count_checks.tenants(conn))),
        ("a look at the counts of messages", count_checks.look_at_messages),
        ("merge of kept counts", merge_counts),
        ("merge of metrics", merge_metrics),
        ("a batch", claim_batch),
        ("a heartbeat", lambda conn: heartbeats.beat(conn, heartbeats.API, "bench:1")),
        ("replaced keys", lambda conn: delete_unused(conn, LEASE_S)),
    ]
    return [Statement("sweep", name, ((run,),)) for name, run in wanted]

"""The transaction that stores the checked jobs of a tenant, and what belongs to their campaign."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from producer.campaigns.storing import add_campaign_rows
from producer.errors import RowConflict
from producer.intake.intake import Prepared, as_new_job
from producer.intake.start import Start
from producer.intake.terms import Terms, set_campaign_terms
from seedance.problems import InvalidInput, Problem
from storage.actors import acting
from storage.campaigns import controls
from storage.database import DEFAULT_LIMITS, Connection, limit
from storage.jobs import queries
from storage.jobs.enqueue import enqueue_jobs
from storage.jobs.records import Enqueued, IdempotencyConflict, NewJob
from storage.jobs.shown.fresh import FreshViews
from storage.uploads.uses import UploadUnknown

T = TypeVar("T")
Show = Callable[[Connection, list[Enqueued], Sequence[NewJob]], list[T]]


def in_one_transaction(
    tenant: str,
    actor: str,
    prepared: Sequence[Prepared],
    campaign: str | None,
    terms: Terms,
    start: Start,
    show: Show[T],
    views: FreshViews | None = None,
) -> Callable[[Connection], list[T]]:
    """The work of one transaction: store the jobs, all or none, and `show` them, with those that this transaction has
    stored. It may run again after a commit whose answer was lost: the jobs keep the ids of the first time. `views`: as
    of `enqueue_jobs`.

    Raises, when it runs:
        RowConflict, IdempotencyConflict: a key is known with another request.
        InvalidInput: a file was removed a moment ago.
        StoredMeanwhile: an earlier try was committed while this one waited for it.
    """
    new: list[NewJob] = []

    def write(conn: Connection) -> tuple[list[Enqueued], Sequence[NewJob]]:
        if new and (earlier := queries.get_jobs(conn, tenant, [job.id for job in new])):  # an earlier try was committed
            rest = iter(enqueue_jobs(conn, [job for job in new if job.id not in earlier]))
            return [Enqueued(job.id, created=True) if job.id in earlier else next(rest) for job in new], ()
        campaign_id = controls.ensure_campaign(conn, tenant, campaign) if campaign is not None else None
        if campaign_id is not None and start.proof is not None:
            start.agree(campaign or "", controls.set_proof(conn, campaign_id, start.proof))
        # With the same ids an earlier try that is still being committed is waited for, and found.
        new[:] = [replace(job, campaign_id=campaign_id) for job in new] or [
            as_new_job(job, tenant, campaign_id, kept_back=kept)
            for job, kept in zip(prepared, start.kept_back(prepared), strict=True)
        ]
        stored = enqueue_jobs(conn, new, views)
        if campaign is not None and campaign_id is not None:
            stored = add_campaign_rows(conn, tenant, campaign_id, prepared, stored, start.sheet)
            if start.paused:
                controls.set_paused(conn, tenant, campaign, paused=True)
            if start.reading is not None:
                controls.set_reading(conn, campaign_id, start.reading)
        if campaign_id is not None and terms:  # last, because schedulers wait for it
            limit(conn, DEFAULT_LIMITS)
            set_campaign_terms(conn, tenant, campaign_id, terms)
        made = [job for job, item in zip(new, stored, strict=True) if item.created and item.id == job.id]
        return stored, made

    def work(conn: Connection) -> list[T]:
        try:
            with acting(actor):
                return show(conn, *write(conn))
        except UploadUnknown as exc:  # it was removed a moment ago
            raise InvalidInput([Problem("", str(exc))]) from exc
        except IdempotencyConflict as exc:
            if where := prepared[exc.index].where:
                raise RowConflict(where, exc) from exc
            raise

    return work

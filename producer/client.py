"""The Python client: `from producer import Producer`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload
from uuid import UUID

from psycopg_pool import PoolTimeout

from producer.campaigns.files import check_name
from producer.campaigns.storing import add_campaign_rows
from producer.errors import InvalidRows, JobNotFound, RowConflict
from producer.intake.finals import with_drafts
from producer.intake.intake import Batch, Row, as_new_job, prepare, with_derived_keys
from producer.intake.start import AT_ONCE, Start
from producer.intake.terms import Terms, check_priced, read_terms, set_campaign_terms
from producer.intake.uploads import Progress, store
from producer.operator_actions import job_actions
from producer.operator_actions.finals import finalize
from producer.operator_actions.playable import want_playable
from seedance.problems import InvalidInput, Problem
from storage.actors import acting, current_actor, user_of
from storage.campaigns import controls
from storage.campaigns.rows import standing_jobs
from storage.database import BULK, DEFAULT_LIMITS, Connection, Database, DatabaseUnavailable, LocksHeld, connect, limit
from storage.jobs import queries
from storage.jobs.drafts import Draft, find_draft
from storage.jobs.enqueue import enqueue_jobs
from storage.jobs.records import Enqueued, IdempotencyConflict, JobView, NewJob
from storage.jobs.states import JobState
from storage.settings import Settings, load_settings
from storage.tenants.tenants import DEFAULT_TENANT

Job = JobView
Ids = list[UUID] | list[str] | tuple[UUID | str, ...]
T = TypeVar("T")

KEEP = Terms()
_CONNECT_WAIT_S = 5.0
_STORE_TRIES = 4
_POLL_FIRST_S, _POLL_CAP_S = 0.1, 1.0
_OUTAGE_S = 60.0
"""How long `wait` tolerates a database that does not answer."""


class Producer:
    """Enqueues and watches jobs. Threads may share one; close it, or use it as a context manager.

    `settings`: None reads the configuration as every command does. `local_files`: whether requests may name files on
    this machine; turn it off where requests come from elsewhere. `tenant`: owns the jobs; other tenants' are invisible.
    `actor`: who decides, for the timeline of jobs; None: this process's user.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        local_files: bool = True,
        tenant: str = DEFAULT_TENANT,
        actor: str | None = None,
    ) -> None:
        self.settings = load_settings() if settings is None else settings
        self.tenant = tenant
        self.actor = actor or current_actor() or user_of("program")
        self._database = Database(
            self.settings.require_database_url(),
            name="reelq-producer",
            size=8,
            wait_s=_CONNECT_WAIT_S,
            prepared=self.settings.database_prepared_statements,
        )
        self._local_files = local_files

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the jobs continue."""
        self._database.close()

    def as_tenant(self, tenant: str, actor: str | None = None) -> Self:
        """A producer for another tenant, on the same connections. `actor`: as of `Producer`; None: the same."""
        other = copy(self)
        other.tenant, other.actor = tenant, actor or self.actor
        return other

    # --- enqueue ---

    def enqueue(self, prompt: str, **fields: Any) -> Job:
        """Store one job; once this returns, it will reach a terminal state. The fields are those of docs/jobs.md.

        If the `idempotency_key` is known, this returns the earlier job.

        Raises:
            InvalidInput: a field breaks a rule, or no configured account can serve the request.
            IdempotencyConflict: the key is known with another request.
            DatabaseUnavailable: the database does not answer.
            StoreUnavailable: a local file could not be uploaded to the bucket.
        """
        return self.enqueue_row({"prompt": prompt, **fields})[0]

    def enqueue_row(self, fields: Mapping[str, Any]) -> tuple[Job, bool]:
        """As `enqueue`, with all fields in one mapping; also returns whether the job is new.

        Raises:
            InvalidInput, IdempotencyConflict, DatabaseUnavailable, StoreUnavailable: as `enqueue`.
        """
        return self.store_and_show(self.check_row(fields))[0]

    def check_row(self, fields: Mapping[str, Any]) -> Batch:
        """Check one job against every rule, without storing it. Local files are read.

        Raises:
            InvalidInput: a field breaks a rule, or no configured account can serve the request.
        """
        try:
            return prepare(self.with_drafts([Row("", fields)]), self.settings, self._base())
        except InvalidRows as exc:
            raise exc.rows[0] from None

    def enqueue_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        campaign: str | None = None,
        *,
        budget: str | None = None,
        weight: int | None = None,
    ) -> list[Job]:
        """Store many jobs, all or none, in the order of the rows.

        Within a `campaign`, rows without an `idempotency_key` get a derived one: the same rows again are the same jobs,
        and only new rows are added. `budget` ("100 CNY") and `weight` are the campaign's; see docs/tenants.md.

        Raises:
            InvalidRows: an InvalidInput that names each invalid row, counted from 1.
            IdempotencyConflict: a key is known with another request; the text names the row.
            DatabaseUnavailable, StoreUnavailable: as `enqueue`.
        """
        numbered = (Row(f"row {number}", row, number=number) for number, row in enumerate(rows, 1))
        batch = prepare(self.with_drafts(numbered), self.settings, self._base())
        terms = read_terms(budget, weight)
        if terms and campaign is None:
            raise InvalidInput([Problem("campaign", "is needed for a budget or a weight")])
        return [job for job, _ in self.store_and_show(batch, campaign=campaign, terms=terms)]

    def with_drafts(self, rows: Iterable[Row | InvalidInput]) -> Iterator[Row | InvalidInput]:
        """The rows; those with `draft_of` are completed from their drafts, which are looked up among the tenant's jobs.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        return with_drafts(rows, self.settings, self.find_draft)

    def find_draft(self, job_id: UUID, key: str | None = None) -> Draft | None:
        """The job that a final is to be made of; None: there is none with that id. `key`: the final's.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        return self._reading(lambda conn: find_draft(conn, self.tenant, job_id, key))

    def _base(self) -> Path | None:
        return Path() if self._local_files else None

    def store(
        self,
        batch: Batch,
        *,
        campaign: str | None = None,
        terms: Terms = KEEP,
        start: Start = AT_ONCE,
        progress: Progress | None = None,
    ) -> list[Enqueued]:
        """Upload the files of a checked batch and store its jobs, all or none. `terms` and `start` are the campaign's.

        Raises:
            IdempotencyConflict: a key is known with another request; the text names the row.
            DatabaseUnavailable, StoreUnavailable: as `enqueue`.
        """
        return self._store(batch, campaign, terms, lambda _, stored: stored, progress, start=start)

    def store_and_show(
        self, batch: Batch, *, campaign: str | None = None, terms: Terms = KEEP, lock_wait_s: float | None = None
    ) -> list[tuple[Job, bool]]:
        """As `store`; returns the jobs, and for each whether it is new.

        `lock_wait_s`: how long to wait for other transactions that store the same keys; None: without limit.

        Raises:
            LocksHeld: the wait was too long; nothing was stored.
            IdempotencyConflict, DatabaseUnavailable, StoreUnavailable: as `store`.
        """

        def show(conn: Connection, stored: list[Enqueued]) -> list[tuple[Job, bool]]:
            found = queries.get_jobs(conn, self.tenant, [item.id for item in stored])
            return [(found[item.id], item.created) for item in stored]

        return self._store(batch, campaign, terms, show, lock_wait_s=lock_wait_s)

    def _store(
        self,
        batch: Batch,
        campaign: str | None,
        terms: Terms,
        show: Callable[[Connection, list[Enqueued]], list[T]],
        progress: Progress | None = None,
        lock_wait_s: float | None = None,
        start: Start = AT_ONCE,
    ) -> list[T]:
        prepared = with_derived_keys(batch.jobs, check_name(campaign)) if campaign is not None else list(batch.jobs)
        if terms.budget is not None:
            check_priced(prepared, terms.budget)
        if not prepared:
            return []
        store(batch.files, self.settings, progress)
        new: list[NewJob] = []

        def write(conn: Connection) -> list[Enqueued]:
            if new and (
                earlier := queries.get_jobs(conn, self.tenant, [job.id for job in new])
            ):  # an earlier try was committed
                rest = iter(enqueue_jobs(conn, [job for job in new if job.id not in earlier]))
                return [Enqueued(job.id, created=True) if job.id in earlier else next(rest) for job in new]
            campaign_id = controls.ensure_campaign(conn, self.tenant, campaign) if campaign is not None else None
            if campaign_id is not None and start.proof is not None:
                start.agree(campaign or "", controls.set_proof(conn, campaign_id, start.proof))
            new[:] = [
                as_new_job(job, self.tenant, campaign_id, kept_back=kept)
                for job, kept in zip(prepared, start.kept_back(prepared), strict=True)
            ]
            stored = enqueue_jobs(conn, new)
            if campaign is not None and campaign_id is not None:
                stored = add_campaign_rows(conn, self.tenant, campaign_id, prepared, stored, start.sheet)
                if start.paused:
                    controls.set_paused(conn, self.tenant, campaign, paused=True)
                if start.reading is not None:
                    controls.set_reading(conn, campaign_id, start.reading)
            if campaign_id is not None and terms:  # last, because schedulers wait for it
                limit(conn, DEFAULT_LIMITS)
                set_campaign_terms(conn, self.tenant, campaign_id, terms)
            return stored

        def work(conn: Connection) -> list[T]:
            limit(conn, BULK if lock_wait_s is None else replace(BULK, lock_s=lock_wait_s))
            with acting(self.actor):
                return show(conn, write(conn))

        try:
            return self._surely(work)
        except IdempotencyConflict as exc:
            if where := prepared[exc.index].where:
                raise RowConflict(where, exc) from exc
            raise

    # --- look ---

    def get(self, job_id: UUID | str) -> Job:
        """The current state of a job.

        Raises:
            JobNotFound: there is none with that id.
            DatabaseUnavailable: the database does not answer.
        """
        wanted = as_job_id(job_id)
        return self._reading(lambda conn: job_actions.get_job(conn, self.tenant, wanted))

    @overload
    def wait(self, job_id: UUID | str, timeout: float | None = None) -> Job: ...

    @overload
    def wait(self, job_id: Ids, timeout: float | None = None) -> list[Job]: ...

    def wait(self, job_id: UUID | str | Ids, timeout: float | None = None) -> Job | list[Job]:
        """Wait until the job, or each of several, is terminal or held as unconfirmed, and return it.

        `timeout` in seconds; None: no limit. A short outage of the database is tolerated.

        Raises:
            TimeoutError: not all finished in time.
            JobNotFound: there is none with that id.
            DatabaseUnavailable: the database has not answered for a minute.
        """
        if isinstance(job_id, UUID | str):
            return self.wait((job_id,), timeout)[0]
        ids = [as_job_id(item) for item in job_id]
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _POLL_FIRST_S
        while True:
            waiting = self.unfinished(ids)
            if sum(self.counts(ids).values()) < len(set(ids)):
                found = self._reading(lambda conn: queries.get_jobs(conn, self.tenant, ids))
                raise JobNotFound(next(item for item in ids if item not in found))
            if not waiting:
                found = self._reading(lambda conn: queries.get_jobs(conn, self.tenant, ids))
                return [found[item] for item in ids]
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{waiting} of {len(ids)} jobs did not finish within {timeout:g} s; they continue")
            left = pause if deadline is None else min(pause, max(deadline - time.monotonic(), 0.0))
            time.sleep(left)
            pause = min(pause * 1.3, _POLL_CAP_S)

    def counts(self, ids: Sequence[UUID]) -> dict[JobState, int]:
        """How many of these jobs are in each state; a short outage of the database is tolerated.

        Raises:
            DatabaseUnavailable: the database has not answered for a minute.
        """
        return self._through_outage(lambda conn: queries.counts_of(conn, self.tenant, ids))

    def unfinished(self, ids: Sequence[UUID]) -> int:
        """How many of these jobs are neither terminal nor held for a person to resolve.

        Raises:
            DatabaseUnavailable: as `counts`.
        """
        held_is_finished = self.settings.unconfirmed_policy == "hold"
        return self._through_outage(
            lambda conn: queries.unfinished_of(conn, self.tenant, ids, held_is_finished=held_is_finished)
        )

    def standing(self, ids: Sequence[UUID]) -> list[UUID]:
        """For each of these jobs that is the first of a campaign's row, the job that stands for the row now: its newest
        version, or an earlier one that has succeeded if that has failed. Others unchanged.

        Raises:
            DatabaseUnavailable: as `counts`.
        """
        return self._through_outage(lambda conn: standing_jobs(conn, self.tenant, ids))

    def _through_outage(self, read: Callable[[Connection], T]) -> T:
        give_up = time.monotonic() + _OUTAGE_S
        while True:
            try:
                return self._reading(read)
            except DatabaseUnavailable:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(_POLL_CAP_S)

    # --- decide ---

    def cancel(self, job_id: UUID | str, *, discard: bool = False) -> Job:
        """Cancel a job. That is free while it is queued; and while its gateway has not started it and can cancel, which
        a worker does soon (`cancel_request` is set). `discard` also gives up a submitted job that will be billed.

        Raises:
            JobNotFound: there is none with that id.
            NotPossible: the text says why.
            DatabaseUnavailable: the database does not answer.
        """
        with acting(self.actor):
            return job_actions.cancel(self._database, self.tenant, as_job_id(job_id), discard=discard)

    def retry(self, job_id: UUID | str) -> Job:
        """Enqueue a failed or cancelled job again, as a new job; see `job_actions.retry`.

        Raises:
            JobNotFound, NotPossible, InvalidInput, DatabaseUnavailable: as there.
        """
        with acting(self.actor):
            return job_actions.retry(self._database, self.settings, self.tenant, as_job_id(job_id))[0]

    def finalize(self, job_id: UUID | str, *, regenerate: bool = False, **fields: Any) -> Job:
        """Make the final video of a draft, as a new job; see `operator_actions.finals.finalize`.

        Raises:
            JobNotFound, NotPossible, InvalidInput, IdempotencyConflict, DatabaseUnavailable: as there.
        """
        with acting(self.actor):
            return finalize(self, self.get(job_id), fields, regenerate=regenerate)[0]

    def make_playable(self, job_id: UUID | str) -> Job:
        """Make a copy of a job's video that every browser plays, unless there is one or the video is one itself; then
        `operator_actions.playable.playable_file` gives its key. Also after a copy was given up.

        Raises:
            JobNotFound: there is none with that id.
            NotPossible: it has no video, or `playable_copies` is off.
            DatabaseUnavailable: the database does not answer.
        """
        wanted = as_job_id(job_id)
        with self._database.begin() as conn:
            return want_playable(conn, self.settings, self.tenant, wanted, again=True)

    @property
    def database(self) -> Database:
        """The connections, for `producer.operator_actions`."""
        return self._database

    # --- the database ---

    def _reading(self, question: Callable[[Connection], T]) -> T:
        try:
            with self._database.begin() as conn:
                return question(conn)
        except DatabaseUnavailable as exc:
            raise self._explained(exc) from exc

    def _surely(self, write: Callable[[Connection], T]) -> T:
        """Run a transaction, and again if the connection was lost: `write` detects an earlier commit."""
        for attempt in range(1, _STORE_TRIES + 1):
            try:
                with self._database.begin() as conn:
                    return write(conn)
            except LocksHeld:
                raise
            except DatabaseUnavailable as exc:
                if attempt == 1 and isinstance(exc.__cause__, PoolTimeout):
                    raise self._explained(exc) from exc
                if attempt == _STORE_TRIES:
                    doubt = (
                        "the jobs may have been stored; it is safe to retry with the same idempotency_key or campaign"
                    )
                    raise DatabaseUnavailable(f"{self._explained(exc)}; {doubt}") from exc
                time.sleep(0.2 * attempt)
        raise AssertionError("the last try returns or raises")

    def _explained(self, error: DatabaseUnavailable) -> DatabaseUnavailable:
        """The cause of an error: the pool only reports a timeout, so try one connection without it."""
        if isinstance(error.__cause__, PoolTimeout):
            try:
                with connect(self._database.url):
                    pass
            except DatabaseUnavailable as exc:
                return exc
        return error


def as_job_id(job_id: UUID | str) -> UUID:
    """Parse a job's id.

    Raises:
        JobNotFound: it is not a valid id.
    """
    try:
        return job_id if isinstance(job_id, UUID) else UUID(job_id)
    except ValueError:
        raise JobNotFound(job_id) from None

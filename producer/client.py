"""The Python client: `from producer import Producer`."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast, overload
from uuid import UUID

from producer.campaigns.names import check_name
from producer.collector import fewer_collections
from producer.errors import InvalidRows
from producer.intake.finals import with_drafts
from producer.intake.intake import Batch, Row, prepare, with_derived_keys
from producer.intake.offers import KeptOffers
from producer.intake.recipients import check_mail
from producer.intake.shelf import Shelf
from producer.intake.start import AT_ONCE, Start
from producer.intake.terms import Terms, check_priced, read_terms
from producer.intake.uploads import Progress, store
from producer.job_fields import JobFields
from producer.job_ids import as_job_id as as_job_id
from producer.operator_actions import job_actions
from producer.operator_actions.finals import finalize
from producer.operator_actions.playable import want_playable
from producer.patience import read, read_through_outage, wait_for, write_surely
from producer.storing import Show, in_one_transaction
from producer.transactions import driver_of
from seedance.problems import InvalidInput, Problem
from storage.accounts.live import LiveSettings
from storage.actors import Kind, acting, current_actor, user_of
from storage.campaigns.rows import standing_jobs
from storage.database import BULK, Connection, Database
from storage.jobs import queries
from storage.jobs.drafts import Draft, find_draft
from storage.jobs.records import Enqueued, JobView, NewJob
from storage.jobs.shown.fresh import FreshViews
from storage.jobs.states import JobState
from storage.settings import Settings, load_settings
from storage.tenants.tenants import DEFAULT_TENANT
from storage.waking.database import ConfiguredDatabase, HintingDatabase

if TYPE_CHECKING:
    from producer.transactions import InTransaction

Job = JobView
Ids = list[UUID] | list[str] | tuple[UUID | str, ...]
T = TypeVar("T")

KEEP = Terms()
POOL_SIZE = 8
_CONNECT_WAIT_S = 5.0


class Producer:
    """Enqueues and watches jobs. Threads and forked processes may share one; close it, or use it as a context manager.

    `settings`: None reads the configuration as every command does. `local_files`: whether requests may name files on
    this machine; turn it off where requests come from elsewhere. `tenant`: owns the jobs; other tenants' are invisible.
    `actor`: who decides, for the timeline of jobs; None: this process's user. `hints`: let the scheduler look for new
    jobs at once, by the broker, if one is configured; not worth its time in a process that ends soon.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        local_files: bool = True,
        tenant: str = DEFAULT_TENANT,
        actor: str | None = None,
        connections: int = POOL_SIZE,
        hints: bool = True,
    ) -> None:
        given = load_settings() if settings is None else settings
        self.live = LiveSettings(given)
        self.tenant = tenant
        self.actor = actor or current_actor() or user_of(Kind.PROGRAM)
        kind = HintingDatabase if hints else ConfiguredDatabase
        self._database: Database = kind(given, name="reelq-producer", size=connections, wait_s=_CONNECT_WAIT_S)
        self._local_files = local_files
        self._offers = KeptOffers()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def settings(self) -> Settings:
        """The settings with the accounts that this tenant may use now.

        Raises:
            DatabaseUnavailable: the accounts of the database were never read.
        """
        return self.live.fresh(self._database).for_tenant(self.tenant)

    def close(self) -> None:
        """Close the connections; the jobs continue."""
        self._database.close()

    def as_tenant(self, tenant: str, actor: str | None = None) -> Self:
        """A producer for another tenant, on the same connections. `actor`: as of `Producer`; None: the same."""
        other = copy(self)
        other.tenant, other.actor = tenant, actor or self.actor
        return other

    # --- enqueue ---

    def enqueue(self, prompt: str, *, connection: InTransaction | None = None, **fields: Unpack[JobFields]) -> Job:
        """Store one job; once this returns, it will reach a terminal state. The fields are those of docs/jobs.md.

        If the `idempotency_key` is known, this returns the earlier job.

        `connection`: store it in the transaction of this connection of psycopg, or connection or session of SQLAlchemy,
        on the database of `settings`: it is submitted once that is committed, and gone if it is rolled back.

        Raises:
            TypeError, ValueError: such a connection cannot be used; the text says why.
            psycopg.Error: a statement failed on `connection`; the transaction can go on.
            InvalidInput: a field breaks a rule, or no configured account can serve the request.
            IdempotencyConflict: the key is known with another request.
            DatabaseUnavailable: the database does not answer.
            StoreUnavailable: a local file could not be uploaded to the bucket.
        """
        batch = self.check_row({"prompt": prompt, **fields})
        return self._store_in(connection, batch, None)[0]

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
            settings = self.settings
            offers = self._offers.of(self.tenant, settings)
            return prepare(self.with_drafts([Row("", fields)]), settings, self._base(), offers)
        except InvalidRows as exc:
            raise exc.rows[0] from None

    def enqueue_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        campaign: str | None = None,
        *,
        budget: str | None = None,
        weight: int | None = None,
        connection: InTransaction | None = None,
    ) -> list[Job]:
        """Store many jobs, all or none, in the order of the rows.

        Within a `campaign`, rows without an `idempotency_key` get a derived one: the same rows again are the same jobs,
        and only new rows are added. `budget` ("100 CNY") and `weight` are the campaign's; see docs/tenants.md.
        `connection`: as `enqueue`, without `budget` and `weight`.

        Raises:
            InvalidRows: an InvalidInput that names each invalid row, counted from 1.
            IdempotencyConflict: a key is known with another request; the text names the row.
            DatabaseUnavailable, StoreUnavailable: as `enqueue`.
        """
        with fewer_collections():
            batch, terms = self.check_rows(rows, campaign, budget, weight)
            return self._store_in(connection, batch, campaign, terms)

    def check_rows(
        self, rows: Iterable[Mapping[str, Any]], campaign: str | None, budget: str | None, weight: int | None
    ) -> tuple[Batch, Terms]:
        """Check the rows of `enqueue_many`, without storing them.

        Raises:
            InvalidInput: as there.
        """
        numbered = (Row(f"row {number}", row, number=number) for number, row in enumerate(rows, 1))
        batch = prepare(self.with_drafts(numbered), self.settings, self._base())
        terms = read_terms(budget, weight)
        if terms and campaign is None:
            raise InvalidInput([Problem("campaign", "is needed for a budget or a weight")])
        return batch, terms

    def _store_in(
        self, connection: InTransaction | None, batch: Batch, campaign: str | None, terms: Terms = KEEP
    ) -> list[Job]:
        if connection is None:
            return [job for job, _ in self.store_and_show(batch, campaign=campaign, terms=terms)]
        # Imported here: it comes with greenlet, a hundredth of the start of a command, which has no such connection.
        from storage.callers.transaction import write_in

        write, search_path = self.ready(batch, campaign, terms), self._database.search_path()
        return write_in(driver_of(connection), search_path, write)  # a transaction begins after the uploads

    def ready(self, batch: Batch, campaign: str | None, terms: Terms) -> Callable[[Connection], list[Job]]:
        """Upload the files of a checked batch; the result stores its jobs in a caller's transaction.

        Raises:
            InvalidInput: it has terms.
            StoreUnavailable: as `enqueue`.
        """
        if terms:  # schedulers would wait until the caller commits
            raise InvalidInput([Problem("connection", "cannot be combined with a budget or a weight; set them apart")])
        views = FreshViews(campaign)
        return self._ready(batch, campaign, terms, partial(self._show, views), views=views)

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
        return read(self._database, lambda conn: find_draft(conn, self.tenant, job_id, key))

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
        if_still: Callable[[Connection], None] = lambda _: None,
    ) -> list[Enqueued]:
        """Upload the files of a checked batch and store its jobs, all or none. `terms` and `start` are the campaign's.
        `if_still` looks, in the same transaction, whether they are still wanted, and raises if they are not.

        Raises:
            IdempotencyConflict: a key is known with another request; the text names the row.
            DatabaseUnavailable, StoreUnavailable: as `enqueue`.
        """

        def show(conn: Connection, stored: list[Enqueued], _: Sequence[NewJob]) -> list[Enqueued]:
            if_still(conn)
            return stored

        return write_surely(self._database, BULK, self._ready(batch, campaign, terms, show, progress, start))

    def store_and_show(
        self, batch: Batch, *, campaign: str | None = None, terms: Terms = KEEP, lock_wait_s: float | None = None
    ) -> list[tuple[Job, bool]]:
        """As `store`; returns the jobs, and for each whether it is new.

        `lock_wait_s`: how long to wait for other transactions that store the same keys; None: without limit.

        Raises:
            LocksHeld: the wait was too long; nothing was stored.
            IdempotencyConflict, DatabaseUnavailable, StoreUnavailable: as `store`.
        """

        views = FreshViews(campaign)

        def show(conn: Connection, stored: list[Enqueued], made: Sequence[NewJob]) -> list[tuple[Job, bool]]:
            jobs = self._show(views, conn, stored, made)
            return [(job, item.created) for job, item in zip(jobs, stored, strict=True)]

        write = self._ready(batch, campaign, terms, show, views=views)
        return write_surely(self._database, BULK if lock_wait_s is None else replace(BULK, lock_s=lock_wait_s), write)

    def _show(self, views: FreshViews, conn: Connection, stored: list[Enqueued], made: Sequence[NewJob]) -> list[Job]:
        found = views.of(conn, made)
        if rest := [item.id for item in stored if item.id not in found]:
            found |= queries.get_jobs(conn, self.tenant, rest)
        return [found[item.id] for item in stored]

    def _ready(
        self,
        batch: Batch,
        campaign: str | None,
        terms: Terms,
        show: Show[T],
        progress: Progress | None = None,
        start: Start = AT_ONCE,
        views: FreshViews | None = None,
    ) -> Callable[[Connection], list[T]]:
        """Upload the files of a batch; return what is left to do in one transaction."""
        prepared = with_derived_keys(batch.jobs, check_name(campaign)) if campaign is not None else list(batch.jobs)
        check_mail(terms.notify, self.settings)
        if terms.budget is not None:
            check_priced(prepared, terms.budget)
        if not prepared:
            return lambda _: []
        store(batch.files, self.shelf, progress)
        return in_one_transaction(self.tenant, self.actor, prepared, campaign, terms, start, show, views)

    # --- look ---

    def get(self, job_id: UUID | str) -> Job:
        """The current state of a job.

        Raises:
            JobNotFound: there is none with that id.
            DatabaseUnavailable: the database does not answer.
        """
        wanted = as_job_id(job_id)
        return read(self._database, lambda conn: job_actions.get_job(conn, self.tenant, wanted))

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
        looks = self.looks(job_id, timeout)
        try:
            while True:
                time.sleep(next(looks))
        except StopIteration as exc:
            return cast(list[Job], exc.value)

    def looks(self, ids: Ids, timeout: float | None) -> Generator[float, None, list[Job]]:
        """As `wait`, in steps: yields the seconds to pause before the next look."""
        wanted = [as_job_id(item) for item in ids]
        held_is_finished = self.settings.unconfirmed_policy == "hold"
        return wait_for(self._database, self.tenant, wanted, timeout, held_is_finished=held_is_finished)

    def counts(self, ids: Sequence[UUID]) -> dict[JobState, int]:
        """How many of these jobs are in each state; a short outage of the database is tolerated.

        Raises:
            DatabaseUnavailable: the database has not answered for a minute.
        """
        return read_through_outage(self._database, lambda conn: queries.counts_of(conn, self.tenant, ids))

    def unfinished(self, ids: Sequence[UUID]) -> int:
        """How many of these jobs are neither terminal nor held for a person to resolve.

        Raises:
            DatabaseUnavailable: as `counts`.
        """
        held_is_finished = self.live.current.unconfirmed_policy == "hold"
        return read_through_outage(
            self._database,
            lambda conn: queries.unfinished_of(conn, self.tenant, ids, held_is_finished=held_is_finished),
        )

    def standing(self, ids: Sequence[UUID]) -> list[UUID]:
        """For each of these jobs that is the first of a campaign's row, the job that stands for the row now: its newest
        version, or an earlier one that has succeeded if that has failed. Others unchanged.

        Raises:
            DatabaseUnavailable: as `counts`.
        """
        return read_through_outage(self._database, lambda conn: standing_jobs(conn, self.tenant, ids))

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
    def shelf(self) -> Shelf:
        """The tenant's uploaded files."""
        return Shelf(self._database, self.live.current, self.tenant)

    @property
    def database(self) -> Database:
        """The connections, for `producer.operator_actions`."""
        return self._database

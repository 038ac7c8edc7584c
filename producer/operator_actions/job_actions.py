"""A person's actions on a job: cancel it, retry it, or resolve an unconfirmed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.errors import UniqueViolation

from producer.errors import JobNotFound, NotPossible
from producer.intake.intake import Prepared, Row, as_new_job, as_prepared
from producer.intake.job_spec import parse_job
from seedance.gateways.registry import DIALECTS
from storage.admission.spending.billing import may_be_billed
from storage.campaigns import controls, versions
from storage.campaigns.versions import VersionKind
from storage.database import Connection, Database
from storage.jobs import attempts, callbacks, doubts, drafts, queries, transitions
from storage.jobs.enqueue import enqueue_jobs
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, FinalOf, JobView, Move
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.uploads.uses import UploadUnknown, unknown_files

_RACES = 5  # how often a job may change during a cancellation before the caller must try again
_SUBMITTED = (JobState.UNCONFIRMED, JobState.GENERATING, JobState.TRANSFERRING)
_NO_ACCOUNT: dict[str, Any] = {"account": None, "gateway": None, "model": None}


def get_job(conn: Connection, tenant: str, job_id: UUID) -> JobView:
    """The job in its current state.

    Raises:
        JobNotFound: the tenant has no job with that id.
    """
    found = queries.get_jobs(conn, tenant, [job_id]).get(job_id)
    if found is None:
        raise JobNotFound(job_id)
    return found


def cancel(database: Database, tenant: str, job_id: UUID, *, discard: bool = False) -> JobView:
    """Cancel a job. A queued job costs nothing. If its gateway can cancel, a worker cancels a submitted job there,
    provided that it has not begun; the job's `cancel_request` is set until then. `discard` gives up a submitted job in
    any case, although it is still billed. A cancelled job stays cancelled.

    Raises:
        JobNotFound: there is no job with that id.
        NotPossible: it was submitted, its gateway cannot cancel and `discard` is not set; or it has ended.
    """
    for _ in range(_RACES):
        with database.begin() as conn:
            job = get_job(conn, tenant, job_id)
            if job.state is JobState.CANCELLED:
                return job
            _check_cancellable(job, discard)
            if what_cancelling_does(job) == "asks":
                if transitions.request_cancel(conn, job_id, "discard" if discard else "keep"):
                    return get_job(conn, tenant, job_id)
                continue
            reason = Reason.CANCELLED if job.state is JobState.QUEUED else Reason.DISCARDED
            if transitions.move(conn, [Move(job_id, (job.state,), JobState.CANCELLED, reason)]):
                callbacks.look_again(conn, [job_id])
                return get_job(conn, tenant, job_id)
    raise NotPossible(job_id, "is changing right now; try again in a moment")


def cancel_queued(database: Database, tenant: str, job_id: UUID) -> bool:
    """Cancel a job only if it is still queued, or has been cancelled before; False: it is in another state.

    Raises:
        JobNotFound: there is no job with that id.
    """
    with database.begin() as conn:
        job = get_job(conn, tenant, job_id)
        if job.state is not JobState.QUEUED:
            return job.state is JobState.CANCELLED
        if not transitions.move(conn, [Move(job_id, (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED)]):
            return False
        callbacks.look_again(conn, [job_id])
        return True


def what_cancelling_does(job: JobView) -> Literal["free", "asks", "billed", "nothing"]:
    """The effect of cancelling a job now. `free`: it ends without a bill; `asks`: its gateway is asked, which may be
    too late; `billed`: it is billed in any case and can only be discarded; `nothing`: it has ended."""
    if job.terminal:
        return "nothing"
    if job.state is JobState.QUEUED:
        return "free"
    return "asks" if job.state is JobState.SUBMITTING or _can_cancel(job) else "billed"


def _can_cancel(job: JobView) -> bool:
    """Whether a worker may still cancel it at its gateway without a bill."""
    dialect = DIALECTS.get(job.gateway or "")
    return (
        dialect is not None
        and dialect.capabilities().cancel
        and job.state in (JobState.GENERATING, JobState.UNCONFIRMED)
    )


def _check_cancellable(job: JobView, discard: bool) -> None:
    if job.terminal:
        raise NotPossible(job.id, f"has already {job.state}")
    if job.state in _SUBMITTED and not discard and not _can_cancel(job):
        doubt = "may have been" if job.state is JobState.UNCONFIRMED else "was already"
        bill = "may" if job.state is JobState.UNCONFIRMED else "will"
        raise NotPossible(
            job.id,
            f"{doubt} submitted to {job.account} and {bill} be billed; discard it if its video is not wanted",
        )


def retry(
    database: Database, settings: Settings, tenant: str, job_id: UUID, *, only_unbilled: bool = False
) -> tuple[JobView, bool]:
    """A new job with the request of a failed or cancelled one, and whether it was created by this call.

    The new job's metadata names the old one as `retry_of`. A job is retried once: another call returns the same retry,
    unless that has failed or was cancelled as well; then that one is retried. `only_unbilled`: a retry that may be
    billed is returned, not retried.

    Raises:
        JobNotFound: there is no job with that id.
        NotPossible: the job has neither failed nor been cancelled, or a file that it needs has expired.
        InvalidInput: no configured account can serve it any more.
    """
    while True:
        with database.begin() as conn:
            old = get_job(conn, tenant, job_id)
            if old.state not in (JobState.FAILED, JobState.CANCELLED):
                raise NotPossible(job_id, f"is {old.state}; only a failed or cancelled job can be retried")
            if old.draft_of is not None and old.draft_ends_at is not None and old.draft_ends_at <= datetime.now(UTC):
                raise NotPossible(job_id, f"is the final of draft {old.draft_of}, which is too old; make a new draft")
            campaign_id = controls.ensure_campaign(conn, tenant, old.campaign) if old.campaign else None
            draft = drafts.draft_of_final(conn, old.id)
            new = as_new_job(_again(old, settings, draft), tenant, campaign_id)
            if gone := unknown_files(conn, tenant, [new.request]):
                raise NotPossible(job_id, f"cannot be retried: {UploadUnknown(min(gone))}, and enqueue a new job")
            try:
                [stored] = enqueue_jobs(conn, [new])
            except UploadUnknown as exc:
                raise NotPossible(job_id, f"cannot be retried: {exc}, and enqueue a new job") from exc
            if campaign_id is not None and stored.created:
                versions.note_version(conn, campaign_id, old.id, stored.id, VersionKind.RETRY)
            job = get_job(conn, tenant, stored.id)
        if stored.created or job.state not in (JobState.FAILED, JobState.CANCELLED):
            return job, stored.created
        if only_unbilled and may_be_billed(job):
            return job, False
        job_id = job.id


def fields_of(job: JobView) -> dict[str, Any]:
    """A job as its fields, without its key and its deadline, which was set for the first try."""
    own = {name: getattr(job, name) for name in ("priority", "webhook_url", "metadata", "tags")}
    return job.request | own | {"account": job.account_pin}


def _again(old: JobView, settings: Settings, draft: FinalOf | None) -> Prepared:
    """The same job again."""
    own = {"idempotency_key": f"retry:{old.id}", "metadata": old.metadata | {"retry_of": str(old.id)}}
    spec = parse_job(fields_of(old) | own)
    return as_prepared(spec, settings, Row("", {}, draft=draft))


def adopt(
    database: Database,
    tenant: str,
    job_id: UUID,
    task_id: str,
    accounts: Sequence[str] | None = None,
    note: str = "the gateway was not asked",
) -> JobView:
    """Adopt the gateway's task for this unconfirmed job, which is polled from now on. Does not ask the gateway; see
    `adoption.adopt_checked`.

    `accounts`: accounts that see the same task under this id; None: the job's own. `note` goes into the timeline.

    Raises:
        JobNotFound: there is no job with that id.
        NotPossible: the job is not unconfirmed, or the task belongs to another job.
    """
    try:
        with database.begin() as conn:
            doubts.lock_tasks(conn, accounts or [])
            job = unconfirmed_job(conn, tenant, job_id)
            task_id = handle_of(job, task_id)
            check_task_is_free(conn, tenant, job_id, task_id, accounts or [job.account or ""])
            outcome = AttemptOutcome(job_id, job.attempt, Reason.ACCEPTED, gateway_task_id=task_id)
            attempts.store_outcomes(conn, [outcome])
            patch = {"gateway_task_id": task_id, "setbacks": 0, "refusals": 0}
            source, detail = (JobState.UNCONFIRMED,), {"message": f"by hand: {note}"}
            move = Move(job_id, source, JobState.GENERATING, Reason.ADOPTED, attempt=job.attempt, patch=patch)
            _move(conn, replace(move, detail=detail))
            return get_job(conn, tenant, job_id)
    except UniqueViolation as exc:  # another job adopted it at the same moment
        raise NotPossible(job_id, f"cannot adopt task {task_id}: another job has just adopted it") from exc


def handle_of(job: JobView, task_id: str) -> str:
    """The id under which a job's task is stored and queried, from the id that its gateway shows to people."""
    dialect = DIALECTS.get(job.gateway or "")
    return dialect.task_handle(task_id, job.model) if dialect and job.model and task_id.strip() else task_id


def check_task_is_free(conn: Connection, tenant: str, job_id: UUID, task_id: str, accounts: Sequence[str]) -> None:
    """Check that no attempt has the task.

    Raises:
        NotPossible: the id is blank or not printable, or the task belongs to an attempt at one of these accounts.
    """
    if not task_id.strip() or not task_id.isprintable():
        raise NotPossible(job_id, "needs a task id of printable characters")
    holder = attempts.holder_of_task(conn, accounts, task_id)
    if holder is None:
        return
    if holder == job_id:
        whose = "an earlier attempt of this job"
    else:
        whose = f"job {holder}" if queries.get_jobs(conn, tenant, [holder]) else "another job"
    raise NotPossible(job_id, f"cannot adopt task {task_id}: it belongs to {whose}")


def resubmit(database: Database, tenant: str, job_id: UUID) -> JobView:
    """Queue an unconfirmed job again; if the gateway did accept it, it is generated and paid for twice.

    Raises:
        JobNotFound: there is no job with that id.
        NotPossible: the job is not unconfirmed.
    """
    with database.begin() as conn:
        unconfirmed_job(conn, tenant, job_id)
        _move(conn, Move(job_id, (JobState.UNCONFIRMED,), JobState.QUEUED, Reason.RESUBMITTED, patch=_NO_ACCOUNT))
        callbacks.look_again(conn, [job_id])
        return get_job(conn, tenant, job_id)


def abandon(database: Database, tenant: str, job_id: UUID) -> JobView:
    """End an unconfirmed job as failed, with the code `abandoned`.

    Raises:
        JobNotFound: there is no job with that id.
        NotPossible: the job is not unconfirmed.
    """
    error = {"code": Reason.ABANDONED, "message": "given up by hand; the gateway may have generated and billed it"}
    with database.begin() as conn:
        unconfirmed_job(conn, tenant, job_id)
        _move(conn, Move(job_id, (JobState.UNCONFIRMED,), JobState.FAILED, Reason.ABANDONED, patch={"error": error}))
        callbacks.look_again(conn, [job_id])
        return get_job(conn, tenant, job_id)


def unconfirmed_job(conn: Connection, tenant: str, job_id: UUID) -> JobView:
    """The job, if it is unconfirmed.

    Raises:
        JobNotFound: there is no job with that id.
        NotPossible: it is in another state.
    """
    job = get_job(conn, tenant, job_id)
    if job.state is not JobState.UNCONFIRMED:
        raise NotPossible(job_id, f"is {job.state}, not unconfirmed; there is nothing to resolve")
    return job


def _move(conn: Connection, move: Move) -> None:
    if not transitions.move(conn, [move]):
        raise NotPossible(move.id, "has just changed; check its state and try again")

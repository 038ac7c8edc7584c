"""Removing a video for good: its files leave the bucket, its row stays for the books."""

from __future__ import annotations

from uuid import UUID

from producer.errors import NotPossible
from producer.operator_actions import job_actions
from storage.bucket.objects import Objects, keys_of, video_key
from storage.database import Database
from storage.jobs import transitions
from storage.jobs.records import JobView


def delete(database: Database, objects: Objects, tenant: str, job_id: UUID, *, discard: bool = False) -> JobView:
    """Delete what is stored of a job. One that has not ended is cancelled first, as `decisions.cancel` does it. Asked
    again, nothing more happens.

    What it cost, its idempotency key and its timeline stay, so that nothing is paid for a second time.

    Raises:
        JobNotFound: there is none of that id.
        NotPossible: it was submitted and will be billed, and `discard` is not set; or a worker is cancelling it.
        StoreUnavailable: the object store does not answer; ask again, some files may be gone.
    """
    with database.begin() as conn:
        job = job_actions.get_job(conn, tenant, job_id)
    if job.deleted_at is not None:
        return job
    if not job.terminal:
        job = job_actions.cancel(database, tenant, job_id, discard=discard)
        if not job.terminal:
            raise NotPossible(job_id, "is being cancelled by a worker now; delete it again once it has ended")
    # The files first: a row that says they are gone is not asked again.
    if job.submitted_at is not None:
        objects.delete(keys_of(job.object_key or video_key(job.id, job.created_at)))
    with database.begin() as conn:
        transitions.mark_deleted(conn, job_id)
        return job_actions.get_job(conn, tenant, job_id)

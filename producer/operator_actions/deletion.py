"""Removing a video for good: its files leave the bucket, its row stays for the books."""

from __future__ import annotations

from uuid import UUID

from producer.errors import NotPossible
from producer.operator_actions import job_actions
from storage.bucket.keys import keys_of
from storage.bucket.objects import Objects
from storage.database import Database
from storage.jobs import removals, transitions
from storage.jobs.records import JobView


def delete(database: Database, objects: Objects, tenant: str, job_id: UUID, *, discard: bool = False) -> JobView:
    """Delete what is stored of a job. One that has not ended is cancelled first, as `job_actions.cancel` does it. Asked
    again, nothing more happens.

    What it cost, its idempotency key and its timeline stay, so that nothing is paid for a second time.

    Raises:
        JobNotFound: there is none of that id.
        NotPossible: it was submitted and will be billed, and `discard` is not set; or a worker is cancelling it.
        StoreUnavailable: the object store does not answer. The job counts as deleted; its files are removed by a worker
            later, or when this is called again.
    """
    with database.begin() as conn:
        job = job_actions.get_job(conn, tenant, job_id)
        if job.deleted_at is not None and not removals.is_removal_due(conn, job_id):
            return job
    if not job.terminal:
        job = job_actions.cancel(database, tenant, job_id, discard=discard)
        if not job.terminal:
            raise NotPossible(job_id, "is being cancelled by a worker now; delete it again once it has ended")
    # The row first: a copy that ends while the files are removed looks there for whether it is still wanted.
    with database.begin() as conn:
        transitions.mark_deleted(conn, job_id)
        found = removals.unwanted(conn, [job_id]) if job.submitted_at is not None else []
    for files in found:
        objects.delete(keys_of(files.object_key or objects.keys.video(files.tenant, files.id, files.created_at)))
    with database.begin() as conn:
        removals.note_removed(conn, [files.id for files in found])
        return job_actions.get_job(conn, tenant, job_id)

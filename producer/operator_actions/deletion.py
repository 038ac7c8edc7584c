"""Delete a video: its files are removed from the bucket, its row stays as a record."""

from __future__ import annotations

from uuid import UUID

from producer.errors import NotPossible
from producer.operator_actions import job_actions
from storage import decisions
from storage.bucket.keys import keys_of
from storage.bucket.objects import Objects
from storage.database import Database
from storage.jobs import transitions
from storage.jobs.deletion import removals
from storage.jobs.records import JobView


def delete(database: Database, objects: Objects, tenant: str, job_id: UUID, *, discard: bool = False) -> JobView:
    """Delete a job's stored files. A job that has not ended is cancelled first, by `job_actions.cancel`. Deleting it
    again does nothing.

    Its cost, idempotency key and timeline stay, so that nothing is paid for twice.

    Raises:
        JobNotFound: there is none with that id.
        NotPossible: it was submitted and will be billed, and `discard` is not set; or a worker is cancelling it.
        StoreUnavailable: the object store does not answer. The job counts as deleted; a worker removes its files
            later, or the next call of this function does.
    """
    with database.begin() as conn:
        job = job_actions.get_job(conn, tenant, job_id)
        if job.deleted_at is not None and not removals.is_removal_due(conn, job_id):
            return job
    if not job.terminal:
        job = job_actions.cancel(database, tenant, job_id, discard=discard)
        if not job.terminal:
            raise NotPossible(job_id, "is being cancelled by a worker now; delete it again once it has ended")
    # The row first: a copy that ends while the files are being removed checks the row for a deletion.
    with database.begin() as conn:
        transitions.mark_deleted(conn, job_id)
        decisions.record(conn, tenant, "job.deleted", f"job:{job_id}")
        found = removals.unwanted(conn, [job_id]) if job.submitted_at is not None else []
    for files in found:
        possible = objects.possible_keys(files.tenant, files.id, files.created_at)
        for key in [files.object_key] if files.object_key else possible:
            objects.delete(keys_of(key))
    with database.begin() as conn:
        removals.note_removed(conn, [files.id for files in found])
        return job_actions.get_job(conn, tenant, job_id)

"""Parse what callers give as the id of a job."""

from __future__ import annotations

from uuid import UUID

from producer.errors import JobNotFound


def as_job_id(job_id: UUID | str) -> UUID:
    """Parse a job's id.

    Raises:
        JobNotFound: it is not a valid id.
    """
    try:
        return job_id if isinstance(job_id, UUID) else UUID(job_id)
    except ValueError:
        raise JobNotFound(job_id) from None

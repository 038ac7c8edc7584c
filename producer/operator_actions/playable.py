"""Copies of videos that every browser plays: which file that is, and how to get one."""

from __future__ import annotations

from uuid import UUID

from producer.errors import NotPossible
from producer.operator_actions.job_actions import get_job
from storage.database import Connection
from storage.jobs.playable_copies import demand_of, is_playable, want_copies
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings


def playable_file(job: JobView) -> str | None:
    """The key of a job's video that every browser plays: the original if it is one, else its copy; None: not yet."""
    if job.state is not JobState.SUCCEEDED or job.object_key is None:
        return None
    return job.object_key if is_playable(job.video_format) else job.playable_key


def want_playable(conn: Connection, settings: Settings, tenant: str, job_id: UUID, *, again: bool = False) -> JobView:
    """The job; unless every browser plays its video, or a copy of it, a worker makes a copy now. `again`: also if that
    was given up before.

    Raises:
        JobNotFound: the tenant has no job with that id.
        NotPossible: it has no video, no copies are made here, or this one was given up.
    """
    job = get_job(conn, tenant, job_id)
    if playable_file(job) is not None:
        return job
    if job.state is not JobState.SUCCEEDED or job.object_key is None:
        raise NotPossible(job_id, "was deleted" if job.deleted_at is not None else f"is {job.state}; it has no video")
    if settings.playable_copies == "off":
        raise NotPossible(job_id, "has no playable copy, and playable_copies is off")
    want_copies(conn, [job_id], again=again)
    demand = demand_of(conn, job_id)
    if demand is not None and demand.error is not None:
        raise NotPossible(job_id, f"has no playable copy: {demand.error}; `reelq jobs playable {job_id}` tries again")
    return job

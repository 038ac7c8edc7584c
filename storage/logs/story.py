"""The fields by which a log tells the story of one job: every line about a job has all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection

Story = dict[str, Any]


def story(
    job_id: UUID, tenant: str, campaign: str | None, account: str | None, task_id: str | None, attempt: int
) -> Story:
    """The fields. `campaign` is its name; `task_id` is the gateway's, None before it has one."""
    return {
        "job_id": str(job_id),
        "tenant": tenant,
        "campaign": campaign,
        "account": account,
        "task_id": task_id,
        "attempt": attempt,
    }


COLUMNS: LiteralString = """j.id, j.tenant, (SELECT name FROM campaigns c WHERE c.id = j.campaign_id), j.account,
    j.gateway_task_id, j.attempt"""
"""The arguments of `story`, of a row `j` of `jobs`."""
_STORIES: LiteralString = f"SELECT {COLUMNS} FROM jobs j WHERE j.id = ANY(%(ids)s)"  # noqa: S608 - constants


def stories_of(conn: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Story]:
    """The fields of these jobs, for rare lines whose writer does not know them. Jobs that do not exist are missing."""
    rows = conn.execute(_STORIES, {"ids": list(job_ids)}) if job_ids else ()
    return {row[0]: story(*row) for row in rows}

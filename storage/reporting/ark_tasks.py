"""Jobs as tasks of Ark's API: the document, and lists by Ark's filters.

Source: byteplus-python-sdk-v2, types/content_generation/content_generation_task.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from seedance.models.ark_ids import ark_id
from seedance.tokens import FRAMES_PER_SECOND
from storage.ark_status import ArkStatus, ark_status, status_sql
from storage.database import Connection, reading_in_order
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.jobs.walks import LAST, walk

Link = Callable[[UUID, str, str], str]
"""Makes a URL from a job's id, what the file is (video, last-frame), and its key."""
LINK_S = 86_400.0
"""How long links live: as long as Ark's."""
LISTED_DAYS = 7
"""Ark lists tasks for this long. Ours can be read for as long as they are kept."""
_USAGE = ("completion_tokens", "total_tokens", "tool_usage")
_FACTS: LiteralString = "SELECT id, ark FROM jobs WHERE id = ANY(%(ids)s) AND ark IS NOT NULL"
LISTED_TASKS = 10_000
"""The newest of them are listed and counted, however many there are: as many as Ark lists. Fewer would be taken for all
tasks, and those that are not among them for never created."""


def _number(conditions: LiteralString, limit: LiteralString) -> LiteralString:
    """A query for the `number` of the tenant's jobs `f` between these ids that are in one of the states, at most."""
    return f"""SELECT count(*) AS number FROM (
        SELECT FROM unnest(%(states)s::text[]) AS s(state) CROSS JOIN LATERAL (
            SELECT FROM jobs f WHERE f.tenant = %(tenant)s AND (f.state, f.id) > (s.state, %(above)s)
                AND (f.state, f.id) < (s.state, %(below)s) {conditions}) p
        LIMIT {limit}) n"""  # noqa: S608 - put together from constants


_OF_IDS: LiteralString = "AND (%(ids)s::uuid[] IS NULL OR f.id = ANY(%(ids)s))"
_LISTED: LiteralString = f"""
WITH looked AS MATERIALIZED (
    {walk("tenant", "%(tenant)s", "DESC", _OF_IDS, limit="%(look)s")}
)
SELECT j.id, count(*) OVER () FROM looked l CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = l.id OFFSET 0) j
WHERE j.tenant = %(tenant)s AND j.deleted_at IS NULL AND j.created_at > now() - make_interval(days => %(days)s)
  AND (%(status)s::text IS NULL OR {status_sql("j.state", "j.reason")} = %(status)s)
  AND (%(model)s::text IS NULL OR j.ark ->> 'model' = %(model)s OR (j.ark IS NULL
       AND coalesce(j.request ->> 'model', '') = %(neutral)s AND coalesce(j.request ->> 'tier', 'standard') = %(tier)s))
ORDER BY j.id DESC LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608 - put together from constants
# Where the state alone decides, jobs are counted in the index; deleted jobs, which are few, are subtracted.
_COUNTED: LiteralString = f"""
WITH deleted AS MATERIALIZED ({_number("AND f.deleted_at IS NOT NULL", "%(look)s")})
SELECT deleted.number, ({_number("", "%(look)s + (SELECT number FROM deleted)")}) FROM deleted
"""  # noqa: S608 - as above
_PAGE: LiteralString = f"""
SELECT id FROM ({walk("tenant", "%(tenant)s", "DESC", "AND f.deleted_at IS NULL", limit="%(most)s")}) w
ORDER BY id DESC OFFSET %(offset)s
"""  # noqa: S608 - as above


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks to list; None: any. `model`: Ark's name; `neutral` and `tier` are those of a job that means it."""

    tenant: str
    status: ArkStatus | None = None
    ids: Sequence[UUID] | None = None
    model: str | None = None
    neutral: str = ""
    tier: str = "standard"


def facts_of(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """What only Ark's door knows of these jobs; jobs of other doors are missing."""
    return dict(conn.execute(_FACTS, {"ids": list(ids)}).fetchall())


def list_tasks(conn: Connection, wanted: TaskFilter, *, offset: int, limit: int) -> tuple[list[UUID], int]:
    """A page of the newest tasks of the last days, and how many of these there are in total."""
    states = list(JobState) if wanted.status is None else _states_of(wanted.status)
    parameters = {
        "tenant": wanted.tenant,
        "status": wanted.status,
        "ids": None if wanted.ids is None else list(wanted.ids),
        "model": wanted.model,
        "neutral": wanted.neutral,
        "tier": wanted.tier,
        "days": LISTED_DAYS,
        "states": [str(state) for state in states],
        "look": LISTED_TASKS,
        "above": _first_id(conn),
        "below": LAST,
    }
    with reading_in_order(conn):
        if wanted.ids is None and wanted.model is None and states != [JobState.FAILED]:
            deleted, jobs = conn.execute(_COUNTED, parameters).fetchone() or (0, 0)
            if deleted < LISTED_TASKS:
                most = min(offset + limit, LISTED_TASKS)
                found = conn.execute(_PAGE, parameters | {"most": most, "offset": offset}).fetchall()
                return [row[0] for row in found], jobs - deleted
        rows = conn.execute(_LISTED, parameters | {"offset": offset, "limit": limit}).fetchall()
        if rows or not offset:
            return [row[0] for row in rows], rows[0][1] if rows else 0
        first = conn.execute(_LISTED, parameters | {"offset": 0, "limit": 1}).fetchone()  # beyond the last page
    return [], 0 if first is None else first[1]


def _states_of(status: ArkStatus) -> list[JobState]:
    """The states of the jobs that may have this status. That of failed jobs depends on their reason."""
    status = "failed" if status == "expired" else status
    return [state for state in JobState if ark_status(state, None) == status]


def _first_id(conn: Connection) -> UUID:
    """The smallest id of a job of the last days: ids begin with their time, in milliseconds (UUIDv7)."""
    row = conn.execute(
        "SELECT (extract(epoch FROM now() - make_interval(days => %s)) * 1000)::bigint", [LISTED_DAYS]
    ).fetchone()
    return UUID(int=(0 if row is None else int(row[0])) << 80)


def ark_document(job: JobView, facts: Mapping[str, Any], link: Link, status: ArkStatus | None = None) -> dict[str, Any]:
    """A job as Ark shows a task. `link`: makes the URL of a stored file. `status`: an earlier one, for its
    callback; None: the present one."""
    now = ark_status(job.state, job.reason) if status is None else status
    request = job.request
    shown: dict[str, Any] = {
        "id": str(job.id),
        "model": facts.get("model") or ark_id(request, job.model if job.gateway == "ark" else None),
        "status": now,
        "error": _error(job) if now in ("failed", "expired") else None,
        "created_at": _unix(job.created_at),
        "updated_at": _unix(job.updated_at),
        "service_tier": "default",
        "priority": job.priority,
        "generate_audio": request.get("audio", True),
        "draft": bool(request.get("draft")),
    }
    if job.draft_of is not None:
        shown["draft_task_id"] = str(job.draft_of)
    shown |= {name: facts[name] for name in ("execution_expires_after", "safety_identifier") if name in facts}
    if now == "succeeded":
        shown |= _result(job, link)
    return shown


def _result(job: JobView, link: Link) -> dict[str, Any]:
    request, made = job.request, job.video_format or {}
    files = {"video_url": ("video", job.object_key), "last_frame_url": ("last-frame", job.last_frame_key)}
    usage = {name: value for name, value in (job.usage or {}).items() if name in _USAGE}
    duration = request.get("duration")
    if not isinstance(duration, int) or duration < 0:
        duration = round(made["seconds"]) if isinstance(made.get("seconds"), int | float) else None
    found = {
        "content": {name: link(job.id, what, key) for name, (what, key) in files.items() if key is not None},
        "usage": usage or None,
        "seed": job.seed if job.seed is not None else request.get("seed"),
        "resolution": request.get("resolution"),
        "ratio": request.get("ratio"),
        "duration": duration,
        "framespersecond": FRAMES_PER_SECOND,
        "output_format": request.get("output_format"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _error(job: JobView) -> dict[str, str]:
    """The gateway's own code where there is one, as clients of Ark know it; else ours."""
    error = job.error or {}
    code = error.get("gateway_code") or error.get("code") or "failed"
    return {"code": str(code), "message": str(error.get("message", "failed"))}


def _unix(at: datetime) -> int:
    return int(at.timestamp())

"""Read the jobs that a worker holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection
from storage.jobs.records import MOST_POLLS, Work, request_of
from storage.jobs.states import JobState

# Files inside a request (data URIs, up to 8 MiB each) are only needed to submit it. What is left of one names its type
# and is a valid data URI still, so the same rules read the request.
_SHORT: LiteralString = """CASE WHEN jsonb_typeof({value}) = 'string' AND starts_with({value} #>> '{{}}', 'data:')
    THEN to_jsonb(split_part(left({value} #>> '{{}}', 200), ',', 1) || ',' || repeat('A', 32)) ELSE {value} END"""
_OF_ITEM, _OF_FIELD = _SHORT.format(value="item"), _SHORT.format(value="f.value")
_WITHOUT_FILES: LiteralString = f"""CASE WHEN pg_column_size(j.request) < 4096 THEN j.request ELSE (
    SELECT jsonb_object_agg(f.key, CASE WHEN jsonb_typeof(f.value) = 'array'
        THEN (SELECT coalesce(jsonb_agg({_OF_ITEM}), '[]') FROM jsonb_array_elements(f.value) AS a(item))
        ELSE {_OF_FIELD} END)
    FROM jsonb_each(j.request) AS f) END"""  # noqa: S608 - put together from constants
FAR_S = 1e9
"""30 years: farther times, and those without end, are read as this far."""
_SECONDS = (
    "submitted_age_s",
    "generated_age_s",
    "deadline_in_s",
    "expires_in_s",
    "unfinished_age_s",
    "missing_for_s",
    "draft_ends_in_s",
    "lease_left_s",
)
# Other programs may store times without end, which PostgreSQL before 17 does not subtract.
_SELECT: LiteralString = """
SELECT j.id, j.claim, j.attempt, j.refusals, j.setbacks, j.polls, j.reason, coalesce(j.account, '') AS account,
       {request} AS request,
       j.gateway_task_id, j.video_url, j.last_frame_url, j.created_at, j.gateways, j.account_pin, j.barred_accounts,
       date_part('epoch', now()) - date_part('epoch', j.submitted_at) AS submitted_age_s,
       date_part('epoch', now()) - date_part('epoch', j.generated_at) AS generated_age_s,
       date_part('epoch', j.deadline_at) - date_part('epoch', now()) AS deadline_in_s,
       date_part('epoch', j.video_expires_at) - date_part('epoch', now()) AS expires_in_s, j.cancel_request,
       date_part('epoch', now()) - date_part('epoch', j.polled_at) AS unfinished_age_s, j.missing, j.missing_times,
       coalesce(date_part('epoch', now()) - date_part('epoch', j.missing_since), 0) AS missing_for_s, now() AS read_at,
       date_part('epoch', j.draft_ends_at) - date_part('epoch', now()) AS draft_ends_in_s, j.draft_task_id,
       j.draft_model, j.tenant,
       (SELECT name FROM campaigns c WHERE c.id = j.campaign_id) AS campaign,
       (SELECT key_id FROM attempts a WHERE a.account = j.account AND a.gateway_task_id = j.gateway_task_id) AS key_id,
       (SELECT version FROM account_states s WHERE s.name = j.account) AS accounts_version,
       date_part('epoch', j.due_at) - date_part('epoch', now()) AS lease_left_s, j.traceparent
FROM jobs j JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
WHERE j.state = %(state)s AND (j.account IS NOT NULL OR j.state = 'transferring') AND j.due_at > now()
"""
_WORK, _WORK_WITHOUT_FILES = _SELECT.format(request="j.request"), _SELECT.format(request=_WITHOUT_FILES)
_SIZES: LiteralString = """
SELECT i.id, i.claim, sum(pg_column_size(j.request)) OVER (ORDER BY i.place)
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) WITH ORDINALITY AS i(id, claim, place) JOIN jobs j ON j.id = i.id
ORDER BY i.place
"""


def load_work(conn: Connection, state: JobState, claimed: Sequence[tuple[UUID, int]]) -> list[Work]:
    """The jobs of a batch whose leases this worker still holds and that are in the batch's state.

    Only a queued job has the files of its request; of the others each data URI is replaced with a short one.
    """
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed], "state": state}
    with conn.cursor(row_factory=dict_row) as cursor:
        sql = _WORK if state is JobState.QUEUED else _WORK_WITHOUT_FILES
        return [Work(state=state, **_usable(row)) for row in cursor.execute(sql, parameters)]


def _usable(row: dict[str, Any]) -> dict[str, Any]:
    """A row, changed: what another program may have stored becomes numbers and objects that workers can use."""
    for name in _SECONDS:
        seconds = row[name]
        if seconds is not None and abs(seconds) > FAR_S:
            row[name] = math.copysign(FAR_S, seconds)
    row["request"] = request_of(row["request"])
    row["polls"] = min(row["polls"], MOST_POLLS)
    return row


def fitting(
    conn: Connection, claimed: Sequence[tuple[UUID, int]], most_bytes: int
) -> tuple[list[tuple[UUID, int]], list[tuple[UUID, int]]]:
    """Split a batch: the first jobs whose requests together take up to `most_bytes` in the database, at least one; and
    the rest."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]}
    rows = conn.execute(_SIZES, parameters).fetchall()
    count = max(1, sum(row[2] <= most_bytes for row in rows))
    return [(row[0], row[1]) for row in rows[:count]], [(row[0], row[1]) for row in rows[count:]]

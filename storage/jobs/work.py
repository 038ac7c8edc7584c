"""Read the jobs that a worker holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection
from storage.jobs.records import MOST_POLLS, Work, request_of
from storage.jobs.states import JobState
from storage.jobs.walks import of_task

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
_READ: Mapping[str, LiteralString] = {
    "id": "j.id",
    "claim": "j.claim",
    "state": "j.state",
    "attempt": "j.attempt",
    "refusals": "j.refusals",
    "setbacks": "j.setbacks",
    "polls": "j.polls",
    "reason": "j.reason",
    "account": "coalesce(j.account, '')",
    "request": "j.request",
    "gateway_task_id": "j.gateway_task_id",
    "video_url": "j.video_url",
    "last_frame_url": "j.last_frame_url",
    "created_at": "j.created_at",
    "submitted_age_s": "date_part('epoch', now()) - date_part('epoch', j.submitted_at)",
    "generated_age_s": "date_part('epoch', now()) - date_part('epoch', j.generated_at)",
    "deadline_in_s": "date_part('epoch', j.deadline_at) - date_part('epoch', now())",
    "expires_in_s": "date_part('epoch', j.video_expires_at) - date_part('epoch', now())",
    "cancel_request": "j.cancel_request",
    "gateways": "j.gateways",
    "account_pin": "j.account_pin",
    "barred_accounts": "j.barred_accounts",
    "unfinished_age_s": "date_part('epoch', now()) - date_part('epoch', j.polled_at)",
    "missing": "j.missing",
    "missing_times": "j.missing_times",
    "missing_for_s": "coalesce(date_part('epoch', now()) - date_part('epoch', j.missing_since), 0)",
    "draft_task_id": "j.draft_task_id",
    "draft_model": "j.draft_model",
    "draft_ends_in_s": "date_part('epoch', j.draft_ends_at) - date_part('epoch', now())",
    "tenant": "j.tenant",
    "campaign": "(SELECT name FROM campaigns c WHERE c.id = j.campaign_id)",
    "key_id": f"""(SELECT key_id FROM attempts a
                   WHERE {of_task("a", "j.account", "j.gateway_task_id")})""",  # noqa: S608 - put together from constants
    "accounts_version": "(SELECT version FROM account_states s WHERE s.name = j.account)",
    "read_at": "now()",
    "lease_left_s": "date_part('epoch', j.due_at) - date_part('epoch', now())",
    "traceparent": "j.traceparent",
}
"""By field of `Work`: what it is read from."""
FIELDS = tuple(field.name for field in fields(Work))


def select_work(*more: LiteralString, with_files: bool = False) -> LiteralString:
    """The statement that reads the jobs of a batch: the fields of `Work` in their order, then `more` columns of `j`.

    Its parameters are `ids`, `claims` and `state`. `with_files`: with the files inside their requests.
    """
    sources = _READ if with_files else {**_READ, "request": _WITHOUT_FILES}
    return f"""
SELECT {", ".join([*(sources[name] for name in FIELDS), *more])}
FROM jobs j JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
WHERE j.id = ANY(%(ids)s) AND j.state = %(state)s AND (j.account IS NOT NULL OR j.state = 'transferring')
  AND j.due_at > now()
"""  # noqa: S608 - put together from constants


_WORK, _WORK_WITHOUT_FILES = select_work(with_files=True), select_work()
_SIZES: LiteralString = """
SELECT i.id, i.claim, sum(pg_column_size(j.request)) OVER (ORDER BY i.place)
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) WITH ORDINALITY AS i(id, claim, place) JOIN jobs j ON j.id = i.id
WHERE j.id = ANY(%(ids)s) ORDER BY i.place
"""


def load_work(conn: Connection, state: JobState, claimed: Sequence[tuple[UUID, int]]) -> list[Work]:
    """The jobs of a batch whose leases this worker still holds and that are in the batch's state.

    Only a queued job has the files of its request; of the others each data URI is replaced with a short one.
    """
    sql = _WORK if state is JobState.QUEUED else _WORK_WITHOUT_FILES
    return [work_of(state, row) for row in conn.execute(sql, leased(state, claimed))]


def leased(state: JobState, claimed: Sequence[tuple[UUID, int]]) -> dict[str, Any]:
    """The parameters of `select_work`."""
    return {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed], "state": state}


def work_of(state: JobState, row: Sequence[Any]) -> Work:
    """The job of a row of `select_work`. What another program may have stored becomes numbers and objects that workers
    can use."""
    work = Work(*row)
    work.state = state
    work.request = request_of(work.request)
    work.polls = min(work.polls, MOST_POLLS)
    for name in _SECONDS:
        seconds = getattr(work, name)
        if seconds is not None and abs(seconds) > FAR_S:
            setattr(work, name, math.copysign(FAR_S, seconds))
    return work


def fitting(
    conn: Connection, claimed: Sequence[tuple[UUID, int]], most_bytes: int
) -> tuple[list[tuple[UUID, int]], list[tuple[UUID, int]]]:
    """Split a batch: the first jobs whose requests together take up to `most_bytes` in the database, at least one; and
    the rest."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]}
    rows = conn.execute(_SIZES, parameters).fetchall()
    count = max(1, sum(row[2] <= most_bytes for row in rows))
    return [(row[0], row[1]) for row in rows[:count]], [(row[0], row[1]) for row in rows[count:]]

"""Read the jobs that a worker holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection
from storage.jobs.records import Work
from storage.jobs.states import JobState

_WORK: LiteralString = """
SELECT j.id, j.claim, j.attempt, j.refusals, j.setbacks, j.polls, j.reason, j.account, j.request,
       j.gateway_task_id, j.video_url, j.last_frame_url, j.created_at, j.gateways, j.account_pin, j.barred_accounts,
       extract(epoch FROM now() - j.submitted_at)::float8 AS submitted_age_s,
       extract(epoch FROM now() - j.generated_at)::float8 AS generated_age_s,
       extract(epoch FROM j.deadline_at - now())::float8 AS deadline_in_s,
       extract(epoch FROM j.video_expires_at - now())::float8 AS expires_in_s, j.cancel_request,
       extract(epoch FROM now() - j.polled_at)::float8 AS unfinished_age_s, j.missing, j.missing_times,
       coalesce(extract(epoch FROM now() - j.missing_since)::float8, 0) AS missing_for_s, now() AS read_at,
       j.draft_task_id, j.draft_model, extract(epoch FROM j.draft_ends_at - now())::float8 AS draft_ends_in_s, j.tenant,
       (SELECT name FROM campaigns c WHERE c.id = j.campaign_id) AS campaign,
       (SELECT key_id FROM attempts a WHERE a.account = j.account AND a.gateway_task_id = j.gateway_task_id) AS key_id,
       (SELECT version FROM account_states s WHERE s.name = j.account) AS accounts_version
FROM jobs j JOIN unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim) ON j.id = i.id AND j.claim = i.claim
WHERE j.state = %(state)s AND j.account IS NOT NULL AND j.due_at > now()
"""


def load_work(conn: Connection, state: JobState, claimed: Sequence[tuple[UUID, int]]) -> list[Work]:
    """The jobs of a batch whose leases this worker still holds and that are in the batch's state."""
    parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed], "state": state}
    with conn.cursor(row_factory=dict_row) as cursor:
        return [Work(state=state, **row) for row in cursor.execute(_WORK, parameters)]

"""Tasks that callbacks or task lists report for attempts. A report is a hint; the gateway is queried before it counts.

Reconciliation checks the attempt that its job waits for. Every other attempt, of a job that was submitted again, given
up or ended, has a due time of its own (`look_at`), so that a generation that is paid for in vain is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.claims import NEXT_CLAIM
from storage.jobs.walks import of_task
from storage.jsonb import dumps
from storage.leases import Claimed
from storage.logs.story import Story, story
from storage.tenants.tenants import DEFAULT_TENANT
from storage.waking.hints import Due, note_due


def hash_token(token: str) -> str:
    """The stored hash of a callback token: read access to the table is not enough to send a callback."""
    return hashlib.sha256(token.encode()).hexdigest()


_ADDRESSEE: LiteralString = """
SELECT a.account, a.model FROM attempts a JOIN jobs j ON j.id = a.job_id
WHERE a.callback_hash = %(hash)s AND coalesce(a.gateway, j.gateway, %(gateway)s) = %(gateway)s
"""


def addressee(conn: Connection, gateway: str, token: str) -> tuple[str, str] | None:
    """The account and the gateway's model of the attempt that has a callback token; None: no attempt has it."""
    row = conn.execute(_ADDRESSEE, {"hash": hash_token(token), "gateway": gateway}).fetchone()
    return None if row is None else (row[0], row[1])


def _holder(account: LiteralString, task: LiteralString, besides: LiteralString = "") -> LiteralString:
    """The job of the attempt that is known to have a task; NULL: none is. `besides`: a condition on the attempt `o`.
    Not EXISTS, for which PostgreSQL may read all attempts of the account."""
    return f"(SELECT o.job_id FROM attempts o WHERE {besides} {of_task('o', account, task)})"  # noqa: S608 - from constants


# The job is always locked first. An id that is known to belong to this or another attempt is not stored again.
_HINT: LiteralString = f"""
WITH called AS MATERIALIZED (
    SELECT a.job_id, a.number, a.account,
           j.attempt = a.number AND j.state IN ('submitting', 'unconfirmed') AS awaited
    FROM attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.callback_hash = %(hash)s AND coalesce(a.gateway, j.gateway, %(gateway)s) = %(gateway)s
    FOR UPDATE OF j
), noted AS (
    UPDATE attempts a
    SET reported_task_id = %(task_id)s::text, look_at = CASE WHEN c.awaited THEN a.look_at ELSE now() END
    FROM called c
    WHERE a.job_id = c.job_id AND a.number = c.number AND %(task_id)s::text IS NOT NULL
      -- As it is now: the acceptance, or another callback, may have been committed while this waited for the job.
      AND a.gateway_task_id IS DISTINCT FROM %(task_id)s::text
      -- Keep the first one until the gateway has been queried about it.
      AND (a.reported_task_id IS NULL
           OR (a.reported_task_id <> %(task_id)s::text AND NOT c.awaited AND a.look_at IS NULL))
      AND {_holder("c.account", "%(task_id)s::text")} IS NULL
), hurried AS (
    -- The lease ends: what its holder saw before the call must not put the job off again.
    UPDATE jobs j SET due_at = now(), claim = {NEXT_CLAIM}
    FROM called c
    WHERE j.id = c.job_id AND j.attempt = c.number AND j.due_at > now()
      AND (j.state = 'unconfirmed' OR (j.state = 'generating' AND NOT %(unfinished)s))
    RETURNING 1
)
SELECT job_id, EXISTS (SELECT FROM hurried) FROM called
"""  # noqa: S608 - put together from constants


def hint(conn: Connection, gateway: str, token: str, task_id: str | None, *, unfinished: bool = False) -> UUID | None:
    """Note a gateway's callback and make its job due now, unless the call only says that a known task is `unfinished`.
    Returns the job; None: no attempt has that token.

    `task_id` is the task that the body names. It is stored unless it belongs to another attempt, and counts only after
    the gateway was queried.
    """
    parameters = {"hash": hash_token(token), "gateway": gateway, "task_id": task_id, "unfinished": unfinished}
    row = conn.execute(_HINT, parameters).fetchone()
    if row is None:
        return None
    job_id: UUID = row[0]
    if row[1]:
        note_due(conn, Due.POLL)
    return job_id


_LOOK_AGAIN: LiteralString = """
UPDATE attempts SET look_at = now()
WHERE job_id = ANY(%(ids)s) AND reported_task_id IS NOT NULL AND gateway_task_id IS NULL AND look_at IS NULL
"""


def look_again(conn: Connection, job_ids: Sequence[UUID]) -> None:
    """Check reported tasks of these jobs separately, because the jobs no longer wait for any of their attempts."""
    if job_ids:
        conn.execute(_LOOK_AGAIN, {"ids": list(job_ids)})


_REPORT: LiteralString = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(job_id uuid, number int, task_id text)
)
UPDATE attempts a SET reported_task_id = i.task_id, look_at = now() FROM input i
WHERE a.job_id = ANY(ARRAY(SELECT job_id FROM input))
  AND a.job_id = i.job_id AND a.number = i.number AND a.gateway_task_id IS NULL
  AND a.reported_task_id IS DISTINCT FROM i.task_id
"""


def report(conn: Connection, found: Sequence[tuple[UUID, int, str]]) -> None:
    """Store tasks (job, attempt, task id) that a list shows for attempts that their jobs have given up."""
    if found:
        rows = [{"job_id": job_id, "number": number, "task_id": task_id} for job_id, number, task_id in found]
        conn.execute(_REPORT, {"rows": dumps(rows)})


_CLAIM_LOOKS: LiteralString = """
WITH due AS (
    SELECT job_id, number FROM attempts WHERE look_at <= now() ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE attempts a SET look_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE a.job_id = due.job_id AND a.number = due.number
RETURNING a.job_id AS id, a.number::bigint AS claim, a.account
"""


def claim_looks(conn: Connection, limit: int, lease_s: float) -> list[Claimed]:
    """Lease attempts whose reported task must be checked; `claim` is the number of the attempt."""
    with conn.cursor(row_factory=class_row(Claimed)) as cursor:
        return cursor.execute(_CLAIM_LOOKS, {"limit": limit, "lease_s": lease_s}).fetchall()


@dataclass(frozen=True, slots=True)
class Reported:
    """An attempt and the task reported for it. `gateway_task_id` is the task that it is known to have.

    `unneeded`: its job uses another task, or has ended. `age_s`: seconds since its POST began.
    """

    job_id: UUID
    number: int
    account: str
    task_id: str
    gateway_task_id: str | None
    unneeded: bool
    age_s: float
    key_id: int | None = None
    """The stored key that it was sent with; None: the configuration's."""
    tenant: str = DEFAULT_TENANT
    campaign: str | None = None

    @property
    def story(self) -> Story:
        """The fields of its job in a log, with this attempt and the reported task."""
        return story(self.job_id, self.tenant, self.campaign, self.account, self.task_id, self.number)


_OTHER_HOLDER = _holder("a.account", "a.reported_task_id", "(o.job_id, o.number) <> (a.job_id, a.number) AND")
_REPORTED: LiteralString = f"""
SELECT a.job_id, a.number, a.account, a.reported_task_id AS task_id, a.gateway_task_id,
       j.finished_at IS NOT NULL
         OR (j.gateway_task_id IS NOT NULL
             AND (j.account, j.gateway_task_id) IS DISTINCT FROM (a.account, a.reported_task_id)) AS unneeded,
       extract(epoch FROM now() - a.started_at)::float8 AS age_s, a.key_id, j.tenant,
       (SELECT name FROM campaigns c WHERE c.id = j.campaign_id) AS campaign
FROM attempts a JOIN jobs j ON j.id = a.job_id
JOIN unnest(%(ids)s::uuid[], %(numbers)s::bigint[]) AS i(id, number) ON a.job_id = i.id AND a.number = i.number
WHERE a.job_id = ANY(%(ids)s) AND a.look_at IS NOT NULL AND a.reported_task_id IS NOT NULL AND {_OTHER_HOLDER} IS NULL
"""  # noqa: S608 - as above
# What is another attempt's is not looked into.
_DROP_KNOWN: LiteralString = f"""
UPDATE attempts a SET look_at = NULL
FROM unnest(%(ids)s::uuid[], %(numbers)s::bigint[]) AS i(id, number)
WHERE a.job_id = ANY(%(ids)s) AND a.job_id = i.id AND a.number = i.number AND {_OTHER_HOLDER} IS NOT NULL
"""  # noqa: S608 - as above


def reported(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> list[Reported]:
    """The attempts of a batch whose reported task must be checked."""
    parameters = {"ids": [i for i, _ in claimed], "numbers": [n for _, n in claimed]}
    conn.execute(_DROP_KNOWN, parameters)
    with conn.cursor(row_factory=class_row(Reported)) as cursor:
        return cursor.execute(_REPORTED, parameters).fetchall()


_LOOKED: LiteralString = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(job_id uuid, number int, task_id text, again_in_s float8)
)
UPDATE attempts a SET look_at = now() + make_interval(secs => i.again_in_s) FROM input i
WHERE a.job_id = ANY(ARRAY(SELECT job_id FROM input))
  AND a.job_id = i.job_id AND a.number = i.number AND a.reported_task_id = i.task_id
"""


def looked(conn: Connection, found: Sequence[tuple[Reported, float | None]]) -> None:
    """Note the checked attempts, each with the seconds until its next check; None: none, unless another task is
    reported."""
    if found:
        rows = [
            {"job_id": item.job_id, "number": item.number, "task_id": item.task_id, "again_in_s": again_in_s}
            for item, again_in_s in found
        ]
        conn.execute(_LOOKED, {"rows": dumps(rows)})

"""Why rows of a campaign have failed or need a decision, in groups, with the gateways' own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from storage.counted.failures import COUNTED, LABELS, LOST
from storage.database import Connection, reading_in_order
from storage.jobs.states import JobState

SHOWN_ROWS = 20
SHOWN_WORDS = 3
WORDS_READ = 30
"""The newest rows of a group, whose words are read."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a gateway said, with its own code ("": none), and about how many rows: as large a share of their group as of
    the rows of the group that were read, its newest ones."""

    message: str
    gateway_code: str
    rows: int


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Rows in one state for one reason. `stage` and `modality`: of a moderation. `numbers`: of the rows that
    came first."""

    state: JobState
    code: str
    stage: str | None
    modality: str | None
    rows: int
    numbers: list[int]
    said: list[Words] = field(default_factory=list)


_SAID: LiteralString = """coalesce(r.error ->> 'message', '') AS message,
    coalesce(r.error ->> 'gateway_code', '') AS gateway_code"""
# Whether a job `r` belongs to a row with several versions. Asked of each job that is read, by index, and only if there
# is such a row: a join would be planned for as many of them as the campaign has rows.
_IS_OF_SEVERAL: LiteralString = """(SELECT EXISTS (SELECT FROM several)) AND (
    EXISTS (SELECT FROM campaign_rows WHERE id = r.id AND campaign_id = %(campaign)s AND job_id <> id OFFSET 0)
    OR EXISTS (SELECT FROM campaign_versions v CROSS JOIN LATERAL (
        SELECT FROM campaign_rows WHERE id = v.row_id AND campaign_id = %(campaign)s AND job_id <> id OFFSET 0) s
        WHERE v.job_id = r.id OFFSET 0))
"""
# The jobs of a group `g` that stand for their rows. Both bounds of the labels are conditions of the index; of an
# equality, PostgreSQL would know that the labels give no order, and might read all jobs in the order of their ids.
_OF_GROUP: LiteralString = f"""
    FROM jobs r
    WHERE r.campaign_id = %(campaign)s AND {COUNTED} AND {LABELS} >= g.labels AND {LABELS} <= g.labels
      AND NOT ({_IS_OF_SEVERAL})
"""
# Kept counts have all jobs. The job of a row with one version has the row's id, so only rows with several are read: of
# these, the newest counts, unless an earlier one stands. Of each group, its first and its newest jobs are read.
_FOUND: LiteralString = f"""
WITH several AS MATERIALIZED (
    SELECT id, job_id, kept_job_id FROM campaign_rows WHERE campaign_id = %(campaign)s AND job_id <> id
), of_several AS MATERIALIZED (
    SELECT id FROM several
    UNION
    SELECT v.job_id FROM several s
    CROSS JOIN LATERAL (SELECT job_id FROM campaign_versions WHERE row_id = s.id OFFSET 0) v  -- each by its row
), newest AS MATERIALIZED (
    SELECT s.id, {LABELS} AS labels, {_SAID} FROM several s
    CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = s.job_id OFFSET 0) r  -- each by its id
    WHERE s.kept_job_id IS NULL AND {LOST}
), groups AS MATERIALIZED (
    SELECT labels, sum(jobs)::bigint AS rows FROM (
        SELECT labels, jobs FROM failure_counts WHERE campaign_id = %(campaign)s
        UNION ALL
        SELECT {LABELS}, -1 FROM of_several o
        CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = o.id OFFSET 0) r
        WHERE r.campaign_id = %(campaign)s AND {COUNTED}
        UNION ALL
        SELECT labels, 1 FROM newest
    ) parts GROUP BY labels HAVING sum(jobs) > 0
)
SELECT g.labels, g.rows, f.numbers, w.message, w.gateway_code, w.rows
FROM groups g CROSS JOIN LATERAL (
    SELECT array_agg(c.number ORDER BY c.number) AS numbers FROM (
        SELECT id FROM (SELECT r.id {_OF_GROUP} ORDER BY {LABELS}, r.id LIMIT {SHOWN_ROWS}) walked
        UNION ALL
        SELECT id FROM newest n WHERE n.labels = g.labels
        ORDER BY id LIMIT {SHOWN_ROWS}
    ) first CROSS JOIN LATERAL (SELECT number FROM campaign_rows WHERE id = first.id OFFSET 0) c
) f LEFT JOIN LATERAL (
    SELECT message, gateway_code, round(count(*) * g.rows / sum(count(*)) OVER ())::bigint AS rows FROM (
        SELECT id, message, gateway_code
        FROM (SELECT r.id, {_SAID} {_OF_GROUP} ORDER BY {LABELS} DESC, r.id DESC LIMIT {WORDS_READ}) walked
        UNION ALL
        SELECT id, message, gateway_code FROM newest n WHERE n.labels = g.labels
        ORDER BY id DESC LIMIT {WORDS_READ}
    ) read GROUP BY message, gateway_code
    ORDER BY message = '', count(*) DESC, message, gateway_code LIMIT {SHOWN_WORDS}
) w ON w.message <> ''
ORDER BY g.rows DESC, g.labels[2], g.labels, w.rows DESC, w.message, w.gateway_code
"""  # noqa: S608 - as above


def failures_of(conn: Connection, campaign_id: UUID) -> list[FailureGroup]:
    """The rows of a campaign that have failed, were cancelled or are held for a decision, the largest group first."""
    groups: dict[tuple[str | None, ...], FailureGroup] = {}
    with reading_in_order(conn, planned_once=True):  # to plan it takes as long as to run it
        found = conn.execute(_FOUND, {"campaign": campaign_id}).fetchall()
    for labels, rows, numbers, message, gateway_code, words in found:
        state, code, stage, modality = labels
        group = groups.setdefault(
            tuple(labels), FailureGroup(JobState(state), code, stage, modality, rows, numbers or [])
        )
        if message is not None:
            group.said.append(Words(message, gateway_code, words))
    return list(groups.values())

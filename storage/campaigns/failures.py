"""Why rows of a campaign have failed or need a decision, in groups, with the gateways' own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from storage.database import Connection
from storage.jobs.states import JobState

SHOWN_ROWS = 20
SHOWN_WORDS = 3
_WORDS_READ = 300


@dataclass(frozen=True, slots=True)
class Words:
    """What a gateway said, with its own code ("": none), and about how many rows."""

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


_ENDED_BADLY: LiteralString = "(j.state IN ('failed', 'cancelled') OR (j.state = 'unconfirmed' AND j.reason = 'held'))"
_SAID: LiteralString = """j.state, coalesce(j.error ->> 'code', j.reason, '') AS code, j.error ->> 'stage' AS stage,
    j.error ->> 'modality' AS modality, coalesce(j.error ->> 'message', '') AS message,
    coalesce(j.error ->> 'gateway_code', '') AS gateway_code"""
# The job of a row with one version has the row's id, so only rows with several are read, and those whose numbers are
# shown. A row of which an earlier version stands is not lost.
_LOST: LiteralString = f"""
WITH several AS MATERIALIZED (
    SELECT id, job_id, kept_job_id FROM campaign_rows WHERE campaign_id = %(campaign)s AND job_id <> id
), of_several AS MATERIALIZED (
    SELECT id FROM several
    UNION ALL
    SELECT v.job_id FROM several r
    CROSS JOIN LATERAL (SELECT job_id FROM campaign_versions WHERE row_id = r.id OFFSET 0) v  -- each by its row
), lost AS MATERIALIZED (
    SELECT j.id, {_SAID} FROM jobs j
    WHERE j.campaign_id = %(campaign)s AND j.state IN ('failed', 'cancelled', 'unconfirmed') AND {_ENDED_BADLY}
      AND NOT EXISTS (SELECT FROM of_several o WHERE o.id = j.id)
    UNION ALL
    SELECT r.id, {_SAID} FROM several r
    CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = r.job_id OFFSET 0) j  -- each by its id
    WHERE r.kept_job_id IS NULL AND {_ENDED_BADLY}
)
"""  # noqa: S608 - put together from constants
# Groups of rows and groups of words, of one reading.
_FOUND: LiteralString = f"""
{_LOST}, groups AS (
    SELECT state, code, stage, modality, count(*) AS rows, (array_agg(id ORDER BY id))[1:{SHOWN_ROWS}] AS first
    FROM lost GROUP BY state, code, stage, modality
), words AS (
    SELECT state, code, stage, modality, message, gateway_code, count(*) AS rows FROM lost WHERE message <> ''
    GROUP BY state, code, stage, modality, message, gateway_code ORDER BY count(*) DESC, message LIMIT {_WORDS_READ}
)
SELECT state, code, stage, modality, rows,
       ARRAY(SELECT n.number FROM (
           SELECT (SELECT number FROM campaign_rows r WHERE r.id = f.id) AS number FROM unnest(first) AS f(id)) n
           WHERE n.number IS NOT NULL ORDER BY 1) AS numbers,
       NULL AS message, NULL AS gateway_code, 0 AS part
FROM groups
UNION ALL
SELECT state, code, stage, modality, rows, NULL, message, gateway_code, 1 FROM words
ORDER BY part, rows DESC, code, message
"""  # noqa: S608 - put together from constants


def failures_of(conn: Connection, campaign_id: UUID) -> list[FailureGroup]:
    """The rows of a campaign that have failed, were cancelled or are held for a decision, the largest group first."""
    groups: dict[tuple[str | None, ...], FailureGroup] = {}
    for row in conn.execute(_FOUND, {"campaign": campaign_id}):
        state, code, stage, modality, rows, numbers, message, gateway_code, is_word = row
        key = (state, code, stage, modality)
        if not is_word:
            groups[key] = FailureGroup(JobState(state), code, stage, modality, rows, numbers)
        elif len(groups[key].said) < SHOWN_WORDS:
            groups[key].said.append(Words(message, gateway_code, rows))
    return list(groups.values())

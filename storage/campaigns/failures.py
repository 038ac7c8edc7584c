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
    """Rows in one state for one reason. `stage` and `modality`: of a moderation. `numbers`: the first rows."""

    state: JobState
    code: str
    stage: str | None
    modality: str | None
    rows: int
    numbers: list[int]
    said: list[Words] = field(default_factory=list)


_ENDED_BADLY: LiteralString = """(j.state IN ('failed', 'cancelled') OR (j.state = 'unconfirmed' AND j.reason = 'held'))
    AND r.kept_job_id IS NULL"""
_SAID: LiteralString = """r.number, j.state, coalesce(j.error ->> 'code', j.reason, '') AS code,
           j.error ->> 'stage' AS stage, j.error ->> 'modality' AS modality,
           coalesce(j.error ->> 'message', '') AS message,
           coalesce(j.error ->> 'gateway_code', '') AS gateway_code"""
# Rows of which an earlier version stands are not lost. The others with one version are found from their jobs, whose ids
# they have, so that the number of rows does not count.
_LOST: LiteralString = f"""
WITH lost AS (
    SELECT {_SAID} FROM jobs j JOIN campaign_rows r ON r.id = j.id
    WHERE j.campaign_id = %(campaign)s AND j.state IN ('failed', 'cancelled', 'unconfirmed') AND r.job_id = r.id
      AND {_ENDED_BADLY}
    UNION ALL
    SELECT {_SAID} FROM campaign_rows r JOIN jobs j ON j.id = r.job_id
    WHERE r.campaign_id = %(campaign)s AND r.job_id <> r.id AND {_ENDED_BADLY}
)
"""  # noqa: S608 - put together from constants
_GROUPS: LiteralString = f"""
{_LOST}
SELECT state, code, stage, modality, count(*), (array_agg(number ORDER BY number))[1:{SHOWN_ROWS}]
FROM lost GROUP BY state, code, stage, modality ORDER BY count(*) DESC, code
"""  # noqa: S608 - put together from constants
_WORDS: LiteralString = f"""
{_LOST}
SELECT state, code, stage, modality, message, gateway_code, count(*) FROM lost WHERE message <> ''
GROUP BY state, code, stage, modality, message, gateway_code ORDER BY count(*) DESC, message LIMIT {_WORDS_READ}
"""  # noqa: S608 - as above


def failures_of(conn: Connection, campaign_id: UUID) -> list[FailureGroup]:
    """The rows of a campaign that have failed, were cancelled or are held for a decision, the largest group first."""
    values = {"campaign": campaign_id}
    groups = {
        (state, code, stage, modality): FailureGroup(JobState(state), code, stage, modality, count, numbers)
        for state, code, stage, modality, count, numbers in conn.execute(_GROUPS, values)
    }
    if groups:
        for state, code, stage, modality, message, gateway_code, count in conn.execute(_WORDS, values):
            said = groups[state, code, stage, modality].said
            if len(said) < SHOWN_WORDS:
                said.append(Words(message, gateway_code, count))
    return list(groups.values())

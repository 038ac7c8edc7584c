"""The versions of a row: every job that was made for it. The first has the row's own id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jsonb import dumps


class VersionKind(StrEnum):
    """Why a job was made for a row."""

    FIRST = "first"  # when the row was enqueued
    RETRY = "retry"  # again, because the version before failed or was cancelled
    REROLL = "reroll"  # again with another seed
    FINAL = "final"  # the final of a draft, or a larger video of a look
    EDIT = "edit"  # again, because the sheet asks for something else and nothing was paid for yet


@dataclass(frozen=True, slots=True)
class Version:
    """A job of a row; `version` is 1 for the first."""

    version: int
    job_id: UUID
    kind: VersionKind


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A job that was made for a row, in the same transaction. `new_draft`: it is a draft again, after a final."""

    row_id: UUID
    job_id: UUID
    kind: VersionKind
    new_draft: bool = False


# An earlier version that has succeeded stands for the row if the new one fails; a draft does not stand for its final.
# What is made from the sheet again, or from a new draft, is a proof again if the row has one.
# The row is open for review again, unless its final is made, which is what was approved.
_ADD: LiteralString = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(items)s::jsonb) AS i(row_id uuid, job_id uuid, kind text, new_draft boolean)
), changed AS (
    UPDATE campaign_rows r SET
        job_id = i.job_id, versions = r.versions + 1,
        kept_job_id = CASE WHEN i.kind = 'final' THEN NULL
                           WHEN EXISTS (SELECT FROM jobs n WHERE n.id = r.job_id AND n.state = 'succeeded')
                           THEN r.job_id ELSE r.kept_job_id END,
        review = CASE WHEN i.kind = 'final' THEN r.review ELSE 'open' END,
        reviewed_at = CASE WHEN i.kind = 'final' THEN r.reviewed_at END,
        reviewed_by = CASE WHEN i.kind = 'final' THEN r.reviewed_by END,
        review_comment = CASE WHEN i.kind = 'final' THEN r.review_comment END,
        edit = CASE WHEN i.kind = 'final' THEN r.edit END,
        proof = CASE WHEN i.kind = 'final' THEN false
                     WHEN i.kind = 'edit' OR i.new_draft OR r.edit IS NOT NULL THEN r.final IS NOT NULL
                     ELSE r.proof END
    FROM input i WHERE r.id = i.row_id
    RETURNING r.id, r.versions, i.job_id, i.kind
)
INSERT INTO campaign_versions (row_id, version, job_id, kind) SELECT id, versions, job_id, kind FROM changed
"""
_ROWS_OF: LiteralString = """
SELECT v.job_id, v.row_id FROM campaign_versions v JOIN campaign_rows r ON r.id = v.row_id
WHERE v.job_id = ANY(%(jobs)s) AND r.campaign_id = %(campaign)s
UNION ALL SELECT r.id, r.id FROM campaign_rows r WHERE r.id = ANY(%(jobs)s) AND r.campaign_id = %(campaign)s
"""
_VERSIONS: LiteralString = """
SELECT 1 AS version, r.id AS job_id, 'first' AS kind FROM campaign_rows r WHERE r.id = %(row)s
UNION ALL SELECT v.version, v.job_id, v.kind FROM campaign_versions v WHERE v.row_id = %(row)s
ORDER BY version
"""


def add_versions(conn: Connection, items: Sequence[NewVersion]) -> None:
    """Make these jobs the newest versions of their rows; at most one for each row."""
    if items:
        rows = [asdict(item) for item in items]
        conn.execute(_ADD, {"items": dumps(rows)})


def made_new(conn: Connection, row_ids: Sequence[UUID]) -> None:
    """Note that the waiting newest versions of these rows ask for what the sheet does now."""
    if row_ids:
        conn.execute("UPDATE campaign_rows SET proof = final IS NOT NULL WHERE id = ANY(%s)", [list(row_ids)])


def rows_of_jobs_in(conn: Connection, campaign_id: UUID, job_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The row of each of these jobs in a campaign; a job without a row there is missing."""
    return dict(conn.execute(_ROWS_OF, {"jobs": list(job_ids), "campaign": campaign_id}).fetchall())


def note_version(conn: Connection, campaign_id: UUID, origin: UUID, job_id: UUID, kind: VersionKind) -> bool:
    """Make a new job the newest version of the row that another job was made for; False: that has none."""
    row_id = rows_of_jobs_in(conn, campaign_id, [origin]).get(origin)
    if row_id is None:
        return False
    add_versions(conn, [NewVersion(row_id, job_id, kind)])
    return True


def versions_of(conn: Connection, row_id: UUID) -> list[Version]:
    """All versions of a row, oldest first. Retention may have deleted the jobs of the oldest ones."""
    with conn.cursor(row_factory=class_row(Version)) as cursor:
        return cursor.execute(_VERSIONS, {"row": row_id}).fetchall()

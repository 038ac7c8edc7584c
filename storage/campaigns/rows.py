"""Read-only queries about the rows of a campaign: pages, counts, one row.

A row is in the state of the job that stands for it: its newest version, or an earlier one that has succeeded if the
newest has failed or was cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.campaigns.reviews import Review
from storage.campaigns.sheet_rows import count_sheet_rows
from storage.database import Connection, reading_in_order
from storage.jobs.queries import REASON
from storage.jobs.states import JobState
from storage.jsonb import dumps

PAGE = 500
Place = tuple[int, UUID]
"""Where a page ends: the number and the id of its last row."""


@dataclass(frozen=True, slots=True)
class RowView:
    """A row as shown to people and programs.

    `number`: as a spreadsheet counts; `sheet`: the file that it was in last (`sheets.Sheet.number`), 0: none. `label`:
    which of several videos of that row of the sheet. `cells`: in the order of the sheet's columns; the row may have
    fewer. `job_id`: the job that stands for it, `newest_job_id`: its newest version. `reason`: of the job that stands
    for it. `edited`: the sheet asks for something else than the newest version was made from. `proof`: the newest
    version is a proof; its final is made once it is approved. `video_job_id`: the version whose video is shown: an
    earlier one as long as the newest has not succeeded; None: as `job_id`.
    """

    id: UUID
    sheet: int
    number: int
    label: str
    key: str | None
    cells: list[Any]
    job_id: UUID
    newest_job_id: UUID
    versions: int
    state: JobState
    reason: str | None
    review: Review
    reviewed_at: datetime | None
    reviewed_by: str | None
    review_comment: str | None
    edited: bool
    proof: bool = False
    video_job_id: UUID | None = None

    @property
    def place(self) -> Place:
        """Its place in a list of rows, where the next page begins."""
        return self.number, self.id


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A choice of rows; None: any value. A row must match all of them.

    `numbers`: first and last number of each range, as a spreadsheet counts. If files of several runs have a number, it
    means the row of the newest one. `keys`: as people wrote them in the key column. `reasons`: codes of `jobs.reason`.
    """

    states: Sequence[JobState] | None = None
    reviews: Sequence[Review] | None = None
    reasons: Sequence[str] | None = None
    numbers: Sequence[tuple[int, int]] | None = None
    keys: Sequence[str] | None = None
    ids: Sequence[UUID] | None = None

    def as_parameters(self) -> dict[str, Any]:
        """The parameters of the SQL."""

        def listed(values: Sequence[Any] | None) -> list[Any] | None:
            return None if values is None else list(values)

        ranges = None if self.numbers is None else [{"first": first, "last": last} for first, last in self.numbers]
        return {
            "states": listed(self.states),
            "reviews": listed(self.reviews),
            "reasons": listed(self.reasons),
            "ranges": None if ranges is None else dumps(ranges),
            "keys": listed(self.keys),
            "ids": listed(self.ids),
        }


ALL = RowFilter()


@dataclass(frozen=True, slots=True)
class RowCounts:
    """The rows of a campaign. `states` and `reviews`: how many are in each, those with none are missing. `sheet_rows`:
    how many rows of sheets they are; a template may make several videos of one."""

    rows: int = 0
    sheet_rows: int = 0
    states: dict[JobState, int] = field(default_factory=dict)
    reviews: dict[Review, int] = field(default_factory=dict)


KEPT: LiteralString = "(r.kept_job_id IS NOT NULL AND j.state IN ('failed', 'cancelled'))"
STATE: LiteralString = f"CASE WHEN {KEPT} THEN 'succeeded' ELSE j.state END"
_ROW_REASON: LiteralString = f"CASE WHEN {KEPT} THEN 'stored' ELSE {REASON} END"
# Each job is looked up by its id alone. A join reads all jobs, or all jobs of the campaign for each row, as long as
# PostgreSQL has no statistics of that campaign: minutes, right after a large sheet was run.
_FROM: LiteralString = """
FROM campaign_rows r CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = r.job_id OFFSET 0) j
WHERE r.campaign_id = %(campaign)s
"""
_CHOSEN: LiteralString = f"""
  AND (%(ids)s::uuid[] IS NULL OR r.id = ANY(%(ids)s))
  AND (%(keys)s::text[] IS NULL OR r.key = ANY(%(keys)s))
  AND (%(reviews)s::text[] IS NULL OR r.review = ANY(%(reviews)s))
  AND (%(ranges)s::jsonb IS NULL OR (
    EXISTS (SELECT FROM jsonb_to_recordset(%(ranges)s::jsonb) AS n(first int, last int)
            WHERE r.number BETWEEN n.first AND n.last)
    AND NOT EXISTS (SELECT FROM campaign_rows o
                    WHERE o.campaign_id = r.campaign_id AND o.number = r.number AND o.sheet > r.sheet)))
  AND (%(states)s::text[] IS NULL OR {STATE} = ANY(%(states)s))
  AND (%(reasons)s::text[] IS NULL OR {_ROW_REASON} = ANY(%(reasons)s))
"""  # noqa: S608 - put together from constants
_VIEW: LiteralString = f"""
SELECT r.id, r.sheet, r.number, r.label, r.key, r.cells, r.versions, r.review, r.reviewed_at, r.reviewed_by,
       r.review_comment, r.edit IS NOT NULL AS edited, r.proof AND r.final IS NOT NULL AS proof,
       r.job_id AS newest_job_id,
       CASE WHEN {KEPT} THEN r.kept_job_id ELSE r.job_id END AS job_id, {STATE} AS state, {_ROW_REASON} AS reason,
       CASE WHEN j.state <> 'succeeded' THEN r.kept_job_id END AS video_job_id
"""
# The rows among which a choice of few is, found from what is rare: in the order of the sheet, all would be read. The
# job of a row with one version has the row's id.
_OF_STATES: LiteralString = """
  AND r.id = ANY(ARRAY(
    SELECT j.id FROM unnest(%(states)s::text[]) AS s(state) CROSS JOIN LATERAL (
        SELECT id FROM jobs WHERE campaign_id = %(campaign)s AND state = s.state OFFSET 0) j
    UNION ALL
    SELECT id FROM campaign_rows WHERE campaign_id = %(campaign)s AND job_id <> id))
"""
_OF_REVIEWS: LiteralString = """
  AND r.id = ANY(ARRAY(
    SELECT id FROM campaign_rows
    WHERE campaign_id = %(campaign)s AND review <> 'open' AND review = ANY(%(reviews)s::text[])))
"""
_OF_FEW: LiteralString = """
SELECT coalesce((SELECT sum(n.jobs) FROM campaigns c JOIN job_counts n ON n.tenant = c.tenant AND n.campaign_id = c.id
                 WHERE c.id = %(campaign)s AND n.state = ANY(%(states)s::text[])), 0)
       + coalesce((SELECT sum(versions) - sum(rows) FROM row_counts WHERE campaign_id = %(campaign)s), 0),
       coalesce((SELECT sum(rows) FROM row_counts
                 WHERE campaign_id = %(campaign)s AND review = ANY(%(reviews)s::text[])), 0)
"""
FEW = 4_000
"""Rows that are read together and sorted, 15 ms of PostgreSQL. If there are more, the order of the sheet soon leads
to a page of them."""
_PAGE: LiteralString = f"""
{_VIEW}{_FROM}{_CHOSEN} {{few}}
  AND (r.number, r.id) > (%(number)s, %(id)s)
ORDER BY r.number, r.id LIMIT %(limit)s
"""
# From kept counts, because a campaign may have very many rows. The job of a row with one version has the row's id, so
# all jobs but those of rows with several versions are counted as they are. Those are looked up one by one: PostgreSQL
# expects far more of them than there are, and would join all jobs.
_STATES: LiteralString = f"""
WITH several AS MATERIALIZED (
    SELECT campaign_id, id, job_id, kept_job_id FROM campaign_rows
    WHERE campaign_id = ANY(%(campaigns)s) AND job_id <> id
), parts AS (
    SELECT c.id AS campaign_id, n.state, n.jobs FROM campaigns c CROSS JOIN LATERAL (
        SELECT state, sum(jobs) AS jobs FROM job_counts WHERE tenant = c.tenant AND campaign_id = c.id GROUP BY state) n
    WHERE c.id = ANY(%(campaigns)s)
    UNION ALL
    SELECT r.campaign_id, j.state, -1 FROM several r
    CROSS JOIN LATERAL (SELECT state FROM jobs WHERE id = r.id OFFSET 0) j
    UNION ALL
    SELECT r.campaign_id, j.state, -1 FROM several r
    CROSS JOIN LATERAL (SELECT job_id FROM campaign_versions WHERE row_id = r.id OFFSET 0) v
    CROSS JOIN LATERAL (SELECT state FROM jobs WHERE id = v.job_id OFFSET 0) j
    UNION ALL
    SELECT r.campaign_id, {STATE}, 1 FROM several r
    CROSS JOIN LATERAL (SELECT state FROM jobs WHERE id = r.job_id OFFSET 0) j
)
SELECT campaign_id, state, sum(jobs)::bigint FROM parts GROUP BY 1, 2 HAVING sum(jobs) > 0
"""  # noqa: S608 - put together from constants
_REVIEWS: LiteralString = """
SELECT review, sum(rows)::bigint FROM row_counts WHERE campaign_id = %(campaign)s GROUP BY 1 HAVING sum(rows) > 0
"""
_COUNT: LiteralString = f"SELECT count(*) {_FROM}{_CHOSEN} {{few}}"
_LAST_PLACE: LiteralString = """
SELECT number, id FROM campaign_rows WHERE campaign_id = %(campaign)s ORDER BY number DESC, id DESC LIMIT 1
"""
_FIRST_PLACE: Place = (-1, UUID(int=0))


def find_rows(
    conn: Connection, campaign_id: UUID, wanted: RowFilter = ALL, *, after: Place | None = None, limit: int = PAGE
) -> list[RowView]:
    """Rows of a campaign in the order of their sheet; `after`: the `place` of the last row of the previous page."""
    number, row_id = after or _FIRST_PLACE
    values = wanted.as_parameters() | {"campaign": campaign_id, "number": number, "id": row_id, "limit": limit}
    few = _few(conn, values)
    # In the order of the sheet, unless a choice has an index of its own.
    walks = not few and wanted.ids is None and wanted.keys is None
    with reading_in_order(conn) if walks else nullcontext(), conn.cursor(row_factory=dict_row) as cursor:
        return [_view(row) for row in cursor.execute(_PAGE.format(few=few), values)]


def last_place(conn: Connection, campaign_id: UUID) -> Place | None:
    """The place of the last row of a campaign; None: it has none."""
    row = conn.execute(_LAST_PLACE, {"campaign": campaign_id}).fetchone()
    return None if row is None else (row[0], row[1])


def stream_rows(conn: Connection, campaign_id: UUID, wanted: RowFilter = ALL, *, page: int = PAGE) -> Iterator[RowView]:
    """All rows of a campaign in the order of their sheet, a page at a time; those chosen by their ids at once, because
    each page would send all the ids again."""
    last: Place | None = None
    page = page if wanted.ids is None else max(page, len(wanted.ids))
    while found := find_rows(conn, campaign_id, wanted, after=last, limit=page):
        yield from found
        last = found[-1].place


def count_chosen(conn: Connection, campaign_id: UUID, wanted: RowFilter) -> int:
    """How many rows of a campaign match a choice."""
    values = wanted.as_parameters() | {"campaign": campaign_id}
    row = conn.execute(_COUNT.format(few=_few(conn, values)), values).fetchone()
    return 0 if row is None else int(row[0])


def _few(conn: Connection, values: Mapping[str, Any]) -> LiteralString:
    """The condition that finds the chosen rows if there are few of them; empty: there are many, or a choice that has an
    index of its own."""
    of_reviews = values["reviews"] is not None and Review.OPEN not in values["reviews"]
    if values["ids"] is not None or (values["states"] is None and not of_reviews):
        return ""
    row = conn.execute(_OF_FEW, values).fetchone()
    in_states, reviewed = (0, 0) if row is None else row
    if of_reviews and reviewed <= FEW:
        return _OF_REVIEWS
    return _OF_STATES if values["states"] is not None and in_states <= FEW else ""


def count_states(conn: Connection, campaign_id: UUID) -> dict[str, int]:
    """How many rows of a campaign are in each state. A job that has no row yet counts as a row of its own."""
    return count_states_of(conn, [campaign_id]).get(campaign_id, {})


def count_states_of(conn: Connection, campaign_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """The same for each of these campaigns; campaigns without jobs are missing."""
    found: dict[UUID, dict[str, int]] = {}
    for campaign, state, number in conn.execute(_STATES, {"campaigns": list(campaign_ids)}):
        found.setdefault(campaign, {})[state] = number
    return found


def count_rows(conn: Connection, campaign_id: UUID) -> RowCounts:
    """The same, with reviews and with rows of sheets."""
    values = {"campaign": campaign_id}
    states = {JobState(state): number for state, number in count_states(conn, campaign_id).items()}
    reviews = {Review(review): number for review, number in conn.execute(_REVIEWS, values)}
    without = sum(states.values()) - sum(reviews.values())
    if without > 0:
        reviews[Review.OPEN] = reviews.get(Review.OPEN, 0) + without
    rows = sum(states.values())
    made = rows - max(without, 0)
    return RowCounts(rows, rows - made + count_sheet_rows(conn, campaign_id, made), states, reviews)


def _view(row: dict[str, Any]) -> RowView:
    return RowView(**row | {"state": JobState(row["state"]), "review": Review(row["review"])})


_LOCK: LiteralString = """
SELECT id FROM campaign_rows WHERE id = ANY(%(ids)s) AND campaign_id = %(campaign)s ORDER BY id FOR UPDATE
"""
_EDITS: LiteralString = "SELECT id, edit FROM campaign_rows WHERE id = ANY(%(ids)s) AND edit IS NOT NULL"


def lock_rows(conn: Connection, campaign_id: UUID, row_ids: Sequence[UUID]) -> list[UUID]:
    """Keep other decisions from these rows of a campaign until the transaction ends; returns those that exist."""
    return [row[0] for row in conn.execute(_LOCK, {"ids": list(row_ids), "campaign": campaign_id})]


def edits_of(conn: Connection, row_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """What the sheet asks for since their newest version was submitted, as the fields of a job, for rows with such an
    edit."""
    return dict(conn.execute(_EDITS, {"ids": list(row_ids)}).fetchall())


_FINALS: LiteralString = "SELECT id, final FROM campaign_rows WHERE id = ANY(%(ids)s) AND final IS NOT NULL"


def finals_of(conn: Connection, row_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The fields of the finals that are made of the proofs of these rows, for those that have any."""
    return dict(conn.execute(_FINALS, {"ids": list(row_ids)}).fetchall())


_STANDING: LiteralString = f"""
SELECT r.id, CASE WHEN {KEPT} THEN r.kept_job_id ELSE r.job_id END
FROM campaign_rows r JOIN jobs j ON j.id = r.job_id WHERE r.id = ANY(%(ids)s) AND j.tenant || '' = %(tenant)s
"""  # noqa: S608 - put together from constants


def standing_jobs(conn: Connection, tenant: str, job_ids: Sequence[UUID]) -> list[UUID]:
    """For each of a tenant's jobs that is the first of a row, the job that stands for the row now; others unchanged."""
    found: dict[UUID, UUID] = dict(conn.execute(_STANDING, {"ids": list(job_ids), "tenant": tenant}).fetchall())
    return [found.get(job_id, job_id) for job_id in job_ids]

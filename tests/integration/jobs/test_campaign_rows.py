"""Rows of campaigns in the database: what stands for a row, filters, pages, counts, and jobs of older releases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any
from uuid import UUID

import orjson
import pytest

from storage.actors import acting
from storage.campaigns import failures, rows
from storage.campaigns.completion import complete
from storage.campaigns.controls import ensure_campaign
from storage.campaigns.reviews import Review, set_reviews
from storage.campaigns.rows import RowFilter, RowView
from storage.campaigns.sheets import NewRow, SheetSource, add_rows, add_sheet, sheets_of
from storage.campaigns.versions import NewVersion, VersionKind, add_versions, versions_of
from storage.database import Connection, connect
from storage.jobs import transitions
from storage.jobs.deletion.retention import forget_jobs
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, NewJob
from storage.jobs.states import JobState

S = JobState
FAILED = {"error": {"code": "generation_failed", "message": "no"}}
STORED = {"object_key": "videos/1.mp4", "sha256": "0" * 64, "size_bytes": 5}
TASK = {"account": "a", "gateway": "anyfast", "model": "m"}


@pytest.fixture
def conn(postgres_url: str) -> Iterator[Connection]:
    with connect(postgres_url) as conn:
        yield conn


def a_job(conn: Connection, campaign_id: UUID, **fields: Any) -> UUID:
    job_id: UUID = fields.pop("id", None) or new_job_id()
    fields = {"request": {"prompt": "a lamp"}, "request_hash": "h", "gateways": ["anyfast"]} | fields
    enqueue_jobs(conn, [NewJob(job_id, campaign_id=campaign_id, **fields)])
    return job_id


def a_sheet(conn: Connection, name: str = "lamps", tenant: str = "default", first: int = 2) -> tuple[UUID, list[UUID]]:
    """A campaign with four rows of a sheet."""
    campaign_id = ensure_campaign(conn, tenant, name)
    ids = [a_job(conn, campaign_id, tenant=tenant) for _ in range(4)]
    sheet = add_sheet(conn, campaign_id, SheetSource("lamps.xlsx", ["SKU", "", "价格"], "Sheet1"))
    cells = [orjson.dumps([f"P-{number}", None, number / 2]) for number in range(4)]
    new = [NewRow(job_id, first + n, "", f"P-{n}", cells[n]) for n, job_id in enumerate(ids)]
    add_rows(conn, campaign_id, new, sheet)
    return campaign_id, ids


def bring(conn: Connection, job_id: UUID, state: JobState) -> None:
    """Move a queued job to a state in which it has been paid for, or has failed."""
    task = {"gateway_task_id": f"t-{job_id}"}
    roads: dict[JobState, list[tuple[JobState, dict[str, Any]]]] = {
        S.SUCCEEDED: [
            (S.SUBMITTING, TASK),
            (S.GENERATING, task),
            (S.TRANSFERRING, {"video_url": "u"}),
            (state, STORED),
        ],
        S.FAILED: [(S.FAILED, FAILED)],
        S.CANCELLED: [(S.CANCELLED, {})],
    }
    source = S.QUEUED
    for target, patch in roads[state]:
        reason = Reason.GENERATION_FAILED if target is S.FAILED else Reason.STORED
        assert transitions.move(conn, [Move(job_id, (source,), target, reason, patch=patch)])
        source = target


def shown(found: list[RowView]) -> list[tuple[int, str]]:
    return [(row.number, str(row.state)) for row in found]


def test_rows_keep_their_sheet_and_are_found_by_every_filter(conn: Connection) -> None:
    campaign_id, ids = a_sheet(conn)
    other_id, _ = a_sheet(conn, tenant="other")
    bring(conn, ids[1], S.FAILED)
    with acting("anna"):
        assert set_reviews(conn, campaign_id, ids[2:], Review.REJECTED, "too dark") == 2
        assert set_reviews(conn, other_id, ids[:1], Review.APPROVED) == 0, "rows of another tenant's campaign"

    [sheet] = sheets_of(conn, campaign_id)
    assert (sheet.number, sheet.file, sheet.sheet, sheet.columns) == (1, "lamps.xlsx", "Sheet1", ["SKU", "", "价格"])
    found = list(rows.stream_rows(conn, campaign_id, page=3))
    assert shown(found) == [(2, "queued"), (3, "failed"), (4, "queued"), (5, "queued")]
    assert found[3].cells == ["P-3", None, 1.5] and found[3].job_id == ids[3] == found[3].id
    assert (found[3].review, found[3].reviewed_by, found[3].review_comment) == (Review.REJECTED, "anna", "too dark")

    def chosen(**wanted: Any) -> list[int]:
        return [row.number for row in rows.find_rows(conn, campaign_id, RowFilter(**wanted))]

    assert chosen(numbers=[(3, 4), (5, 5)]) == [3, 4, 5]
    assert chosen(keys=["P-0", "P-3", "P-9"]) == [2, 5]
    assert chosen(states=[S.FAILED]) == chosen(reasons=["generation_failed"]) == [3]
    assert chosen(reviews=[Review.REJECTED], numbers=[(1, 4)]) == [4]
    assert chosen(ids=[ids[0]]) == [2] and chosen(keys=[]) == []
    counts = rows.count_rows(conn, campaign_id)
    assert (counts.rows, counts.sheet_rows) == (4, 4)
    assert counts.states == {S.QUEUED: 3, S.FAILED: 1}
    assert counts.reviews == {Review.OPEN: 2, Review.REJECTED: 2}


def test_a_number_means_the_row_of_the_newest_sheet(conn: Connection) -> None:
    campaign_id, ids = a_sheet(conn)
    sheet = add_sheet(conn, campaign_id, SheetSource("lamps.xlsx", ["SKU"]))
    added = a_job(conn, campaign_id)
    moved = [NewRow(ids[0], 2, "", "P-0", b'["P-0"]', created=False), NewRow(added, 3, "", "P-7", b'["P-7"]')]
    add_rows(conn, campaign_id, moved, sheet)
    found = rows.find_rows(conn, campaign_id, RowFilter(numbers=[(2, 3)]))
    assert [(row.number, row.key, row.cells) for row in found] == [(2, "P-0", ["P-0"]), (3, "P-7", ["P-7"])]
    assert rows.count_rows(conn, campaign_id).rows == 5


def test_a_campaign_without_statistics_is_never_read_once_for_each_row(conn: Connection) -> None:
    """PostgreSQL has none of a large sheet that was just run, and expects one row: it may loop over what it expects."""
    campaign_id, _ = a_sheet(conn)
    conn.execute("ANALYZE campaign_rows, jobs")
    for method in ("hashjoin", "mergejoin", "seqscan", "bitmapscan"):
        conn.execute(f"SET LOCAL enable_{method} = off")
    values = RowFilter(states=[S.QUEUED]).as_parameters() | {"campaign": campaign_id, "limit": 500}
    values |= {"number": -1, "id": UUID(int=0), "campaigns": [campaign_id]}
    by_few = (rows._PAGE.format(few=few) for few in ("", rows._OF_STATES))
    for query in (rows._STATES, rows._COUNT.format(few=""), *by_few, failures._FOUND):
        plan = "\n".join(line for (line,) in conn.execute("EXPLAIN " + query, values))
        assert "jobs_pkey" in plan, plan


def test_a_job_of_another_campaign_gets_no_row(conn: Connection) -> None:
    _, ids = a_sheet(conn)
    second = ensure_campaign(conn, "default", "more lamps")
    add_rows(conn, second, [NewRow(ids[0], 2, created=False)])
    assert rows.count_rows(conn, second).rows == 0


def test_the_newest_version_stands_for_a_row_unless_it_failed_and_an_earlier_one_did_not(conn: Connection) -> None:
    campaign_id, ids = a_sheet(conn)

    def again(number: int, kind: VersionKind, state: JobState | None) -> UUID:
        job_id = a_job(conn, campaign_id)
        add_versions(conn, [NewVersion(ids[number], job_id, kind)])
        if state is not None:
            bring(conn, job_id, state)
        return job_id

    bring(conn, ids[0], S.FAILED)
    retried = again(0, VersionKind.RETRY, S.SUCCEEDED)
    bring(conn, ids[1], S.SUCCEEDED)
    set_reviews(conn, campaign_id, ids[1:2], Review.REJECTED)
    rerolls = [again(1, VersionKind.REROLL, S.CANCELLED), again(1, VersionKind.REROLL, S.FAILED)]
    bring(conn, ids[2], S.SUCCEEDED)
    final = again(2, VersionKind.FINAL, S.FAILED)
    bring(conn, ids[3], S.SUCCEEDED)
    running = again(3, VersionKind.REROLL, None)

    found = rows.find_rows(conn, campaign_id)
    assert shown(found) == [(2, "succeeded"), (3, "succeeded"), (4, "failed"), (5, "queued")]
    assert [row.job_id for row in found] == [retried, ids[1], final, running]
    assert [row.versions for row in found] == [2, 3, 2, 2]
    assert found[1].newest_job_id == rerolls[1] and found[1].reason == "stored"
    assert found[1].review == Review.OPEN, "a new version is to be looked at again"
    assert rows.count_rows(conn, campaign_id).states == {S.SUCCEEDED: 2, S.FAILED: 1, S.QUEUED: 1}
    assert [(item.version, item.job_id, item.kind) for item in versions_of(conn, ids[1])] == [
        (1, ids[1], VersionKind.FIRST),
        (2, rerolls[0], VersionKind.REROLL),
        (3, rerolls[1], VersionKind.REROLL),
    ]


def test_what_stands_for_a_row_after_every_short_history(conn: Connection) -> None:
    """The newest version that did not fail, but no draft stands for its final."""
    campaign_id = ensure_campaign(conn, "default", "histories")
    later = [(kind, end) for kind in (VersionKind.REROLL, VersionKind.FINAL) for end in (S.SUCCEEDED, S.FAILED, None)]
    histories = [
        [(VersionKind.FIRST, first), *rest]
        for first in (S.SUCCEEDED, S.FAILED)
        for size in (1, 2)
        for rest in product(later, repeat=size)
        if all(end is not None for _, end in rest[:-1])
    ]
    expected: dict[UUID, UUID] = {}
    for history in histories:
        ids = []
        for kind, end in history:
            ids.append(a_job(conn, campaign_id))
            if kind is VersionKind.FIRST:
                add_rows(conn, campaign_id, [NewRow(ids[0], len(expected) + 2)])
            else:
                add_versions(conn, [NewVersion(ids[0], ids[-1], kind)])
            if end is not None:
                bring(conn, ids[-1], end)
        expected[ids[0]] = standing(list(zip(ids, history, strict=True)))
    found = {row.id: row.job_id for row in rows.stream_rows(conn, campaign_id)}
    assert found == expected and len(found) == len(histories) > 50
    assert rows.standing_jobs(conn, "default", list(expected)) == list(expected.values())


def test_rows_of_sheets_are_counted_again_when_rows_come_move_and_go(conn: Connection) -> None:
    """Two videos of each row of a sheet; the count is kept from look to look."""
    campaign_id = ensure_campaign(conn, "default", "lamps")
    jobs = [a_job(conn, campaign_id) for _ in range(6)]

    def place(*places: tuple[int, str]) -> None:
        sheet = add_sheet(conn, campaign_id, SheetSource("lamps.csv", ["SKU"]))
        add_rows(conn, campaign_id, [NewRow(job, *at) for job, at in zip(jobs, places, strict=False)], sheet)

    def sheet_rows() -> int:
        found = {rows.count_rows(conn, campaign_id).sheet_rows for _ in range(2)}
        assert len(found) == 1
        return found.pop()

    place((2, ""), (2, "v2"), (3, ""), (3, "v2"))
    assert sheet_rows() == 4, "two of them, and two jobs that have no rows yet"
    place((2, "1:1"), (2, "9:16"), (3, "1:1"), (4, "1:1"), (5, "1:1"), (5, "9:16"))
    assert sheet_rows() == 4
    place((2, "1:1"), (3, "1:1"))
    assert sheet_rows() == 5
    add_rows(conn, campaign_id, [NewRow(jobs[1], 2, "9:16", created=False)])
    assert sheet_rows() == 5, "a row of no file is not the row of the file with its number"
    conn.execute("UPDATE jobs SET due_at = NULL, state = 'cancelled', finished_at = now() - interval '9 days'")
    assert forget_jobs(conn, 0.0, 100) == 6
    assert sheet_rows() == 0


def test_a_choice_is_the_same_whether_its_rows_are_few_or_many(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id, ids = a_sheet(conn)
    retry = a_job(conn, campaign_id)
    bring(conn, ids[0], S.SUCCEEDED)
    bring(conn, ids[1], S.FAILED)
    add_versions(conn, [NewVersion(ids[0], retry, VersionKind.RETRY)])
    bring(conn, retry, S.FAILED)
    set_reviews(conn, campaign_id, ids[1:3], Review.REJECTED)
    set_reviews(conn, campaign_id, ids[:1], Review.APPROVED)
    states = ([S.SUCCEEDED], [S.FAILED], [S.QUEUED], [S.FAILED, S.QUEUED], [S.GENERATING], None)
    reviews = ([Review.REJECTED], [Review.REJECTED, Review.APPROVED], [Review.OPEN, Review.APPROVED], None)
    for wanted in (RowFilter(states=one, reviews=another) for one in states for another in reviews):
        found = []
        for few in (-1, 0, 4_000):
            monkeypatch.setattr(rows, "FEW", few)
            found.append((rows.find_rows(conn, campaign_id, wanted), rows.count_chosen(conn, campaign_id, wanted)))
            assert len(found[-1][0]) == found[-1][1]
        assert found[0] == found[1] == found[2]
    assert [row.id for row in rows.find_rows(conn, campaign_id, RowFilter(states=[S.SUCCEEDED]))] == [ids[0]]


def standing(versions: list[tuple[UUID, tuple[VersionKind, JobState | None]]]) -> UUID:
    for job_id, (kind, end) in reversed(versions):
        if end is not S.FAILED:
            return job_id
        if kind is VersionKind.FINAL:
            break
    return versions[-1][0]


def test_jobs_that_an_older_release_enqueued_get_their_rows_once(conn: Connection) -> None:
    campaign_id = ensure_campaign(conn, "default", "old")
    ids = [a_job(conn, campaign_id) for _ in range(3)]
    bring(conn, ids[1], S.FAILED)
    retry = a_job(conn, campaign_id, metadata={"retry_of": str(ids[1])})
    second = a_job(conn, campaign_id, metadata={"retry_of": str(retry)})
    alone = a_job(conn, campaign_id, metadata={"retry_of": "not an id"})
    stranger = a_job(conn, ensure_campaign(conn, "other", "old"), tenant="other", metadata={"retry_of": str(ids[0])})
    for _ in range(2):
        complete(conn, campaign_id)
        found = rows.find_rows(conn, campaign_id)
        assert [(row.number, row.id, row.job_id) for row in found] == [
            (1, ids[0], ids[0]),
            (2, ids[1], second),
            (3, ids[2], ids[2]),
            (4, alone, alone),
        ]
    assert stranger not in [row.id for row in found]
    added = a_job(conn, campaign_id)
    complete(conn, campaign_id)
    assert [row.number for row in rows.find_rows(conn, campaign_id, RowFilter(ids=[added]))] == [5]


def test_a_row_is_deleted_with_its_newest_job(conn: Connection) -> None:
    campaign_id, ids = a_sheet(conn)
    retry = a_job(conn, campaign_id)
    bring(conn, ids[0], S.FAILED)
    add_versions(conn, [NewVersion(ids[0], retry, VersionKind.RETRY)])
    bring(conn, ids[1], S.FAILED)
    conn.execute("UPDATE jobs SET finished_at = now() - interval '9 days' WHERE finished_at IS NOT NULL")
    assert forget_jobs(conn, -1.0, 100) == 2
    assert [row.number for row in rows.find_rows(conn, campaign_id)] == [2, 4, 5], "a retry is left of the first"
    bring(conn, retry, S.FAILED)
    assert forget_jobs(conn, -1.0, 100) == 1
    assert [row.number for row in rows.find_rows(conn, campaign_id)] == [4, 5]
    assert conn.execute("SELECT count(*) FROM campaign_versions").fetchone() == (0,)

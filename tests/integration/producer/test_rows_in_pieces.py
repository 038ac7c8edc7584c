"""A campaign that another program filled has no rows. They are made as its pages come to them, not all at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from producer.campaigns.results import results
from producer.campaigns.results.results import Results
from producer.client import Producer
from storage.campaigns import completion, controls
from storage.campaigns.rows import RowFilter
from storage.database import connect
from storage.jobs.states import JobState

COUNT = 40
_JOBS = """
INSERT INTO jobs (id, campaign_id, request, request_hash, gateways, state, due_at, finished_at, error)
SELECT gen_random_uuid(), %(campaign)s, '{"prompt": "a lamp"}', 'h', '{ark}',
       CASE WHEN n = 1 THEN 'failed' ELSE 'cancelled' END, NULL, now(), CASE WHEN n = 1 THEN '{"code": "x"}'::jsonb END
FROM generate_series(1, %(count)s) n
"""
_MADE = "SELECT count(*) FROM campaign_rows"


@pytest.fixture
def foreign(producer: Producer, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A campaign of `COUNT` jobs without rows; four are made at a time."""
    monkeypatch.setattr(completion, "AT_ONCE", 4)
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "default", "foreign")
        conn.execute(_JOBS, {"campaign": campaign, "count": COUNT})
    return campaign


def made(url: str) -> int:
    with connect(url) as conn:
        row = conn.execute(_MADE).fetchone()
    return 0 if row is None else int(row[0])


def test_the_first_page_waits_for_its_own_rows_only(producer: Producer, postgres_url: str, foreign: UUID) -> None:
    found = Results(producer.database, "default", "foreign")
    assert found.count() == COUNT
    first, following = found.page(None, 5)
    assert [item.row.number for item in first] == [1, 2, 3, 4, 5]
    assert made(postgres_url) == 8
    again, _ = Results(producer.database, "default", "foreign", RowFilter(ids=[first[0].row.id])).page(None, 1)
    assert [item.row.number for item in again] == [1]
    assert made(postgres_url) == 8
    second, _ = found.page(following, 5)
    assert [item.row.number for item in second] == [6, 7, 8, 9, 10]


def test_all_pages_together_have_each_job_once_in_the_order_of_the_ids(
    producer: Producer, postgres_url: str, foreign: UUID
) -> None:
    jobs = [item.job.id for item in Results(producer.database, "default", "foreign")]
    assert len(jobs) == COUNT
    assert jobs == sorted(jobs)
    with connect(postgres_url) as conn:  # some of the ids lie before those that have rows
        conn.execute(_JOBS, {"campaign": foreign, "count": 6})
    found = list(Results(producer.database, "default", "foreign"))
    assert [item.row.number for item in found] == list(range(1, COUNT + 7))
    assert len({item.job.id for item in found}) == COUNT + 6


def test_a_page_of_few_rows_is_short_and_has_a_next_one_until_all_are_made(
    producer: Producer, postgres_url: str, foreign: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "WAIT_S", 0.0)
    found = Results(producer.database, "default", "foreign", RowFilter(states=[JobState.FAILED]))
    place, pages = None, 0
    rows: list[Any] = []
    while pages == 0 or place is not None:
        page, place = found.page(place, 5)
        pages, rows = pages + 1, rows + page
    assert [item.job.state for item in rows] == [JobState.FAILED]
    assert pages >= COUNT // 4 - 1
    assert made(postgres_url) == COUNT


def test_a_campaign_that_another_session_fills_answers_with_what_it_has(
    producer: Producer, postgres_url: str, foreign: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "WAIT_S", 0.0)
    monkeypatch.setattr(results, "_PAUSE_S", 0.0)
    found = Results(producer.database, "default", "foreign")
    with connect(postgres_url) as conn:
        conn.execute("SELECT FROM campaigns FOR UPDATE")
        rows, following = found.page(None, 5)
        assert rows == [] and following is not None
    rows, _ = found.page(following, 3)
    assert [item.row.number for item in rows] == [1, 2, 3]

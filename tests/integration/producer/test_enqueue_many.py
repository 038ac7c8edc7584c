"""Many jobs at once: each is checked, and is shown as it is stored."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from producer import Producer
from producer.collector import fewer_collections
from producer.errors import InvalidRows
from storage.admission.spending import budgets
from storage.campaigns import controls
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import IdempotencyConflict, NewJob
from storage.jobs.shown.fresh import FreshViews
from storage.settings import Settings

ACCOUNTS = {
    "accounts": [
        {"name": "main", "gateway": "ark", "api_key": "k"},
        {"name": "other", "gateway": "12ai", "api_key": "k"},
    ]
}
LATER = datetime.now(UTC).replace(microsecond=1) + timedelta(days=3)
VARIED: list[dict[str, Any]] = [
    {"prompt": "a fox"},
    {"prompt": "a fox", "seed": 7},
    {
        "prompt": "狐狸 and \u20ac, \\u0000 and 'quotes'",
        "tier": "fast",
        "resolution": "720p",
        "duration": 5,
        "audio": False,
    },
    {
        "prompt": "b",
        "priority": 9,
        "tags": ["spring", "b"],
        "metadata": {"sku": [1, 2.5, None, {"a": "\u2028"}], "b": 1.0},
    },
    {"prompt": "c", "account": "main", "deadline": LATER.astimezone(timezone(timedelta(hours=8))).isoformat()},
    {"prompt": "d", "deadline": 3600.5},
    {"prompt": "e", "first_frame": "https://example.com/a.png", "gateway_options": {"ark": {}}},
    {"prompt": "f", "idempotency_key": "one"},
    {"prompt": "f", "idempotency_key": "one"},
    {"prompt": "g" * 900, "web_search": True, "watermark": False, "ratio": "9:16"},
]


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    with Producer(Settings.model_validate(settings.model_dump() | ACCOUNTS)) as made:
        yield made


@pytest.fixture(params=[2_000, 3])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many jobs are sent at once; with more, the next are sent before the answer."""
    monkeypatch.setattr("storage.jobs.enqueue._ENQUEUE_CHUNK", request.param)
    return int(request.param)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("campaign", [None, "spring"])
def test_new_jobs_are_shown_as_they_are_stored(producer: Producer, campaign: str | None) -> None:
    for _ in range(2):  # the second time, those with a key are known
        shown = producer.enqueue_many(VARIED, campaign)
        assert shown == [producer.get(job.id) for job in shown]
        assert [job.request["prompt"] for job in shown] == [row["prompt"] for row in VARIED]
    assert {job.campaign for job in shown} == {campaign}


def count(producer: Producer) -> int:
    with producer.database.begin() as conn:
        [[jobs]] = conn.execute("SELECT count(*) FROM jobs").fetchall()
    return int(jobs)


@pytest.mark.usefixtures("chunk")
def test_all_or_none_are_stored(producer: Producer) -> None:
    earlier = producer.enqueue("a fox", idempotency_key="k8")
    rows = [{"prompt": f"take {number}", "idempotency_key": f"k{number}"} for number in range(10)]
    with pytest.raises(IdempotencyConflict, match="row 9"):
        producer.enqueue_many(rows)
    assert count(producer) == 1
    stored = producer.enqueue_many([*rows[:8], {"prompt": "a fox", "idempotency_key": "k8"}, rows[9]])
    assert stored[8].id == earlier.id
    assert count(producer) == 10


@pytest.mark.usefixtures("chunk")
def test_new_jobs_are_shown_with_why_they_wait(producer: Producer) -> None:
    with producer.database.begin() as conn:
        campaign = controls.ensure_campaign(conn, producer.tenant, "spring")
        budgets.set_budget(conn, producer.tenant, campaign, Decimal("0.000001"), "CNY")
    shown = producer.enqueue_many(VARIED[:3] * 3, "spring", budget="0.000001 CNY")
    assert shown == [producer.get(job.id) for job in shown]
    assert {job.reason for job in shown} == {"over_budget"}


def test_more_than_a_socket_holds_is_stored_once(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.jobs.enqueue._ENQUEUE_CHUNK", 300)
    rows = [{"prompt": f"take {n} of a {'very ' * 400}long story", "idempotency_key": f"k{n}"} for n in range(3_000)]
    stored = producer.enqueue_many(rows)
    assert [job.id for job in producer.enqueue_many(rows)] == [job.id for job in stored]
    assert count(producer) == len(rows)


@pytest.mark.parametrize("at", [1, 4, 7])
def test_an_error_of_one_chunk_ends_the_whole(producer: Producer, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr("storage.jobs.enqueue._ENQUEUE_CHUNK", 3)
    jobs = [NewJob(new_job_id(), {"prompt": "x"}, "h", ["ark"]) for _ in range(8)]
    jobs[at].campaign_id = new_job_id()
    with pytest.raises(psycopg.errors.ForeignKeyViolation), producer.database.begin() as conn:
        enqueue_jobs(conn, jobs, FreshViews(None))
    assert count(producer) == 0
    assert len(producer.enqueue_many(VARIED[:3])) == count(producer) == 3


def test_equal_rows_are_still_checked_one_by_one(producer: Producer) -> None:
    """Each of these differs in one field from a row that is right."""
    right = {"prompt": "a fox", "duration": 5, "account": "other"}
    wrong: list[dict[str, Any]] = [
        {**right, "prompt": "狐" * 2_501},
        {**right, "prompt": " "},
        {**right, "duration": 99},
        {**right, "resolution": "8k"},
        {**right, "account": "unknown"},
        {**right, "seed": -5},
        {**right, "tags": ["\n"]},
    ]
    with pytest.raises(InvalidRows) as caught:
        producer.enqueue_many([row for bad in wrong for row in (right, bad)])
    assert [row.where for row in caught.value.rows] == [f"row {2 * number}" for number in range(1, len(wrong) + 1)]


def test_the_garbage_collector_is_as_before() -> None:
    before = gc.get_threshold()
    with fewer_collections(), fewer_collections():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before

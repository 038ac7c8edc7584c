"""Lists with a filter that no index answers: each page looks at a bounded number of rows, and all pages miss none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from seedance.gateways.registry import DIALECTS
from storage.database import Connection, connect
from storage.jobs import queries
from storage.jobs.queries import JobFilter, find_page
from storage.jobs.records import JobView
from storage.reporting.ark_tasks import LISTED_TASKS, TaskFilter, list_tasks
from storage.webhooks import messages
from storage.webhooks.messages import MessageFilter, MessageState

_JOBS = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, state, due_at, finished_at, account, created_at)
SELECT ('f' || substr(gen_random_uuid()::text, 2))::uuid, tenant, '{}', 'h', '{ark}', 'cancelled', NULL, now(),
       'a' || n % 10, now() - make_interval(days => n % 20)
FROM generate_series(1, 100) n, unnest(ARRAY['a', 'b']) tenant
"""


def pages_of(conn: Connection, wanted: JobFilter) -> tuple[list[UUID], int]:
    """The ids on all pages, and the number of pages."""
    found: list[UUID] = []
    before, number = None, 0
    while True:
        page = find_page(conn, wanted, before=before, limit=3)
        found += [job.id for job in page.jobs]
        before, number = page.next_before, number + 1
        if before is None:
            return found, number


@pytest.mark.parametrize("looked_at", [7, 30, 10_000])
def test_all_pages_together_have_every_job_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", looked_at)
    monkeypatch.setattr(queries, "LOOKS", 2)
    then = datetime.now(UTC) - timedelta(days=9, hours=12)
    with connect(postgres_url) as conn:
        conn.execute(_JOBS)
        for wanted, count in (
            (JobFilter("a", account="a7"), 10),
            (JobFilter("a", account="unknown"), 0),
            (JobFilter("a", created_after=then), 50),
            (JobFilter("a", created_before=then, account="a3"), 5),
            (JobFilter("c", account="a7"), 0),
        ):
            found, pages = pages_of(conn, wanted)
            assert len(found) == len(set(found)) == count
            assert found == sorted(found, reverse=True)
            assert pages <= count // 3 + 100 // (2 * looked_at) + 2


def test_a_page_of_which_a_job_was_deleted_is_not_taken_for_the_last_one(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention deletes jobs while lists are read."""
    with connect(postgres_url) as conn:
        conn.execute(_JOBS)
    read = queries.get_jobs

    def read_late(conn: Connection, tenant: str, ids: Sequence[UUID]) -> dict[UUID, JobView]:
        monkeypatch.setattr(queries, "get_jobs", read)
        with connect(postgres_url) as other:
            other.execute("DELETE FROM jobs WHERE id = %s", [ids[1]])
        return read(conn, tenant, ids)

    monkeypatch.setattr(queries, "get_jobs", read_late)
    with connect(postgres_url) as conn:
        found, _ = pages_of(conn, JobFilter("a"))
    assert len(found) == len(set(found)) == 99


def test_as_many_tasks_are_listed_as_by_ark() -> None:
    """Its clients take a shorter list for a whole one, and what is not in it for never created."""
    limits = DIALECTS["ark"].facts.list_limits
    assert limits is not None
    assert limits.max_tasks == LISTED_TASKS


def test_tasks_of_ark_are_those_of_the_tenant(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        conn.execute(_JOBS)
        found, total = list_tasks(conn, TaskFilter("a"), offset=0, limit=10)
        assert (len(found), total) == (10, 35)
        assert list_tasks(conn, TaskFilter("a", ids=found[:2]), offset=0, limit=10) == (found[:2], 2)
        assert list_tasks(conn, TaskFilter("a", status="succeeded"), offset=0, limit=10) == ([], 0)


_MESSAGES = """
INSERT INTO webhook_messages (id, tenant, type, url, target, due_at, created_at, delivered_at)
SELECT gen_random_uuid(), tenant, 'job.' || n % 10, 'https://a.example/', 'a.example', NULL,
       now() - make_interval(mins => n / 3), now()
FROM generate_series(1, 100) n, unnest(ARRAY['a', 'b']) tenant
"""


@pytest.mark.parametrize("looked_at", [7, 30, 10_000])
def test_all_pages_together_have_every_message_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    monkeypatch.setattr(messages, "LOOKED_AT", looked_at)
    then = datetime.now(UTC) - timedelta(minutes=16, seconds=30)
    with connect(postgres_url) as conn:
        conn.execute(_MESSAGES)
        for wanted, count in (
            (MessageFilter("a", type="job.7"), 10),
            (MessageFilter("a", type="job.unknown"), 0),
            (MessageFilter("a", states=[MessageState.DELIVERED]), 100),
            (MessageFilter("a", states=[MessageState.DEAD]), 0),
            (MessageFilter("a", type="job.7", since=then), 5),
            (MessageFilter("c", type="job.7"), 0),
        ):
            found: list[messages.MessageView] = []
            before, pages = None, 0
            while pages == 0 or before is not None:
                page = messages.find_messages(conn, wanted, before=before, limit=3)
                found, before, pages = found + page.messages, page.next_before, pages + 1
            assert len(found) == len({item.id for item in found}) == count
            assert [item.place for item in found] == sorted((item.place for item in found), reverse=True)
            assert all(item.tenant == "a" for item in found)
            assert pages <= count // 3 + 100 // looked_at + 2

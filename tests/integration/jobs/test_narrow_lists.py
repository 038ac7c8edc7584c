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
from storage.reporting import ark_tasks
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


_TASKS = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, state, due_at, finished_at, reason, error, created_at,
                  deleted_at)
SELECT uuidv7(-age), tenant, '{}', 'h', '{ark}', CASE n % 4 WHEN 0 THEN 'failed' ELSE 'cancelled' END, NULL, now(),
       CASE n % 8 WHEN 0 THEN 'deadline_exceeded' END, CASE n % 4 WHEN 0 THEN '{}'::jsonb END, now() - age,
       CASE WHEN n % 5 = 0 THEN now() END
FROM generate_series(1, 100) n, make_interval(hours => n * 2, mins => 1) age, unnest(ARRAY['a', 'b']) tenant
"""


@pytest.mark.parametrize("listed", [40, LISTED_TASKS])
def test_tasks_of_ark_are_the_newest_of_the_tenant(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, listed: int
) -> None:
    """83 of 100 are younger than seven days, of which 16 were deleted."""
    monkeypatch.setattr(ark_tasks, "LISTED_TASKS", listed)
    newest = [n for n in range(1, 84) if n % 5]
    with connect(postgres_url) as conn:
        conn.execute(_TASKS)
        for wanted, numbers in (
            (TaskFilter("a"), newest),
            (TaskFilter("a", status="cancelled"), [n for n in newest if n % 4]),
            (TaskFilter("a", status="failed"), [n for n in newest if n % 8 == 4]),
            (TaskFilter("a", status="expired"), [n for n in newest if n % 8 == 0]),
            (TaskFilter("a", status="running"), []),
            (TaskFilter("c"), []),
        ):
            total = min(listed, len(numbers))
            for offset in (0, 1, 35, 70):
                found, count = list_tasks(conn, wanted, offset=offset, limit=10)
                assert (_ages(conn, found), count) == ([2 * n for n in numbers[:total][offset : offset + 10]], total)
        found, _ = list_tasks(conn, TaskFilter("a"), offset=0, limit=2)
        assert list_tasks(conn, TaskFilter("a", ids=found), offset=0, limit=10) == (found, 2)
        assert list_tasks(conn, TaskFilter("a", model="unknown", neutral="other"), offset=0, limit=10) == ([], 0)


def test_a_list_of_arks_tasks_looks_at_a_bounded_number_of_deleted_ones(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ark_tasks, "LISTED_TASKS", 12)
    with connect(postgres_url) as conn:
        conn.execute(_TASKS)
        found, count = list_tasks(conn, TaskFilter("a"), offset=0, limit=20)
        assert _ages(conn, found) == [2 * n for n in range(1, 13) if n % 5]
        assert count == len(found)


def _ages(conn: Connection, ids: Sequence[UUID]) -> list[int]:
    """How many hours ago these jobs were created."""
    hours: dict[UUID, int] = dict(
        conn.execute("SELECT id, round(extract(epoch FROM now() - created_at) / 3600)::int FROM jobs").fetchall()
    )
    return [hours[found] for found in ids]


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

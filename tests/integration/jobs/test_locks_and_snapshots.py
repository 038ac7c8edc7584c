"""What one session reads after it has locked a row that another session has just let go. A statement sees the rows of
the moment at which it began, which may be before it got the lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from storage.admission import poll_limits
from storage.campaigns.controls import ensure_campaign
from storage.campaigns.ends import end_campaigns
from storage.database import Connection, connect
from storage.jobs import attempts, callbacks
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, NewJob
from tests.waiting import PATIENCE_S

REQUEST = {"prompt": "a cat"}
SCHEDULERS, ACCOUNTS, LIMIT = 4, 200, 60


def new(conn: Connection, campaign: UUID | None = None) -> UUID:
    job = NewJob(new_job_id(), REQUEST, "h", ["ark"], campaign_id=campaign)
    enqueue_jobs(conn, [job])
    return job.id


def in_flight(conn: Connection) -> UUID:
    """A job whose POST is in flight, with the callback token `token`."""
    job_id = new(conn)
    conn.execute("UPDATE jobs SET state = 'submitting', account = 'main', attempt = 1 WHERE id = %s", [job_id])
    conn.execute(
        "INSERT INTO attempts (job_id, number, account, gateway, model, callback_hash)"
        " VALUES (%s, 1, 'main', 'ark', 'm', %s)",
        [job_id, callbacks.hash_token("token")],
    )
    return job_id


def accept(conn: Connection, job_id: UUID, task_id: str) -> None:
    attempts.store_outcomes(conn, [AttemptOutcome(job_id, 1, Reason.ACCEPTED, gateway_task_id=task_id)])


def beside(url: str, act: Callable[[Connection], object]) -> threading.Thread:
    """Do this in a session of its own, which is to wait for a lock of the caller."""

    def run() -> None:
        with connect(url) as conn:
            act(conn)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(0.7)
    assert thread.is_alive(), "it waits"
    return thread


def test_a_second_task_of_one_post_is_looked_at_although_the_first_was_written_before_it(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        job_id = in_flight(conn)
    with connect(postgres_url) as conn:
        accept(conn, job_id, "task-1")
        waiting = beside(postgres_url, lambda other: accept(other, job_id, "task-2"))
    waiting.join(PATIENCE_S)
    with connect(postgres_url) as conn:
        rows = conn.execute("SELECT gateway_task_id, reported_task_id, look_at <= now() FROM attempts").fetchall()
    assert rows == [("task-1", "task-2", True)]


def test_the_same_task_written_twice_at_once_is_no_second_task(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        job_id = in_flight(conn)
    with connect(postgres_url) as conn:
        accept(conn, job_id, "task-1")
        waiting = beside(postgres_url, lambda other: accept(other, job_id, "task-1"))
    waiting.join(PATIENCE_S)
    with connect(postgres_url) as conn:
        rows = conn.execute("SELECT gateway_task_id, reported_task_id, look_at FROM attempts").fetchall()
    assert rows == [("task-1", None, None)]


def test_of_two_callbacks_at_once_the_first_is_kept(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        in_flight(conn)
    with connect(postgres_url) as conn:
        callbacks.hint(conn, "ark", "token", "task-1")
        waiting = beside(postgres_url, lambda other: callbacks.hint(other, "ark", "token", "task-2"))
    waiting.join(PATIENCE_S)
    with connect(postgres_url) as conn:
        assert conn.execute("SELECT reported_task_id FROM attempts").fetchall() == [("task-1",)]


def test_two_schedulers_share_the_polls_of_each_minute(postgres_url: str) -> None:
    """With many accounts the last one is locked long after the statement began."""
    limits = {f"account {number:03}": LIMIT for number in range(ACCOUNTS)}
    starting = threading.Barrier(SCHEDULERS)

    def poll(number: int) -> None:
        with connect(postgres_url) as conn:
            starting.wait()
            time.sleep(number * 0.002)
            free = poll_limits.free_polls(conn, limits)
            poll_limits.count_polls(conn, free)

    with ThreadPoolExecutor(SCHEDULERS) as pool:
        for _ in range(25):
            with connect(postgres_url) as conn:
                conn.execute("DELETE FROM poll_counts")
            list(pool.map(poll, range(SCHEDULERS)))
            with connect(postgres_url) as conn:
                used = conn.execute("SELECT sum(requests) FROM poll_counts GROUP BY account").fetchall()
            assert max(row[0] for row in used) == LIMIT * 10 // 60


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_campaign_that_gets_jobs_meanwhile_has_not_ended(postgres_url: str, share: float) -> None:
    """The enqueue ends while the scheduler looks through the campaigns, of which many are older."""
    with connect(postgres_url) as conn:
        conn.execute(
            "WITH made AS (INSERT INTO campaigns (id, tenant, name)"
            " SELECT gen_random_uuid(), 'default', 'older ' || n FROM generate_series(1, 2000) n RETURNING id)"
            " INSERT INTO jobs (id, request, request_hash, gateways, campaign_id)"
            " SELECT gen_random_uuid(), '{}', '', '{ark}', id FROM made"
        )
        last = UUID(int=2**128 - 1)
        conn.execute("INSERT INTO campaigns (id, tenant, name) VALUES (%s, 'default', 'grows')", [last])
    with connect(postgres_url) as conn:
        began = time.monotonic()
        assert [item.id for item in end_campaigns(conn, 10)] == []
        took_s = time.monotonic() - began
        conn.execute("UPDATE campaigns SET settled = false WHERE id = %s", [last])
    with connect(postgres_url) as conn:
        assert ensure_campaign(conn, "default", "grows") == last
        new(conn, last)
        with ThreadPoolExecutor(1) as pool, connect(postgres_url) as other:
            ending = pool.submit(end_campaigns, other, 10)
            time.sleep(took_s * share)
            conn.commit()
            ending.result()
    with connect(postgres_url) as conn:
        assert conn.execute("SELECT settled FROM campaigns WHERE id = %s", [last]).fetchone() == (False,)

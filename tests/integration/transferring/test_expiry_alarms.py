"""A video that may be lost raises one alarm at each level of its URL's life, and is copied before all others."""

from __future__ import annotations

import base64
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
import redis
from celery import Celery

from storage.database import Database, connect
from storage.jobs import claims
from storage.settings import Settings
from tests.transfers import generated
from worker.scheduling.batches import MAX_WAITING
from worker.scheduling.dispatch import Dispatcher
from worker.scheduling.expiry_alarms import expiring_videos

URL = "https://cdn.example/v.mp4"
DAY_S = 86_400


def run(settings: Settings) -> int:
    with connect(settings.require_database_url()) as conn:
        return expiring_videos(conn, settings)


def age(settings: Settings, job_id: UUID, used: float) -> None:
    """Set a job's URL to have used up the share `used` of a life of one day."""
    with connect(settings.require_database_url()) as conn:
        conn.execute(
            "UPDATE jobs SET generated_at = now() - make_interval(secs => %s), "
            "video_expires_at = now() + make_interval(secs => %s) WHERE id = %s",
            [used * DAY_S, (1 - used) * DAY_S, job_id],
        )


def alarms(settings: Settings, job_id: UUID) -> list[dict[str, Any]]:
    with connect(settings.require_database_url()) as conn:
        sql = (
            "SELECT detail, source, target FROM job_events WHERE job_id = %s AND reason = 'video_expiring' ORDER BY id"
        )
        found = conn.execute(sql, [job_id]).fetchall()
    assert all(source == target for _, source, target in found), "an alarm does not change the state"
    return [detail for detail, _, _ in found]


def test_each_level_is_raised_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    job_id = generated(settings, URL)
    for used, percents in [
        (0.0, []),
        (0.49, []),
        (0.51, [50]),
        (0.60, [50]),
        (0.76, [50, 75]),
        (0.91, [50, 75, 90]),
        (0.99, [50, 75, 90]),
        (1.50, [50, 75, 90]),
    ]:
        age(settings, job_id, used)
        before = len(alarms(settings, job_id))
        assert run(settings) == len(percents) - before
        assert run(settings) == 0
        assert [alarm["percent"] for alarm in alarms(settings, job_id)] == percents
    levels = [record.levelno for record in caplog.records if record.name == "reelq.alarms"]
    assert levels == [logging.WARNING, logging.WARNING, logging.ERROR]
    assert f"job_id={job_id} percent=90" in caplog.text


def test_the_alarm_names_the_reason(settings: Settings) -> None:
    job_id = generated(settings, URL)
    age(settings, job_id, 0.95)
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET reason = 'url_not_public' WHERE id = %s", [job_id])
    assert run(settings) == 1
    [alarm] = alarms(settings, job_id)
    assert (alarm["percent"], alarm["because"]) == (90, "url_not_public"), "levels that were skipped raise one alarm"
    assert 0.04 * DAY_S <= alarm["left_s"] <= 0.05 * DAY_S


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        ("state = 'generating'", 1),
        ("object_key = 'videos/k.mp4', sha256 = 'a', size_bytes = 5", 0),
        (
            "state = 'succeeded', due_at = NULL, finished_at = now(), object_key = 'k', sha256 = 'a', size_bytes = 5",
            0,
        ),
        ("state = 'failed', due_at = NULL, finished_at = now(), error = '{}'", 0),
        ("state = 'generating', generated_at = NULL", 0),
        ("video_expires_at = NULL", 0),
    ],
)
def test_only_a_video_that_may_be_lost_raises_an_alarm(settings: Settings, change: str, raised: int) -> None:
    job_id = generated(settings, URL)
    age(settings, job_id, 0.8)
    with connect(settings.require_database_url()) as conn:
        conn.execute(f"UPDATE jobs SET {change} WHERE id = '{job_id}'")
    assert run(settings) == raised


def test_a_fresh_url_raises_no_level_twice(settings: Settings) -> None:
    job_id = generated(settings, URL)
    age(settings, job_id, 0.6)
    assert run(settings) == 1
    age(settings, job_id, 0.3)
    assert run(settings) == 0
    age(settings, job_id, 0.6)
    assert run(settings) == 0, "this level was raised already"
    age(settings, job_id, 0.8)
    assert run(settings) == 1


def test_two_schedulers_raise_an_alarm_once(settings: Settings) -> None:
    ids = [generated(settings, URL) for _ in range(30)]
    for job_id in ids:
        age(settings, job_id, 0.8)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: run(settings), range(12))) == 30
    assert all(len(alarms(settings, job_id)) == 1 for job_id in ids)


def test_an_alarm_leaves_the_lease_of_the_worker_valid(settings: Settings) -> None:
    job_id = generated(settings, URL)
    age(settings, job_id, 0.8)
    with connect(settings.require_database_url()) as conn:
        [claimed] = claims.claim_transfers(conn, 1, 60.0)
    assert run(settings) == 1
    with connect(settings.require_database_url()) as conn:
        assert claims.renew(conn, [(claimed.id, claimed.claim)], 60.0) == {job_id}


def test_a_place_in_the_queue_is_kept_for_links_that_expire_soon(settings: Settings, broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as client:
        client.rpush("transfer", *["waiting"] * (MAX_WAITING["transfer"] - 1))
        calm = [generated(settings, URL, age_s=10.0, left_s=1000.0) for _ in range(3)]
        urgent = [generated(settings, URL, age_s=1000.0, left_s=left_s) for left_s in (300.0, 100.0, 200.0)]
        app = Celery(broker=broker_url)
        app.conf.task_create_missing_queues = True
        dispatcher = Dispatcher(app, settings, Database(settings.require_database_url(), name="test", size=1))
        try:
            assert dispatcher.run() == 3
            [message] = [json.loads(body) for body in client.lrange("transfer", 0, -1) if body != b"waiting"]
            sent = [UUID(job_id) for job_id, _ in json.loads(base64.b64decode(message["body"]))[0][1]]
            assert sent == [urgent[1], urgent[2], urgent[0]], "the link that expires first comes first"
            assert dispatcher.run() == 0, "the queue is full"
            client.ltrim("transfer", 0, 1)
            assert dispatcher.run() == 3
        finally:
            dispatcher.close()
            dispatcher._database.close()
    with connect(settings.require_database_url()) as conn:
        leased = conn.execute("SELECT id FROM jobs WHERE due_at > now()").fetchall()
    assert {row[0] for row in leased} == {*calm, *urgent}

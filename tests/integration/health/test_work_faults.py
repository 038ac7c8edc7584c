"""Faults of the work: parts that do not run, releases that differ, links that end, webhooks that are stuck."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from producer import Producer
from producer.health.findings import Level
from producer.health.work import PARTS
from storage.database import connect
from storage.heartbeats import beat, own_version
from storage.settings import Settings
from tests.integration.api.api_server import S, bring, with_account
from tests.integration.health.diagnosis import assert_found, assert_well, diagnose


@pytest.fixture
def running(settings: Settings) -> Settings:
    """Settings of a system all of whose parts were just seen."""
    with connect(settings.require_database_url()) as conn:
        for part in PARTS:
            beat(conn, part, "host1:7")
    return settings


@pytest.fixture
def conn(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.require_database_url(), autocommit=True) as made:
        yield made


def test_parts_that_run_are_named_with_their_versions(running: Settings) -> None:
    found = diagnose(running, "database")
    for part in PARTS:
        assert_well(found, part)
    [said] = [one.message for one in found if one.part == "transfer"]
    assert said == f"running: host1:7 ({own_version()})"


def test_no_scheduler_and_no_worker_for_a_queue(running: Settings, conn: psycopg.Connection) -> None:
    conn.execute("DELETE FROM heartbeats WHERE component = 'scheduler'")
    conn.execute("UPDATE heartbeats SET seen_at = now() - interval '5 min' WHERE component = 'transfer'")
    found = diagnose(running, "database")
    assert assert_found(found, "no_scheduler", "celery -A worker beat").part == "scheduler"
    assert assert_found(found, "no_worker", "celery -A worker worker -Q transfer").part == "transfer"
    assert_well(found, "submit")


def test_releases_that_differ(running: Settings, conn: psycopg.Connection) -> None:
    conn.execute("UPDATE heartbeats SET version = '0.0.1' WHERE component = 'transfer'")
    conn.execute("UPDATE heartbeats SET version = '' WHERE component = 'poll'")
    finding = assert_found(
        diagnose(running, "database"), "versions_differ", "3 versions", "finish the upgrade", level=Level.WARN
    )
    assert "0.0.1: transfer host1:7" in finding.message and "an older version: poll host1:7" in finding.message


def test_links_that_end_and_webhooks_that_are_stuck(running: Settings, conn: psycopg.Connection) -> None:
    with Producer(with_account(running)) as producer:
        for prompt in ("one", "two", "three"):
            job = producer.enqueue(prompt)
            bring(producer, str(job.id), S.TRANSFERRING)
        conn.execute("UPDATE jobs SET video_expires_at = now() + interval '20 h'")
        conn.execute("UPDATE webhook_messages SET created_at = now() - interval '50 min'")
        calm = diagnose(producer.settings, "database")
        assert not {one.code for one in calm} & {"links_end", "webhooks_stuck"}
        conn.execute(
            "UPDATE jobs SET video_expires_at = now() + interval '40 min' WHERE request ->> 'prompt' IN ('one', 'two')"
        )
        conn.execute(
            "INSERT INTO webhook_messages (id, tenant, type, url, target, due_at, created_at) "
            "VALUES (gen_random_uuid(), 'acme', 'x', 'http://a.example', 'a', now(), now() - interval '3 h')"
        )
        found = diagnose(producer.settings, "database")
    assert_found(found, "links_end", "2 finished videos", "the first in 40 min", "the bucket and the transfer workers")
    assert_found(found, "webhooks_stuck", "3.0 h", "`reelq webhooks list`", level=Level.WARN)


def test_counts_of_rows_that_were_written_without_triggers(running: Settings, conn: psycopg.Connection) -> None:
    assert "counts_wrong" not in {one.code for one in diagnose(running, "database")}
    conn.execute("SET session_replication_role = replica")
    conn.execute(
        "INSERT INTO jobs (id, tenant, request, request_hash, gateways, state, due_at, finished_at) "
        "VALUES (gen_random_uuid(), 'acme', '{}', 'h', '{ark}', 'cancelled', NULL, now())"
    )
    conn.execute("RESET session_replication_role")
    found = diagnose(running, "database")
    assert_found(found, "counts_wrong", "jobs of acme", "`reelq db recount`", level=Level.WARN)

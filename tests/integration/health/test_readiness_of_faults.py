"""`/readyz` and the same faults: what takes the API out of service, what only warns, and what still takes jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from producer import Producer
from producer.api.monitoring import readiness
from producer.health.work import PARTS
from storage import revisions
from storage.admission.circuit_breaker import Cause
from storage.database import connect
from storage.heartbeats import beat
from storage.settings import Settings
from tests.claiming import close_account
from tests.integration.api.api_server import S, bring, serving, with_account
from tests.integration.health.diagnosis import rows
from tests.integration.health.test_database_faults import a_newer_release_upgrades
from tests.valkey import valkey
from tests.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a loaded machine keeps; results that hold for no time, so that each request looks."""
    monkeypatch.setattr(readiness, "CHECK_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(readiness, "FRESH_S", 1000.0)
    for name in ("WRITE_EVERY_S", "STORE_EVERY_S", "STORE_WRITE_EVERY_S", "WORK_EVERY_S"):
        monkeypatch.setattr(readiness, name, -1.0)


def all_parts_beat(url: str) -> None:
    with connect(url) as conn:
        for part in PARTS:
            beat(conn, part, "here")


@contextmanager
def ready(settings: Settings) -> Iterator[httpx.Client]:
    all_parts_beat(settings.require_database_url())
    with serving(settings) as api:
        assert api.get("/readyz").status_code == 200, api.get("/readyz").text
        yield api


def both(api: httpx.Client) -> tuple[int, int, dict[str, str], dict[str, str]]:
    """The status of `/readyz`, that of its form for load balancers, what is missing and the warnings."""
    jobs, intake = api.get("/readyz"), api.get("/readyz", params={"for": "intake"})
    report = jobs.json()
    assert set(report["warnings"]) <= set(rows())
    assert report["ready"] is (jobs.status_code == 200) and intake.json()["ready"] is (intake.status_code == 200)
    return jobs.status_code, intake.status_code, report["missing"], report["warnings"]


def test_a_broker_that_refuses_writes_stops_jobs_and_not_their_intake(settings: Settings, tmp_path: Path) -> None:
    with (
        valkey(tmp_path) as server,
        ready(with_account(settings.model_copy(update={"broker_url": server.url}))) as api,
    ):
        server.do("CONFIG", "SET", "maxmemory", "100kb")
        jobs, intake, missing, _ = both(api)
        assert (jobs, intake, set(missing)) == (503, 200, {"broker"})
        assert "raise its maxmemory" in missing["broker"]
        assert api.post("/v1/jobs", json={"prompt": "taken now, run later"}).status_code in (200, 201, 202)
        server.do("CONFIG", "SET", "maxmemory", 0)
        assert both(api)[:2] == (200, 200)
        server.do("CONFIG", "SET", "maxmemory", "200mb", "maxmemory-policy", "allkeys-lru")
        assert both(api)[:3] == (200, 200, {}) and "broker_evicts" in both(api)[3]


def test_a_bucket_that_refuses_writes_or_is_gone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with ready(settings) as api:
        shown = {"read": 0, "write": 0}
        monkeypatch.setattr(
            "storage.bucket.objects.Objects.check_bucket",
            lambda self, *, write=False: shown.update({"write" if write else "read": 1}),
        )
        assert both(api)[0] == 200 and shown["write"] == 1, "it is written to, not only read"
    gone = settings.model_copy(update={"s3_bucket": f"{settings.s3_bucket}-gone"})
    with serving(gone) as api:
        monkeypatch.undo()
        jobs, intake, missing, _ = both(api)
        assert (jobs, intake) == (503, 200) and "bucket" in missing


def test_a_database_that_only_reads_takes_no_jobs(settings: Settings, postgres_url: str) -> None:
    with ready(settings) as api:
        name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
        with psycopg.connect(postgres_url, autocommit=True) as conn:
            conn.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            try:
                conn.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                jobs, intake, missing, _ = both(api)
                assert (jobs, intake) == (503, 503) and "read-only" in missing["database"]
            finally:
                conn.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


@pytest.mark.parametrize("fits", [True, False])
def test_an_older_replica_stays_ready_on_a_newer_schema_that_fits(
    settings: Settings, empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: bool
) -> None:
    newest = revisions.newest_revision()
    oldest = newest if fits else f"{int(newest) + 1:04}"
    a_newer_release_upgrades(empty_postgres_url, tmp_path, monkeypatch, oldest)
    all_parts_beat(empty_postgres_url)
    with serving(settings.model_copy(update={"database_url": empty_postgres_url})) as api:
        jobs, intake, missing, _ = both(api)
    assert (jobs, intake) == ((200, 200) if fits else (503, 503)), missing
    assert fits or "this program is older than the schema" in missing["database"]


def test_what_is_no_reason_to_turn_jobs_away_warns_without_names_and_numbers(settings: Settings) -> None:
    ours = with_account(settings)
    acme = ours.accounts[0].model_copy(update={"name": "of-acme", "tenants": ("acme",)})
    ours = ours.model_copy(update={"accounts": (*ours.accounts, acme)})
    with ready(ours) as api, Producer(ours) as producer:
        with connect(ours.require_database_url()) as conn:
            close_account(conn, "of-acme", Cause.ACCOUNT, "no credit")
        assert both(api)[3] == {}, "an account of one tenant is no one else's business"
        bring(producer, str(producer.enqueue("a cat").id), S.TRANSFERRING)
        with connect(ours.require_database_url()) as conn:
            close_account(conn, "main", Cause.ACCOUNT, "no credit")
            conn.execute("UPDATE heartbeats SET version = '0.0.1' WHERE component = 'transfer'")
            conn.execute("UPDATE jobs SET video_expires_at = now() + interval '40 min'")
        jobs, intake, missing, warnings = both(api)
    assert (jobs, intake, missing) == (200, 200, {})
    assert set(warnings) == {"accounts_stopped", "versions_differ", "links_end"}
    assert not re.search(r"main|acme|here|credit|\d", " ".join(warnings.values()))


def test_no_worker_stops_jobs_and_not_their_intake(settings: Settings) -> None:
    with ready(settings) as api:
        with connect(settings.require_database_url()) as conn:
            conn.execute("DELETE FROM heartbeats WHERE component = 'submit'")
        assert both(api)[:2] == (503, 200)


def test_probes_leave_one_row_and_one_object(settings: Settings) -> None:
    with ready(settings) as api:
        for _ in range(5):
            assert api.get("/readyz").status_code == 200
    with connect(settings.require_database_url()) as conn:
        assert conn.execute("SELECT count(*) FROM heartbeats WHERE component = 'probe'").fetchone() == (1,)
    with redis.Redis.from_url(settings.require_broker_url()) as client:
        assert client.keys("*reelq-probe*") == []

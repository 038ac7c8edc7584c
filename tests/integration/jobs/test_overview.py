"""Counts, rates and searches over many jobs, against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from producer.client import Producer
from producer.operator_actions.waiting import why_it_waits
from storage.admission.circuit_breaker import Cause
from storage.campaigns.controls import is_paused, set_paused
from storage.database import Connection
from storage.jobs import search
from storage.jobs.search import FoundJobs, Search
from storage.jobs.states import JobState
from storage.reporting import overview
from storage.reporting.costs import recent_costs
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import close_account
from tests.integration.api.api_server import bring, with_account

S = JobState


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    with Producer(with_account(settings)) as made:
        yield made


@pytest.fixture
def conn(producer: Producer) -> Iterator[Connection]:
    with psycopg.connect(producer.settings.require_database_url(), autocommit=True) as made:
        yield made


def make(producer: Producer, count: int, campaign: str | None = None, **fields: object) -> list[UUID]:
    rows = [{"prompt": f"a Fox {number}", "duration": 5, **fields} for number in range(count)]
    return [job.id for job in producer.enqueue_many(rows, campaign=campaign)]


def test_counts_and_rates_are_those_of_one_tenant(producer: Producer, conn: Connection) -> None:
    ids = make(producer, 5, "spring")
    other = make(producer, 1)
    bring(producer, str(ids[0]), S.SUCCEEDED)
    bring(producer, str(ids[1]), S.FAILED)
    conn.execute("UPDATE jobs SET tenant = 'another' WHERE id = %s", [other[0]])
    assert overview.counts(conn, DEFAULT_TENANT) == {S.QUEUED: 3, S.SUCCEEDED: 1, S.FAILED: 1}
    spring = overview.campaign(conn, DEFAULT_TENANT, "spring")
    assert spring is not None
    assert overview.campaign(conn, "another", "spring") is None
    assert overview.campaign_counts(conn, [spring.id]) == {spring.id: {S.QUEUED: 3, S.SUCCEEDED: 1, S.FAILED: 1}}
    rate = overview.finished_lately(conn, DEFAULT_TENANT, 60, 10)
    assert len(rate.pieces) == 10
    assert sum(piece.get("succeeded", 0) for piece in rate.pieces) == 1
    assert sum(piece.get("failed", 0) for piece in rate.pieces) == 1
    assert not any(overview.finished_lately(conn, "another", 60, 10).pieces)
    own = overview.finished_in_campaign(conn, spring.id, (60, 3600), 10)
    assert own is not None
    assert sum(sum(piece.values()) for piece in own.pieces) == 2
    assert overview.finished_in_campaign(conn, uuid4(), (60, 3600), 10) is None
    [cost] = recent_costs(conn, DEFAULT_TENANT, 60.0)
    assert (cost.currency, cost.estimated_jobs) == ("USD", 2)
    assert recent_costs(conn, "another", 60.0) == []


def test_jobs_that_need_a_person_are_listed(producer: Producer, conn: Connection) -> None:
    held, soon, later = make(producer, 3)
    bring(producer, str(held), S.UNCONFIRMED)
    for job_id in (soon, later):
        bring(producer, str(job_id), S.TRANSFERRING)
    expiry = "UPDATE jobs SET video_expires_at = now() + make_interval(secs => %s) WHERE id = %s"
    conn.execute(expiry, [600, soon])
    conn.execute(expiry, [80_000, later])
    assert [job.id for job in overview.held(conn, DEFAULT_TENANT, 10)] == [held]
    assert [job.id for job in overview.expiring(conn, DEFAULT_TENANT, 10)] == [soon]
    assert overview.held(conn, "another", 10) == overview.expiring(conn, "another", 10) == []


def test_a_search_continues_page_by_page(producer: Producer, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = make(producer, 12, "spring")[::-1]
    tagged = make(producer, 2, tags=["red"], prompt="A Boat 100%")[::-1]
    bring(producer, str(ids[3]), S.FAILED)

    def pages(wanted: Search) -> list[FoundJobs]:
        found = [search.find(conn, wanted, limit=5)]
        while found[-1].next_before is not None:
            found.append(search.find(conn, wanted, before=found[-1].next_before, limit=5))
        return found

    def everything(wanted: Search) -> list[UUID]:
        return [job_id for page in pages(wanted) for job_id in page.ids]

    spring = overview.campaign(conn, DEFAULT_TENANT, "spring")
    assert spring is not None
    assert everything(Search(DEFAULT_TENANT)) == [*tagged, *ids]
    assert everything(Search(DEFAULT_TENANT, campaign=spring.id)) == ids
    assert everything(Search(DEFAULT_TENANT, [S.FAILED])) == [ids[3]]
    assert everything(Search(DEFAULT_TENANT, [S.FAILED], campaign=spring.id, account="main")) == [ids[3]]
    assert everything(Search(DEFAULT_TENANT, tag="red")) == tagged
    assert everything(Search(DEFAULT_TENANT, tag="red", campaign=spring.id)) == []
    assert everything(Search(DEFAULT_TENANT, text="boat 100%")) == tagged
    assert everything(Search("another")) == everything(Search("another", tag="red")) == []
    monkeypatch.setattr(search, "LOOKED_AT", 6)
    looked = pages(Search(DEFAULT_TENANT, text="fox 1"))
    assert [job_id for page in looked for job_id in page.ids] == [ids[0], ids[1], ids[10]]
    assert [page.looked_at for page in looked] == [6, 6, None]


def test_a_job_is_found_by_what_is_known_of_it(producer: Producer, conn: Connection) -> None:
    job = producer.enqueue("a fox", idempotency_key="order-7")
    for typed in (str(job.id), job.id.hex[:11], f" {str(job.id)[:10].upper()} "):
        assert search.by_id(conn, DEFAULT_TENANT, typed, 5) == [job.id]
        assert search.by_id(conn, "another", typed, 5) == []
    assert search.by_id(conn, DEFAULT_TENANT, "fox", 5) == search.by_id(conn, DEFAULT_TENANT, "abc", 5) == []
    assert search.by_key(conn, DEFAULT_TENANT, "order-7") == job.id
    assert search.by_key(conn, "another", "order-7") is None


def test_a_job_of_a_paused_campaign_is_known_as_such(producer: Producer, conn: Connection) -> None:
    [in_campaign] = make(producer, 1, "spring")
    [alone] = make(producer, 1)
    assert not is_paused(conn, in_campaign)
    assert set_paused(conn, DEFAULT_TENANT, "spring", paused=True)
    assert is_paused(conn, in_campaign)
    assert not is_paused(conn, alone)


def test_a_job_waits_for_accounts_that_are_not_paused(producer: Producer, conn: Connection) -> None:
    main = producer.settings.accounts[0]
    accounts = (main.model_copy(update={"max_in_flight": 1}), main.model_copy(update={"name": "paused"}))
    settings = producer.settings.model_copy(update={"accounts": accounts})
    running, waiting = make(producer, 2)
    close_account(conn, "paused", Cause.ACCOUNT, "no credit")

    def why() -> list[str]:
        found = why_it_waits(conn, settings, producer.get(waiting))
        return [wait.code for wait in found if wait.code != "parts_silent"]

    assert why() == [], "the other account may serve it"
    bring(producer, str(running), S.GENERATING)
    assert why() == ["slots_taken", "suspended"]

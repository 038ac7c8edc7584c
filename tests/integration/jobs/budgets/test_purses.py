"""What a purse pays for jobs, also for those that are changed while they wait, against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from storage.actors import acting, actor_of_key
from storage.campaigns.changes import change_queued
from storage.database import Connection, connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.settings import Settings
from storage.tenants import keys
from storage.tenants.purses import PurseExhausted, purse_of, set_purse

Key = Callable[[float | None], str]


@pytest.fixture
def conn(settings: Settings) -> Iterator[Connection]:
    with connect(settings.require_database_url()) as made:
        yield made


@pytest.fixture
def key(conn: Connection) -> Key:
    """Makes keys with a purse of an amount in USD, or with none; returns their ids."""

    def make(amount: float | None) -> str:
        key_id = keys.key_id(keys.new_key(conn, "shop", "agent", ["enqueue"])[0]) or ""
        if amount is not None:
            set_purse(conn, key_id, Decimal(amount), "USD")
        return key_id

    return make


def job(price: float, currency: str = "USD") -> NewJob:
    return NewJob(new_job_id(), {"prompt": "a"}, "h", ["ark"], "shop", prices={"main": {currency: price}})


def enqueued(conn: Connection, key_id: str, price: float) -> NewJob:
    with acting(actor_of_key("agent", key_id)):
        new = job(price)
    enqueue_jobs(conn, [new])
    return new


def change(conn: Connection, key_id: str | None, old: NewJob, price: float) -> None:
    with acting(None if key_id is None else actor_of_key("agent", key_id)), conn.transaction():
        assert change_queued(conn, [replace(job(price), id=old.id)]) == {old.id}


def used(conn: Connection, key_id: str) -> float:
    found = purse_of(conn, key_id)
    assert found is not None
    return float(found.used)


def test_the_purse_that_paid_pays_the_new_price(conn: Connection, key: Key) -> None:
    agent = key(5)
    mine, other = enqueued(conn, agent, 2), enqueued(conn, agent, 1)
    change(conn, None, mine, 4)  # by a person without a purse
    assert used(conn, agent) == 5
    with pytest.raises(PurseExhausted, match=r"may cost up to 2.00 USD, and .* 1.00 USD left"):
        change(conn, agent, other, 2)
    change(conn, agent, mine, 3)
    change(conn, agent, other, 2)
    assert used(conn, agent) == 5


def test_a_purse_that_was_made_smaller_or_removed_refuses_nothing_that_costs_no_more(
    conn: Connection, key: Key
) -> None:
    agent = key(5)
    mine = enqueued(conn, agent, 4)
    set_purse(conn, agent, Decimal(1), "USD")
    change(conn, agent, mine, 4)  # such as another priority
    change(conn, agent, mine, 3)
    with pytest.raises(PurseExhausted):
        change(conn, agent, mine, 4)
    assert used(conn, agent) == 3
    set_purse(conn, agent, None)
    change(conn, agent, mine, 9)


def test_no_key_spends_from_the_purse_of_another(conn: Connection, key: Key) -> None:
    poor, rich, free = key(2), key(100), key(None)
    theirs, operators = enqueued(conn, rich, 1), enqueued(conn, free, 1)
    for dear in (theirs, operators):
        with pytest.raises(PurseExhausted):
            change(conn, poor, dear, 50)
    change(conn, poor, theirs, 1)
    assert (used(conn, poor), used(conn, rich)) == (0, 1), "it grew no dearer"
    change(conn, poor, theirs, 2)
    assert (used(conn, poor), used(conn, rich)) == (2, 0), "who makes it dearer pays"
    change(conn, free, theirs, 1)
    assert used(conn, poor) == 1


def test_a_job_that_may_run_where_no_price_is_known_is_refused(conn: Connection, key: Key) -> None:
    agent = key(5)
    with acting(actor_of_key("agent", agent)):
        half = NewJob(
            new_job_id(), {"prompt": "a"}, "h", ["ark"], "shop", prices={"main": {"USD": 1.0}, "other": {"CNY": 90.0}}
        )
        unpriced = replace(half, id=new_job_id(), prices={"main": {"USD": 1.0}, "other": {}})
    for new in (half, unpriced):
        with pytest.raises(PurseExhausted, match="no price is known in USD"), conn.transaction():
            enqueue_jobs(conn, [new])
    enqueue_jobs(conn, [replace(half, id=new_job_id(), prices={"main": {"USD": 1.0}})])
    assert used(conn, agent) == 1

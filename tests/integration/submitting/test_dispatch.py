"""The messages that one round of the scheduler sends, against a real PostgreSQL and a real broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from celery import Celery

from seedance.account import Account
from storage.database import Database, connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.settings import Settings
from worker.scheduling.admission import SUBMIT_BATCH
from worker.scheduling.batches import MAX_SUBMITS_A_TICK, MAX_WAITING
from worker.scheduling.dispatch import Dispatcher


def settings_of(postgres_url: str, accounts: int, slots: int) -> Settings:
    fields = {"gateway": "anyfast", "base_url": "https://g.example", "api_key": "sk-1", "max_in_flight": slots}
    configured = [Account.model_validate(fields | {"name": f"a{number}"}) for number in range(accounts)]
    return Settings.model_validate({"database_url": postgres_url, "accounts": configured})


def enqueue(postgres_url: str, count: int) -> None:
    with connect(postgres_url) as conn:
        enqueue_jobs(conn, [NewJob(new_job_id(), {"prompt": "a cat"}, "h", ["anyfast"]) for _ in range(count)])


@contextmanager
def dispatching(settings: Settings, broker_url: str) -> Iterator[Dispatcher]:
    app = Celery(broker=broker_url)
    app.conf.task_create_missing_queues = True
    database = Database(settings.require_database_url(), name="test", size=1)
    dispatcher = Dispatcher(app, settings, database)
    try:
        yield dispatcher
    finally:
        dispatcher.close()
        database.close()


def test_a_round_fills_the_slots_of_every_account(postgres_url: str, broker_url: str) -> None:
    accounts = 3 * MAX_WAITING["submit"]
    settings = settings_of(postgres_url, accounts, slots=2)
    enqueue(postgres_url, 3 * accounts)
    with dispatching(settings, broker_url) as dispatcher, redis.Redis.from_url(broker_url) as client:
        assert dispatcher.run() == 2 * accounts
        assert client.llen("submit") == accounts, "a message for each account"
    with connect(postgres_url) as conn:
        given = Counter(row[0] for row in conn.execute("SELECT account FROM jobs WHERE account IS NOT NULL"))
    assert given == {f"a{number}": 2 for number in range(accounts)}


def test_no_more_messages_are_sent_than_the_queue_may_hold(postgres_url: str, broker_url: str) -> None:
    room = MAX_WAITING["submit"] * SUBMIT_BATCH
    settings = settings_of(postgres_url, accounts=3, slots=room)
    enqueue(postgres_url, room + 100)
    with dispatching(settings, broker_url) as dispatcher, redis.Redis.from_url(broker_url) as client:
        rounds = room // MAX_SUBMITS_A_TICK
        assert [dispatcher.run() for _ in range(rounds)] == [MAX_SUBMITS_A_TICK] * rounds
        assert client.llen("submit") == MAX_WAITING["submit"]
        assert dispatcher.run() == 0, "the queue is full"

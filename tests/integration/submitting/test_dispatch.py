"""The messages that one round of the scheduler sends, against a real PostgreSQL and a real broker."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import redis
from celery import Celery

from seedance.account import Account
from storage.database import Database, DatabaseUnavailable, connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.settings import Settings
from storage.waking.hints import Due
from tests.waiting import wait_for
from worker.scheduling import dispatch
from worker.scheduling.batches import MAX_SUBMITS_A_ROUND, MAX_WAITING, SLOW_SUBMITS, SUBMIT_BATCH
from worker.scheduling.dispatch import Batch, Dispatcher
from worker.scheduling.envelopes import Envelopes


def settings_of(postgres_url: str, accounts: int, slots: int) -> Settings:
    fields = {"gateway": "anyfast", "base_url": "https://g.example", "api_key": "sk-1", "max_in_flight": slots}
    configured = [Account.model_validate(fields | {"name": f"a{number}"}) for number in range(accounts)]
    return Settings.model_validate({"database_url": postgres_url, "accounts": configured})


_GENERATING = """
INSERT INTO jobs (id, request, request_hash, gateways, state, account, attempt, gateway_task_id)
SELECT gen_random_uuid(), '{}', '', '{anyfast}', 'generating', 'a0', 1, gen_random_uuid()::text
FROM generate_series(1, 5)
"""


def enqueue(postgres_url: str, count: int) -> None:
    with connect(postgres_url) as conn:
        enqueue_jobs(conn, [NewJob(new_job_id(), {"prompt": "a cat"}, "h", ["anyfast"]) for _ in range(count)])


@contextmanager
def dispatching(settings: Settings, broker_url: str, connections: int = 1) -> Iterator[Dispatcher]:
    app = Celery(broker=broker_url)
    app.conf.task_create_missing_queues = True
    database = Database(settings.require_database_url(), name="test", size=connections)
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


def test_rounds_follow_until_the_queue_is_full(
    postgres_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SLOW_S", 60.0)
    room = MAX_WAITING["submit"] * SUBMIT_BATCH
    settings = settings_of(postgres_url, accounts=3, slots=room)
    enqueue(postgres_url, room + 100)
    with dispatching(settings, broker_url) as dispatcher, redis.Redis.from_url(broker_url) as client:
        sent = 0
        while True:
            assert dispatcher.run() == MAX_SUBMITS_A_ROUND
            sent += MAX_SUBMITS_A_ROUND
            if not dispatcher.more:
                break
            assert dispatcher.more == {Due.SUBMIT}, "the next round need not wait for a tick"
        assert sent == room
        assert client.llen("submit") == MAX_WAITING["submit"]
        assert dispatcher.run() == 0, "the queue is full"
        assert not dispatcher.more


@pytest.mark.parametrize(("submitters", "messages"), [(0, 2), (1, 1), (2, 2)], ids=["not known", "one", "two"])
def test_a_round_of_submits_is_one_message_for_each_worker(
    postgres_url: str, broker_url: str, submitters: int, messages: int
) -> None:
    settings = settings_of(postgres_url, accounts=1, slots=1000)
    enqueue(postgres_url, MAX_SUBMITS_A_ROUND)
    with dispatching(settings, broker_url) as dispatcher, redis.Redis.from_url(broker_url) as client:
        dispatcher.submitters = submitters
        assert dispatcher.run() == MAX_SUBMITS_A_ROUND
        assert client.llen("submit") == messages


def test_a_round_claims_fewer_submits_while_claims_of_them_take_long(
    postgres_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(postgres_url, accounts=3, slots=1000)
    enqueue(postgres_url, 400)
    with dispatching(settings, broker_url) as dispatcher, redis.Redis.from_url(broker_url) as client:
        claimed = []
        for slow_s in (0.0, 60.0, 60.0):
            monkeypatch.setattr(dispatch, "SLOW_S", slow_s)
            claimed.append(dispatcher.run())
            client.delete("submit")
    assert claimed == [MAX_SUBMITS_A_ROUND, SLOW_SUBMITS, MAX_SUBMITS_A_ROUND]


def test_a_round_looks_at_the_queue_itself_when_no_other_work_is_asked_for(postgres_url: str, broker_url: str) -> None:
    settings = settings_of(postgres_url, accounts=1, slots=1)
    with dispatching(settings, broker_url) as dispatcher, redis.Redis.from_url(broker_url) as client:
        client.rpush("submit", *["waiting"] * MAX_WAITING["submit"])
        assert dispatcher.run() == 0, "it finds nothing, and has no room for submits"
        client.delete("submit")
        enqueue(postgres_url, 1)
        assert dispatcher.run(queues={Due.SUBMIT}) == 1


@pytest.fixture
def long_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim counts as a long one."""
    monkeypatch.setattr(dispatch, "LONG_S", 0.0)


@pytest.mark.usefixtures("long_claims")
def test_polls_are_sent_while_submits_are_claimed(postgres_url: str, broker_url: str) -> None:
    settings = settings_of(postgres_url, accounts=1, slots=11)
    enqueue(postgres_url, 6)
    with (
        dispatching(settings, broker_url, connections=2) as dispatcher,
        redis.Redis.from_url(broker_url) as client,
    ):
        assert dispatcher.run() == 6, "it sees that jobs are queued"
        with connect(postgres_url) as conn:
            conn.execute("UPDATE jobs SET account = NULL, due_at = now()")
            conn.execute(_GENERATING)

        def may_submit(_: object) -> bool:
            return bool(wait_for("the polls are sent", lambda: client.llen("poll"), 10.0))

        assert dispatcher.run(may_submit) == 5 + 6


@pytest.mark.usefixtures("long_claims")
def test_submits_that_were_claimed_beside_a_failure_are_released(
    postgres_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(postgres_url, accounts=1, slots=4)
    enqueue(postgres_url, 4)
    with dispatching(settings, broker_url, connections=2) as dispatcher:
        assert dispatcher.run(lambda _: True) == 4
        with connect(postgres_url) as conn:
            conn.execute("UPDATE jobs SET account = NULL, due_at = now()")
            conn.execute(_GENERATING)
            conn.execute("UPDATE jobs SET account = 'elsewhere' WHERE state = 'generating'")

        def fail(*_: object) -> Iterator[Batch]:
            raise DatabaseUnavailable("gone")

        monkeypatch.setattr(dispatcher, "claim_work", fail)
        with pytest.raises(DatabaseUnavailable):
            dispatcher.run()
    with connect(postgres_url) as conn:
        rows = conn.execute("SELECT claim, account FROM jobs WHERE state = 'queued' AND due_at <= now()").fetchall()
    assert rows == [(2, None)] * 4, "claimed again, and free for the next round"


@pytest.mark.usefixtures("long_claims")
def test_an_account_gets_its_polls_and_its_submits_in_one_round(postgres_url: str, broker_url: str) -> None:
    """Its limit of polls is locked apart from its slots."""
    settings = settings_of(postgres_url, accounts=1, slots=7)
    limited = settings.accounts[0].model_copy(update={"polls_per_minute": 600})
    settings = settings.model_copy(update={"accounts": (limited,)})
    with dispatching(settings, broker_url, connections=2) as dispatcher:
        enqueue(postgres_url, 1)
        assert dispatcher.run() == 1
        for _ in range(5):
            with connect(postgres_url) as conn:
                conn.execute("DELETE FROM jobs")
                conn.execute(_GENERATING)
            enqueue(postgres_url, 2)
            assert dispatcher.run() == 5 + 2


def test_a_message_is_as_celery_makes_it(broker_url: str) -> None:
    app = Celery(broker=broker_url)
    app.conf.task_create_missing_queues = True
    args = ["main", [[str(new_job_id()), 3], [str(new_job_id()), 1]]]
    with redis.Redis.from_url(broker_url) as client:
        app.send_task("worker.poll", args=args, argsrepr="main, 2 jobs", queue="poll", declare=[], retry=False)
        envelopes = Envelopes(app)
        client.lpush("poll", *(envelopes.message("worker.poll", "poll", args, "main, 2 jobs") for _ in range(2)))
        by_celery, *ours = (opened(client) for _ in range(3))
    assert [message for message, _ in ours] == [by_celery[0]] * 2
    assert len({name for _, names in (by_celery, *ours) for name in names}) == 6, "each has names of its own"


def opened(client: redis.Redis) -> tuple[dict[str, Any], set[str]]:
    """The next message, without the names of this one: of its task, and of its delivery."""
    message: dict[str, Any] = json.loads(cast(bytes, client.rpop("poll")))
    message["body"] = json.loads(base64.b64decode(message["body"]))
    properties = message["properties"]
    names = {message["headers"].pop("id"), message["headers"].pop("root_id"), properties.pop("correlation_id")}
    return message, names | {properties.pop("delivery_tag")}


def test_a_claim_that_fails_stops_no_other_queue(postgres_url: str, broker_url: str) -> None:
    """As with a trigger that another program has put on the table, or with a row of an unexpected kind."""
    settings = settings_of(postgres_url, accounts=1, slots=50)
    enqueue(postgres_url, 2)
    with connect(postgres_url) as conn:
        conn.execute(
            "INSERT INTO jobs (id, request, request_hash, gateways, state, account, attempt, gateway_task_id,"
            " video_url) SELECT gen_random_uuid(), '{}', '', '{anyfast}', state, 'a0', 1, state, 'https://files.example/a.mp4'"
            " FROM unnest(ARRAY['generating', 'transferring', 'submitting']) AS state"
        )
        conn.execute(
            "CREATE FUNCTION no_polls() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no polls' USING ERRCODE = 'data_exception'; END $$"
        )
        conn.execute(
            "CREATE TRIGGER no_polls BEFORE UPDATE ON jobs FOR EACH ROW WHEN (OLD.state = 'generating')"
            " EXECUTE FUNCTION no_polls()"
        )
    with dispatching(settings, broker_url) as dispatcher, redis.Redis.from_url(broker_url) as client:
        assert dispatcher.run() == 3
        assert [client.llen(queue) for queue in ("transfer", "poll", "submit")] == [1, 0, 1]

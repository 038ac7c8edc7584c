"""Hints on a real broker: given after a commit, taken by a scheduler that waits, and harmless in any other case."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import redis

from producer import Producer
from storage.broker_url import parse_broker_url
from storage.database import connect
from storage.jobs import callbacks, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.waking.database import HintingDatabase
from storage.waking.hints import KEY, Due, Hints, note_due
from tests.integration.api.api_server import with_account
from tests.servers import environ_for
from tests.transfers import generated
from tests.valkey import valkey
from tests.waiting import PATIENCE_S, wait_for
from worker.scheduling import hinted
from worker.scheduling.hinted import HintedWait

URL = "https://files.example/video.mp4"


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def waiting(broker_url: str) -> Iterator[HintedWait]:
    with closing(HintedWait(parse_broker_url(broker_url))) as wait:
        yield wait


def given(broker: redis.Redis) -> set[str]:
    return {str(hint) for hint in broker.zrange(KEY, 0, -1)}


def heard(waiting: HintedWait) -> set[str]:
    """The next hints, whenever they come."""
    found: set[str] = set()

    def any_heard() -> bool:
        found.update(waiting.wait(0.1))
        return bool(found)

    wait_for("a hint", any_heard)
    return found


def test_hints_of_the_same_kind_are_one(broker_url: str, broker: redis.Redis, waiting: HintedWait) -> None:
    with closing(Hints(parse_broker_url(broker_url))) as hints:
        for _ in range(1000):
            hints.give({Due.TRANSFER})
        hints.give({Due.SUBMIT})
        wait_for("all are sent", lambda: given(broker) == {Due.TRANSFER, Due.SUBMIT})
    assert heard(waiting) == {Due.TRANSFER, Due.SUBMIT}
    assert not given(broker)


def test_a_hint_that_comes_during_the_wait_ends_it(broker_url: str, broker: redis.Redis, waiting: HintedWait) -> None:
    assert waiting.wait(0.01) == frozenset()
    wait_for("the broker is asked", lambda: int(broker.info("clients")["blocked_clients"]) == 1)
    with closing(Hints(parse_broker_url(broker_url))) as hints:
        hints.give({Due.POLL})
        assert waiting.wait(PATIENCE_S) == {Due.POLL}


def test_forged_hints_are_ignored(broker: redis.Redis, waiting: HintedWait) -> None:
    broker.zadd(KEY, {f"forged {number}": number for number in range(1000)} | {"notify": -1.0, "\x00": -2.0})
    assert heard(waiting) == {Due.NOTIFY}


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_connection_is_made_again(
    broker: redis.Redis, waiting: HintedWait, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    monkeypatch.setattr(hinted, "AGAIN_S", 0.0)
    assert waiting.wait(0.01) == frozenset()
    if taken:
        assert broker.client_kill_filter(_type="normal", skipme=True)
    else:
        monkeypatch.setattr(hinted, "BLOCK_S", -10.0)  # the broker has not answered for too long
        assert waiting.wait(0.01) == frozenset()
        monkeypatch.undo()
    broker.zadd(KEY, {Due.SUBMIT: 0.0})
    assert heard(waiting) == {Due.SUBMIT}


def test_a_user_without_the_right_goes_on_without_hints(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hinted, "REFUSED_AGAIN_S", 0.0)
    with valkey(tmp_path) as server:
        server.do("ACL", "SETUSER", "narrow", "on", ">secret", "resetkeys", "~submit*", "+@all", "-@dangerous")
        target = parse_broker_url(f"redis://narrow:secret@127.0.0.1:{server.port}/0")
        with (
            caplog.at_level(logging.WARNING, "reelq.hints"),
            closing(HintedWait(target)) as waiting,
            closing(Hints(target)) as hints,
        ):
            hints.give({Due.SUBMIT})
            wait_for(
                "both ends say it",
                lambda: waiting.wait(0.05) == frozenset() and len(caplog.records) > 1,
            )
            assert [waiting.wait(0.05) for _ in range(3)] == [frozenset()] * 3
        said = sorted(record.getMessage().split()[0] for record in caplog.records)
        assert said == ["hints.not_read", "hints.not_sent"], "each end says it once"


def test_a_host_that_cannot_be_encoded_is_a_warning(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "reelq.hints"), closing(Hints(parse_broker_url("redis://a..b/0"))) as hints:
        hints.give({Due.SUBMIT})
        wait_for("it is said", lambda: "hints.not_sent" in caplog.text)
    assert "Traceback" not in capfd.readouterr().err


# --- who gives them ---


def test_a_job_is_enqueued_also_where_no_thread_can_be_started(
    settings: Settings, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "reelq-hints":
            raise RuntimeError("can't start new thread")
        start(thread)

    with Producer(with_account(settings)) as producer:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            assert producer.enqueue("a cat")
        assert not given(broker)
        producer.enqueue("a dog")
    assert given(broker) == {Due.SUBMIT}, "the next hint tries again"


def test_a_hint_is_given_after_the_commit_and_only_then(settings: Settings, broker: redis.Redis) -> None:
    with closing(HintingDatabase(settings, name="test", size=1)) as database:
        with suppress(ZeroDivisionError), database.begin() as conn:
            note_due(conn, Due.NOTIFY)
            raise ZeroDivisionError
        with database.begin() as conn:
            note_due(conn, Due.SUBMIT)
            assert not given(broker)
        with database.begin():
            """Makes nothing due."""
    assert given(broker) == {Due.SUBMIT}, "closing the database sends what is left"


def test_a_new_job_gives_a_hint(settings: Settings, broker: redis.Redis) -> None:
    with Producer(with_account(settings)) as producer:
        producer.enqueue("a cat")
    assert given(broker) == {Due.SUBMIT}


def test_a_producer_may_do_without(settings: Settings, broker: redis.Redis) -> None:
    with Producer(with_account(settings), hints=False) as producer:
        producer.enqueue("a cat")
    assert not given(broker)


def test_a_found_video_gives_a_hint_and_a_message_does(settings: Settings, broker: redis.Redis) -> None:
    job_id = generated(settings, URL)
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET state = 'generating', webhook_url = 'https://hook.example'")
    with closing(HintingDatabase(settings, name="test", size=1)) as database, database.begin() as conn:
        transitions.move(conn, [Move(job_id, (JobState.GENERATING,), JobState.TRANSFERRING, Reason.GENERATED)])
    assert given(broker) == {Due.TRANSFER}
    broker.delete(KEY)
    with closing(HintingDatabase(settings, name="test", size=1)) as database, database.begin() as conn:
        transitions.move(conn, [Move(job_id, (JobState.TRANSFERRING,), JobState.CANCELLED, Reason.CANCELLED)])
    assert given(broker) == {Due.NOTIFY}


def test_work_that_is_due_later_gives_none(settings: Settings, broker: redis.Redis) -> None:
    job_id = generated(settings, URL)
    again = Move(job_id, (JobState.TRANSFERRING,), JobState.TRANSFERRING, Reason.DOWNLOAD_FAILED, due_in_s=5.0)
    with closing(HintingDatabase(settings, name="test", size=1)) as database, database.begin() as conn:
        assert transitions.move(conn, [again])
    assert not given(broker)


def test_a_callback_gives_a_hint_for_the_poll(settings: Settings, broker: redis.Redis) -> None:
    job_id = generated(settings, URL)
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET state = 'generating', due_at = now() + interval '1 hour'")
        conn.execute(
            "INSERT INTO attempts (job_id, number, account, gateway, model, callback_hash) "
            "VALUES (%s, 1, 'main', 'anyfast', 'seedance', %s)",
            [job_id, callbacks.hash_token("token")],
        )
    with closing(HintingDatabase(settings, name="test", size=1)) as database, database.begin() as conn:
        assert callbacks.hint(conn, "anyfast", "token", "task-1", unfinished=True) == job_id
        assert callbacks.hint(conn, "anyfast", "another", "task-1") is None
    assert not given(broker)
    with closing(HintingDatabase(settings, name="test", size=1)) as database, database.begin() as conn:
        assert callbacks.hint(conn, "anyfast", "token", "task-1") == job_id
    assert given(broker) == {Due.POLL}


# A process that forks while the thread of its first hint still imports the client of the broker.
FORKING = """
import os, signal, sys, time
from storage.broker_url import parse_broker_url
from storage.waking.hints import Hints
hints = Hints(parse_broker_url(sys.argv[1]))
hints.give({"submit"})
while "redis" not in sys.modules:
    time.sleep(0.001)
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.alarm(20)
import redis
os._exit(not redis.Redis)
"""


def test_a_child_can_import_what_its_parent_was_importing(broker_url: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING, broker_url], timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, "the child waits for ever"


# --- end to end ---

# A scheduler that works, and then finds nothing at its ticks.
SCHEDULER = """
from worker.app import app
from worker.scheduling.scheduler import DueScheduler
scheduler = DueScheduler(app=app)
while not scheduler._works:
    scheduler.tick()
scheduler._round = lambda: True
print("waits", flush=True)
while True:
    scheduler.tick()
"""


def test_a_scheduler_that_waits_sends_a_found_video(settings: Settings, broker: redis.Redis) -> None:
    job_id = generated(settings, URL)
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE jobs SET state = 'generating', due_at = now() + interval '1 hour'")
    environ = {**os.environ, **environ_for(settings)}
    process = subprocess.Popen([sys.executable, "-c", SCHEDULER], env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        assert broker.llen("transfer") == 0
        with closing(HintingDatabase(settings, name="test", size=1)) as database, database.begin() as conn:
            transitions.move(conn, [Move(job_id, (JobState.GENERATING,), JobState.TRANSFERRING, Reason.GENERATED)])
        wait_for("its message", lambda: broker.llen("transfer") == 1)
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


# A scheduler that ticks until it works, at most a few times.
FEW_TICKS = """
from worker.app import app
from worker.scheduling.scheduler import DueScheduler
scheduler = DueScheduler(app=app)
ticks = 0
while not scheduler._works and ticks < 10:
    scheduler.tick()
    ticks += 1
scheduler.close()
"""


def test_a_duty_that_fails_holds_up_no_claim(settings: Settings, broker: redis.Redis) -> None:
    """As with a trigger that another program has put on the table, or with a row of an unexpected kind."""
    generated(settings, URL)
    with connect(settings.require_database_url()) as conn:
        conn.execute(
            "INSERT INTO jobs (id, request, request_hash, gateways, deadline_at)"
            " VALUES (gen_random_uuid(), '{}', '', '{ark}', now())"
        )
        conn.execute(
            "CREATE FUNCTION no_ends() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no ends' USING ERRCODE = 'data_exception'; END $$"
        )
        conn.execute(
            "CREATE TRIGGER no_ends BEFORE UPDATE ON jobs FOR EACH ROW WHEN (OLD.state = 'queued')"
            " EXECUTE FUNCTION no_ends()"
        )
    environ = {**os.environ, **environ_for(settings)}
    subprocess.run([sys.executable, "-c", FEW_TICKS], env=environ, timeout=PATIENCE_S, check=True)
    assert broker.llen("transfer") >= 1

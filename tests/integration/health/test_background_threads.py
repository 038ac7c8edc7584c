"""Threads that serve a whole process go on after an error that was not foreseen."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import pytest

from producer.client import Producer
from producer.http.events import EventHub
from producer.http.service import FOLLOW_S
from storage.accounts import changes
from storage.actors import acting
from storage.bucket.requests import StoreUnavailable
from storage.database import connect
from storage.sealing import new_master_key
from storage.settings import Settings
from tests.integration.api.api_server import serving, with_account
from tests.integration.restores.test_journal_segments import post
from tests.waiting import PATIENCE_S, wait_for
from worker import lifecycle
from worker.journal import Journal
from worker.leases import KeptLeases
from worker.runtime import Runtime
from worker.transferring.leases import Leases

FUNCTION = """CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'refused by a trigger'; END $$"""


@contextmanager
def refused(settings: Settings, table: str) -> Iterator[None]:
    """A trigger of the operator's refuses each write to a table: an error, but none of the connection."""
    url = settings.require_database_url()
    with connect(url) as conn:
        conn.execute(FUNCTION)
        conn.execute(f"CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION refuse()")
    yield
    with connect(url) as conn:
        conn.execute(f"DROP TRIGGER IF EXISTS refuse ON {table}")


def beats(settings: Settings, component: str) -> bool:
    with connect(settings.require_database_url()) as conn:
        query = "SELECT FROM heartbeats WHERE component = %s AND seen_at > now() - interval '5 seconds'"
        return conn.execute(query, [component]).fetchone() is not None


def test_an_api_follows_accounts_after_a_row_that_it_cannot_read(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: the thread died, and the API used the accounts of that moment until it was started again."""
    configured = Settings.model_validate(with_account(settings).model_dump() | {"master_key": new_master_key()})
    with serving(configured) as api:
        with connect(settings.require_database_url()) as conn, acting("test"):
            fields = {"gateway": "anyfast"}
            changes.add_account(conn, configured, "later", fields, {"api_key": "sk-secret-of-later"})
            conn.execute("UPDATE accounts SET settings = jsonb_build_array(settings)")
        wait_for("it says so", lambda: "accounts.unavailable" in caplog.text)
        time.sleep(3 * FOLLOW_S)
        assert caplog.text.count("accounts.unavailable") == 1, "one line, not one for each attempt"
        with connect(settings.require_database_url()) as conn:
            conn.execute("UPDATE accounts SET settings = settings -> 0")

        def known() -> bool:
            return "later" in [account["name"] for account in api.get("/v1/accounts").json()["accounts"]]

        wait_for("the account is known", known)


def test_an_api_beats_again_after_a_write_was_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("producer.api.monitoring.heartbeat.EVERY_S", 0.2)
    with serving(with_account(settings)):
        with refused(settings, "heartbeats"):
            wait_for("it says so", lambda: "heartbeat.missed" in caplog.text)
            with connect(settings.require_database_url()) as conn:
                conn.execute("DELETE FROM heartbeats")
        wait_for("it beats", lambda: beats(settings, "api"))


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    made = Runtime(settings)
    yield made
    made.close()


def test_a_worker_beats_again_after_a_write_was_refused(
    settings: Settings, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lifecycle, "HEARTBEAT_S", 0.2)
    thread = threading.Thread(target=lifecycle._beat, args=(runtime, ["poll"]), daemon=True)
    with refused(settings, "heartbeats"):
        thread.start()
        wait_for("it says so", lambda: "heartbeat.missed" in caplog.text)
    wait_for("it beats", lambda: beats(settings, "poll"))
    runtime.drain(0.0)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_journal_is_written_after_the_database_took_no_note_of_a_failure(
    settings: Settings, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: the thread died, and no POST was written down before it was made until the worker was started again."""

    def refuse(*_: Any) -> None:
        raise StoreUnavailable("no store")

    journal = runtime.part(Journal)
    with refused(settings, "journal"), monkeypatch.context() as patch:
        patch.setattr(runtime.objects, "put_bytes", refuse)
        assert not journal.write_ahead(uuid4(), [post()])
        wait_for("it says so", lambda: "journal.not_noted" in caplog.text)
    wait_for("POSTs are written down again", lambda: journal.write_ahead(uuid4(), [post()]))


def test_leases_are_renewed_after_a_renewal_was_refused(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Seen: no lease of the batch was renewed any more, and other workers took its jobs while it worked on them."""
    runtime = Runtime(settings.model_copy(update={"lease_seconds": 0.3}))
    with closing(runtime), Producer(with_account(settings)) as producer:
        polled, copied = (producer.enqueue("a lamp").id for _ in range(2))

        def later() -> bool:
            with producer.database.begin() as conn:
                query = "SELECT count(*) FROM jobs WHERE due_at > created_at"
                return conn.execute(query).fetchone() == (2,)

        with refused(settings, "jobs"):
            copies = Leases(runtime, [])
            copies._open = {copied: 0}
            renewal = runtime.start(copies.keep())
            with KeptLeases(runtime, [(polled, 0)]):
                for event in ("leases.not_renewed", "transfer.not_renewed"):
                    wait_for("it says so", lambda of=event: of in caplog.text)  # type: ignore[misc] # mypy cannot type the default
                with connect(settings.require_database_url()) as conn:
                    conn.execute("DROP TRIGGER refuse ON jobs")
                wait_for("both are renewed", later)
        renewal.cancel()


def test_work_goes_on_in_the_calling_thread_where_no_other_can_be_started(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: a batch of copies kept its places in the line, so that after some of them the worker copied nothing."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ran: list[threading.Thread] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        runtime.in_background("transfer", lambda: ran.append(threading.current_thread()))
    assert ran == [threading.current_thread()]


def test_those_who_wait_for_events_get_them_after_a_page_could_not_be_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: the task died, and streams that were open saw no events until another one was opened."""
    monkeypatch.setattr("producer.http.events._OUTAGE_S", 0.01)

    async def watch() -> None:
        asked: list[Any] = []
        again = asyncio.Event()

        async def ask(question: Any) -> Any:
            asked.append(question)
            if len(asked) > 1:
                again.set()
            raise ValueError("unforeseen")

        hub = EventHub(ask)
        with hub.watch():
            await asyncio.wait_for(again.wait(), PATIENCE_S)
        await hub.close()

    asyncio.run(watch())
    assert "unforeseen" in caplog.text

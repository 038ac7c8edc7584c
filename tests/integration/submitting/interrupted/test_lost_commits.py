"""The answer to the commit of attempts is lost: nothing was sent for them, so no job is held for a person."""

from __future__ import annotations

import pickle
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from select import select
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from storage.database import DatabaseUnavailable
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from storage.metrics.measures import Measures
from storage.settings import Settings
from tests.integration.submitting.doubtful_gateway import DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import World
from worker.runtime import Runtime
from worker.submitting import submit
from worker.submitting.begin import begin

JOBS = 3


class LosesCommit:
    """A way to PostgreSQL that breaks at one commit of attempts, or at another statement after them."""

    def __init__(self, target: tuple[str, int], *, is_carried_out: bool) -> None:
        """`is_carried_out`: the commit arrives, and its answer is lost; else it does not arrive."""
        self._target, self._is_carried_out = target, is_carried_out
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.is_over = threading.Event()
        self.at = 1
        """At which commit of attempts."""
        self.statement = b"COMMIT\0"  # and not the BEGIN, which says READ COMMITTED
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        begins = False
        with socket.create_connection(self._target) as server, client, suppress(OSError):
            while True:
                for source in select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    begins = begins or (source is client and b"INSERT INTO attempts" in data)
                    if begins and self.statement in data and source is client and not self.is_over.is_set():
                        self.at -= 1
                        if not self.at:
                            self._break(server, data)
                            return
                    (server if source is client else client).sendall(data)

    def _break(self, server: socket.socket, data: bytes) -> None:
        if self._is_carried_out:
            server.sendall(data)
            server.recv(65536)
        self.is_over.set()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def losing_commit(world: World, *, is_carried_out: bool) -> Iterator[LosesCommit]:
    """Let the world's worker lose a commit."""
    parts = urlsplit(world.url)
    assert parts.hostname is not None
    assert parts.port is not None
    way = LosesCommit((parts.hostname, parts.port), is_carried_out=is_carried_out)
    url = world.url.replace(f":{parts.port}/", f":{way.port}/")
    direct, world.runtime = world.runtime, Runtime(world.settings.model_copy(update={"database_url": url}))
    try:
        yield way
    finally:
        world.runtime.close()
        world.runtime = direct
        way.close()


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made


@pytest.fixture
def world(settings: Settings, gateway: DoubtfulGateway) -> Iterator[World]:
    with world_at(settings, main=gateway.account("anyfast")) as made:
        yield made


def outcomes(world: World) -> Counter[str | None]:
    """How the attempts ended."""
    return Counter(row["outcome"] for row in world.rows("SELECT outcome FROM attempts"))


def refuse_first_attempt(world: World, job_id: UUID) -> None:
    """Let the database refuse the first attempt of a job, and with it those of the others of its message."""
    with world.begin() as conn:
        conn.execute(
            """INSERT INTO attempts (job_id, number, account, gateway, model, outcome, finished_at)
               VALUES (%s, 1, 'main', 'anyfast', 'm', 'throttled', now())""",
            [job_id],
        )


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_jobs_whose_attempts_were_begun_by_a_commit_without_an_answer_are_submitted_again(
    world: World, gateway: DoubtfulGateway, *, is_carried_out: bool
) -> None:
    world.enqueue(JOBS)
    with losing_commit(world, is_carried_out=is_carried_out) as way:
        with pytest.raises(DatabaseUnavailable):
            world.submit(world.claim())
        assert way.is_over.is_set()
    assert (outcomes(world), gateway.prompts()) == ({"not_tried": JOBS} if is_carried_out else {}, {})
    with world.begin() as conn:  # a lease of the queue, where it did not arrive
        conn.execute("UPDATE jobs SET account = NULL WHERE state = 'queued'")
    assert world.states() == {"queued": JOBS}
    world.round()
    assert world.states() == {"generating": JOBS}
    assert set(gateway.generations().values()) == {1}


@pytest.mark.parametrize(("at", "begun"), [(1, 1), (2, 2), (3, 2), (4, 3)])  # the third counts the attempts of `odd`
def test_so_are_those_that_were_begun_one_by_one_before(
    world: World, gateway: DoubtfulGateway, at: int, begun: int
) -> None:
    *_, odd = world.enqueue(JOBS)
    refuse_first_attempt(world, odd)
    with losing_commit(world, is_carried_out=True) as way:
        way.at = at
        with pytest.raises(DatabaseUnavailable):
            world.submit(world.claim())
        assert way.is_over.is_set()
    assert (world.states(), gateway.prompts()) == ({"queued": JOBS}, {})
    assert outcomes(world) == {"throttled": 1, "not_tried": begun}
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET account = NULL")
    world.round()
    assert world.states() == {"generating": JOBS}
    assert set(gateway.generations().values()) == {1}


def test_nothing_is_taken_back_if_none_was_begun(
    world: World, gateway: DoubtfulGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """The message waited up to ten minutes for the database to take back nothing, and failed at that."""
    *_, odd = world.enqueue(JOBS)
    refuse_first_attempt(world, odd)
    with losing_commit(world, is_carried_out=False) as way:
        way.statement = b"BEGIN "  # of the first job alone
        with pytest.raises(DatabaseUnavailable):
            world.submit(world.claim())
        assert way.is_over.is_set()
    said = [record.getMessage().split()[0] for record in caplog.records]
    assert "submit.begun_one_by_one" in said
    assert not [word for word in said if word.startswith("batch.")]
    assert (world.states(), outcomes(world), gateway.prompts()) == ({"queued": JOBS}, {"throttled": 1}, {})


def test_the_error_of_an_interrupted_message_holds_no_requests(world: World) -> None:
    """It could not be unpickled, and had the requests of all its jobs in it."""
    world.enqueue(JOBS)
    with losing_commit(world, is_carried_out=True), pytest.raises(DatabaseUnavailable) as failed:
        world.submit(world.claim())
    again = pickle.loads(pickle.dumps(failed.value))
    assert type(again) is DatabaseUnavailable
    assert (str(again), again.code) == (str(failed.value), failed.value.code)


def test_an_attempt_of_another_worker_with_the_same_number_is_not_taken_back(
    world: World, gateway: DoubtfulGateway
) -> None:
    """A message came twice: the commit of one worker was lost, and the other has made the POST."""
    world.enqueue(1)
    claimed = [(item.id, item.claim) for item in world.claim()]
    client = world.runtime.client("main")
    assert client is not None
    with world.begin() as conn:
        held = load_work(conn, JobState.QUEUED, claimed)
    [theirs] = begin(world.runtime, client, held, Measures())
    lost = replace(theirs, started_at=theirs.started_at - timedelta(microseconds=1))
    submit._take_back(world.runtime, client, [lost])
    assert world.states() == {"submitting": 1}
    assert [row["outcome"] for row in world.rows("SELECT outcome FROM attempts")] == [None]
    submit._take_back(world.runtime, client, [theirs])
    assert world.states() == {"queued": 1}

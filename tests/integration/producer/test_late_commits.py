"""A commit that the database carries out after its connection was lost, while the jobs are being stored again."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from producer import Producer
from producer.http.group_commit import GroupCommit
from storage.database import connect
from storage.settings import Settings
from tests.waiting import PATIENCE_S

ACCOUNTS = {"accounts": [{"name": "main", "gateway": "anyfast", "api_key": "k"}]}
MOST_S, AFTER_S = 2.0, 0.5
"""The commit is carried out so long after the jobs were sent again. With a campaign, they wait for its row before."""


class SlowCommit:
    """A way to PostgreSQL that breaks at the first commit of jobs. The commit arrives later."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.is_broken, self.is_sent_again, self.is_over = (threading.Event() for _ in range(3))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        stores = False
        with socket.create_connection(self._target) as server, client, suppress(OSError):
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    stores = stores or (source is client and b"INSERT INTO jobs" in data)
                    if stores and b"COMMIT" in data and source is client and not self.is_broken.is_set():
                        self.is_broken.set()
                        client.shutdown(socket.SHUT_RDWR)
                        self._commit_late(server, data)
                        return
                    (server if source is client else client).sendall(data)
                    if stores and self.is_broken.is_set():
                        self.is_sent_again.set()

    def _commit_late(self, server: socket.socket, data: bytes) -> None:
        self.is_sent_again.wait(MOST_S)
        time.sleep(AFTER_S)
        server.sendall(data)
        server.recv(65536)
        self.is_over.set()

    def close(self) -> None:
        self._listener.close()


@contextmanager
def slow_commit(settings: Settings) -> Iterator[tuple[SlowCommit, Producer]]:
    """A producer whose first commit is slow."""
    parts = urlsplit(settings.require_database_url())
    assert parts.hostname is not None
    assert parts.port is not None
    way = SlowCommit((parts.hostname, parts.port))
    login = parts.netloc.rpartition("@")[0]
    url = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{way.port}" if login else f"127.0.0.1:{way.port}"))
    configured = Settings.model_validate(settings.model_dump() | ACCOUNTS | {"database_url": url})
    with Producer(configured, hints=False) as producer:
        try:
            yield way, producer
        finally:
            way.close()


def _alone(producer: Producer) -> object:
    return producer.enqueue("a fox").id


def _many(producer: Producer) -> object:
    return producer.enqueue_many([{"prompt": f"a fox {number}"} for number in range(3)])[0].id


def _in_several_chunks(producer: Producer) -> object:
    return producer.enqueue_many([{"prompt": f"a fox {number}"} for number in range(2_500)])[0].id


def _in_a_campaign(producer: Producer) -> object:
    return producer.enqueue_many([{"prompt": "a fox"}], campaign="spring")[0].id


def _by_the_api(producer: Producer) -> object:
    async def run() -> object:
        together = GroupCommit(asyncio.to_thread)
        try:
            job, _ = await together.enqueue(producer, {"prompt": "a fox"})
            return job.id
        finally:
            together.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("enqueue", "count"),
    [(_alone, 1), (_many, 3), (_in_several_chunks, 2_500), (_in_a_campaign, 1), (_by_the_api, 1)],
    ids=["alone", "many", "in several chunks", "in a campaign", "by the API"],
)
def test_jobs_whose_commit_was_slow_and_lost_its_connection_are_stored_once(
    settings: Settings, enqueue: Callable[[Producer], Any], count: int
) -> None:
    """Nothing of the first try can be seen yet. A second job for the same request would be paid for, too."""
    with slow_commit(settings) as (way, producer):
        job_id = enqueue(producer)
        assert way.is_over.wait(PATIENCE_S)
    with connect(settings.require_database_url()) as conn:
        stored = [row[0] for row in conn.execute("SELECT id FROM jobs ORDER BY id").fetchall()]
    assert len(stored) == count
    assert job_id == stored[0]

"""Worker, scheduler and Flower where others have set variables and nothing can be written, while the broker fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import redis
from celery import Celery

from producer.local.processes import commands
from storage.database import Database
from storage.heartbeats import fresh_components
from storage.settings import Settings
from tests.integration.api.api_server import with_account
from tests.ports import reserve_port
from tests.servers import environ_for
from tests.tcp_door import Door, door
from tests.valkey import Server, valkey
from tests.waiting import PATIENCE_S, wait_for
from worker.queues import QUEUES

pytestmark = pytest.mark.slow

NOWHERE = "/proc"
"""A directory in which root cannot write either."""
SILENCE_S = 60.0
"""Twice what is promised: the machine may be loaded. Without checks it takes half as long again."""
DOWN_S = HANG_S = 3.0
FAILOVER_S = 8.0
"""Longer than a broker must work to be back: it comes and goes each second."""
SOON_S = 20.0

PASSWORD = ("reelq", "a-long-password")


def hostile(closed_port: int) -> dict[str, str]:
    """What other programs and Kubernetes leave in the environment."""
    others = f"redis://127.0.0.1:{closed_port}/7"
    return {
        "CELERY_BROKER_URL": others,
        "CELERY_BROKER_READ_URL": others,
        "BROKER_URL": others,
        "CELERY_RESULT_BACKEND": "django-db",
        "RESULT_BACKEND": "django-db",
        "CELERY_WORKER_CONCURRENCY": "many",
        "CELERY_CONFIG_MODULE": "elsewhere.celeryconfig",
        "LOADER": "djcelery.loaders.DjangoLoader",
        "FLOWER_PORT": "tcp://10.0.0.7:5555",
        "FLOWER_PORT_5555_TCP_ADDR": "10.0.0.7",
        "FLOWER_SERVICE_HOST": "10.0.0.7",
        "FLOWER_BASIC_AUTH": ":".join(PASSWORD),
        "HOME": NOWHERE,
        "TZ": "Asia/Kathmandu",
    }


@dataclass
class Running:
    """The processes, and the broker behind a door that can fall silent."""

    processes: Mapping[str, subprocess.Popen[bytes]]
    broker: Server
    way: Door
    directory: Path
    flower: str
    """Its URL."""

    def ended(self) -> dict[str, str]:
        return {name: self.log(name) for name, process in self.processes.items() if process.poll() is not None}

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()[-2000:]

    def alive_at(self, name: str) -> float:
        """When a process last showed that it works, in seconds of the system's clock; 0: never."""
        path = self.directory / f"{name}.alive"
        return path.stat().st_mtime if path.exists() else 0.0

    def events(self) -> float:
        """How many tasks Flower has seen received."""
        shown = httpx.get(f"{self.flower}/metrics", timeout=PATIENCE_S, auth=PASSWORD).text
        lines = [line for line in shown.splitlines() if line.startswith("flower_events_total{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'type="task-received"' in line)

    def succeeded(self) -> int:
        """How many tasks Flower shows as succeeded."""
        shown = httpx.get(f"{self.flower}/api/tasks?state=SUCCESS", timeout=PATIENCE_S, auth=PASSWORD).json()
        return len(shown)

    def is_heard(self) -> float:
        """Send messages until Flower sees their tasks; gives the seconds. Events that no one receives are lost."""
        since, before = time.monotonic(), self.events()

        def seen() -> bool:
            self.send()
            return self.events() > before

        wait_for("Flower sees tasks again", seen, every_s=1.0)
        assert self.ended() == {}
        return time.monotonic() - since

    def is_controlled(self) -> float:
        """Ask the worker by remote control until it answers; gives the seconds."""
        since = time.monotonic()
        with Celery("test", broker=self.broker.url, set_as_current=False) as sender, sender.connection() as connection:
            asked = sender.control.inspect(timeout=1.0, connection=connection)
            wait_for("the worker answers", asked.ping)
        return time.monotonic() - since

    def send(self) -> None:
        """Send a message past the door."""
        with Celery("test", broker=self.broker.url, set_as_current=False) as sender:
            sender.send_task("worker.poll", args=["main", []], queue="poll", ignore_result=True)

    def takes_messages(self) -> float:
        """Send a message past the door and wait until the worker has taken it; gives the seconds."""
        since = time.monotonic()
        self.send()
        with redis.Redis(port=self.broker.port) as client:
            wait_for("the worker takes a message", lambda: not client.llen("poll") or self.ended())
        assert self.ended() == {}
        return time.monotonic() - since


@pytest.fixture
def running(settings: Settings, tmp_path: Path, closed_port: int) -> Iterator[Running]:
    flower_port = reserve_port()
    argvs = {
        "scheduler": commands.SCHEDULER,
        "worker": commands.WORKER_SUBMIT_POLL,
        "flower": commands.flower("127.0.0.1", flower_port, str(tmp_path / "flower" / "tasks")),
    }
    with ExitStack() as stack:
        server = stack.enter_context(valkey(tmp_path))
        way = stack.enter_context(door(("127.0.0.1", server.port)))
        through = with_account(settings).model_copy(update={"broker_url": f"redis://127.0.0.1:{way.port}/0"})
        accounts = '[{"name": "main", "gateway": "anyfast", "api_key": "sk-secret"}]'
        environ = os.environ | hostile(closed_port) | environ_for(through) | {"REELQ_ACCOUNTS": accounts}
        processes = {
            name: stack.enter_context(
                process(argv, environ | alive_at(tmp_path / f"{name}.alive"), tmp_path / f"{name}.log")
            )
            for name, argv in argvs.items()
        }
        found = Running(processes, server, way, tmp_path, f"http://127.0.0.1:{flower_port}")
        database = stack.enter_context(closing(Database(settings.require_database_url(), name="test", size=1)))

        def ready() -> bool:
            assert found.ended() == {}
            with database.begin() as conn:
                return {"scheduler", "submit", "poll"} <= set(fresh_components(conn, 15.0))

        wait_for("scheduler and worker run", ready)
        wait_for("Flower serves", lambda: found.ended() or answers(f"{found.flower}/"))
        assert found.ended() == {}
        yield found


def alive_at(path: Path) -> dict[str, str]:
    return {"REELQ_ALIVE_FILE": str(path)}


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PATIENCE_S, auth=PASSWORD).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def process(argv: tuple[str, ...], environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, *argv[1:]], cwd=NOWHERE, env=dict(environ), stdout=output, stderr=output
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait(PATIENCE_S)


def test_a_failover_and_a_silence_of_the_broker_end_no_process(running: Running) -> None:
    running.takes_messages()
    wait_for("Flower sees the task", lambda: running.events() or running.ended())
    running.broker.do("REPLICAOF", "127.0.0.1", "1")
    wait_for("the worker meets it", lambda: re.search("UNBLOCKED|read.only", running.log("worker")) or running.ended())
    running.broker.do("REPLICAOF", "NO", "ONE")
    running.takes_messages()
    assert max(running.is_heard(), running.is_controlled()) < SILENCE_S
    running.way.freeze()
    # Else the server would give the message to the worker's last BRPOP, on the connection that says nothing any more.
    wait_for(
        "no client waits at the broker", lambda: "'blocked_clients': 0" in repr(running.broker.do("INFO", "clients"))
    )
    silent_at = time.time()
    # A health check must not end what only waits for a server.
    wait_for("the scheduler shows that it works", lambda: running.alive_at("scheduler") > silent_at)
    wait_for("the worker shows that it works", lambda: running.alive_at("worker") > silent_at)
    assert running.takes_messages() < SILENCE_S
    assert max(running.is_heard(), running.is_controlled()) < SILENCE_S
    assert "Traceback" not in running.log("flower")
    for path in ("/", "/tasks", "/broker", "/metrics", "/api/tasks"):
        assert httpx.get(f"{running.flower}{path}", timeout=PATIENCE_S).status_code == 401, path
    broker = httpx.get(f"{running.flower}/broker", timeout=PATIENCE_S, auth=PASSWORD).text
    assert all(name in broker for name in QUEUES), "also transfer, which no worker takes here"
    assert "flower_events_total" in httpx.get(f"{running.flower}/metrics", timeout=PATIENCE_S, auth=PASSWORD).text
    running.processes["flower"].terminate()
    assert running.processes["flower"].wait(PATIENCE_S) == 0
    assert list((running.directory / "flower").glob("tasks*")), "its history is kept"


def test_a_failover_is_one_line_in_the_log_of_a_worker_and_so_is_its_end(running: Running) -> None:
    running.takes_messages()
    running.broker.do("REPLICAOF", "127.0.0.1", "1")
    # It has nothing to send: a replica that answers is no broker either.
    wait_for("the scheduler meets it", lambda: "broker.unavailable" in running.log("scheduler"))
    time.sleep(FAILOVER_S)
    running.broker.do("REPLICAOF", "NO", "ONE")
    wait_for("the scheduler says that it is back", lambda: "broker.recovered" in running.log("scheduler"))
    said = (running.directory / "scheduler.log").read_text()
    assert said.count("broker.unavailable") == said.count("broker.recovered") == 1, said
    assert "read-only" in said or "read only" in said, said
    wait_for("the worker says that it is back", lambda: "broker.recovered" in running.log("worker"))
    said = (running.directory / "worker.log").read_text()
    assert said.count("broker.unavailable") == said.count("broker.recovered") == 1, said
    assert re.search(r"error=.?broker at 127\.0\.0\.1:\d+: .*`reelq doctor` says what to do", said), said
    assert not re.search(r"Traceback|Frequent restarts|CPendingDeprecationWarning|Couldn't ack", said), said
    assert not re.search(r"absolutely not recommended!$", said, re.MULTILINE), "a warning of root is one line"


def test_events_and_remote_control_come_back_soon_after_the_broker(running: Running) -> None:
    running.is_heard()
    running.broker.stop()
    time.sleep(HANG_S)
    running.broker.go_on()
    assert max(running.is_heard(), running.is_controlled()) < SOON_S
    running.broker.kill()
    time.sleep(DOWN_S)
    running.broker.start()
    assert max(running.is_heard(), running.is_controlled()) < SOON_S


def test_a_lost_connection_loses_no_event(running: Running) -> None:
    running.is_heard()
    wait_for("Flower shows them as succeeded", lambda: running.succeeded() == running.events())
    before = running.succeeded()
    running.takes_messages()
    running.broker.do("CLIENT", "KILL", "TYPE", "normal")  # the worker's; Flower goes on listening
    wait_for("Flower shows that it succeeded", lambda: running.succeeded() > before)

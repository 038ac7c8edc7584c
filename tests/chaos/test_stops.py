"""A process that is asked to stop while a server hangs ends in time, loses nothing and pays for nothing twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from storage.jobs.states import JobState
from tests.chaos.parts import SCHEDULER, SUBMIT_POLL, TRANSFER, Parts, running_parts
from tests.servers import TestServers
from tests.tcp_door import Door, door
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

JOBS = 3
SUBMIT_TIMEOUT_S = 6.0
TIMES = {
    "submit_timeout_seconds": SUBMIT_TIMEOUT_S,
    "lease_seconds": 8.0,
    "unconfirmed_grace_seconds": SUBMIT_TIMEOUT_S,
}
CUT_OFF = "stop.cut_off"
HANG_S = 3.0
"""How long a server hangs before the signal: a worker's main thread waits for it by then."""
SLOW = {"kind": "slow", "where": "create", "seconds": HANG_S + 2.0}
"""The POSTs end after the signal."""
ALL = {JobState.SUCCEEDED: JOBS}


@dataclass(frozen=True)
class Doors:
    """The processes, and a door in front of each server."""

    parts: Parts
    broker: Door
    database: Door
    store: Door

    def stop(self, names: Sequence[str], *signals: int) -> set[str]:
        """Send these signals to processes, half a second apart, and wait until each has ended; gives those that had to
        cut themselves off."""
        processes = {name: self.parts.process(name) for name in names}
        before = {name: self.log(name).count(CUT_OFF) for name in names}
        for number in signals:
            for process in processes.values():
                process.send_signal(number)
            time.sleep(0.5)
        for process in processes.values():
            process.wait(PATIENCE_S)
        return {name for name in names if self.log(name).count(CUT_OFF) > before[name]}

    def go_on(self) -> None:
        """End every fault; the processes that ended are started again by the next wait."""
        for each in (self.broker, self.database, self.store):
            each.go_on()
        self.parts.clear_faults()

    def log(self, name: str) -> str:
        return (self.parts.directory / f"{name}.log").read_text()


@pytest.fixture(scope="module")
def doors(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with (
        running_parts(servers, tmp_path_factory.mktemp("stops"), **TIMES) as parts,
        door(("127.0.0.1", servers.valkey.port)) as to_broker,
        door(_place(parts.settings.require_database_url())) as to_database,
        door(_place(servers.s3.url)) as to_store,
    ):
        direct = parts.settings
        parts.settings = direct.model_copy(
            update={
                "broker_url": _through(servers.valkey.url, to_broker),
                "database_url": _through(direct.require_database_url(), to_database),
                "s3_endpoint_url": _through(servers.s3.url, to_store),
            }
        )
        for name in (SCHEDULER, SUBMIT_POLL, TRANSFER):
            parts.start(name)
        parts.settings = direct
        parts.ready()
        yield Doors(parts, to_broker, to_database, to_store)
        parts.bring_back()


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _through(url: str, way: Door) -> str:
    return url.replace(f":{_place(url)[1]}", f":{way.port}", 1)


def under_way(doors: Doors, name: str) -> list[UUID]:
    """Jobs whose POSTs wait for their answers."""
    doors.parts.add_faults(SLOW)
    ids = doors.parts.enqueue(JOBS, name, account="small")
    doors.parts.wait_for("the POSTs are under way", lambda: doors.parts.states(ids) == {JobState.SUBMITTING: JOBS})
    return ids


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT, signal.SIGTERM)])
def test_processes_whose_broker_hangs_end_soon(doors: Doors, signals: tuple[int, ...]) -> None:
    ids = under_way(doors, f"broker {signals}")
    doors.broker.hang()
    time.sleep(HANG_S)
    assert doors.stop((SCHEDULER, TRANSFER, SUBMIT_POLL), *signals) == set()
    assert JobState.SUBMITTING not in doors.parts.states(ids), "what was paid for is written down"
    doors.go_on()
    assert doors.parts.wait_final(ids) == ALL
    doors.parts.judge(ids).check()


def test_a_worker_whose_store_hangs_gives_its_copies_back_and_ends(doors: Doors) -> None:
    doors.store.hang()
    ids = doors.parts.enqueue(JOBS, "store", account="small")
    doors.parts.wait_for("videos are copied", lambda: doors.parts.states(ids) == {JobState.TRANSFERRING: JOBS})
    assert doors.stop([TRANSFER], signal.SIGQUIT, signal.SIGTERM) == set()
    doors.go_on()
    assert doors.parts.wait_final(ids) == ALL
    doors.parts.judge(ids).check()


def test_processes_whose_database_hangs_end_in_time_and_what_may_be_paid_for_is_held(doors: Doors) -> None:
    ids = under_way(doors, "database")
    doors.database.hang()
    stopped = (SCHEDULER, TRANSFER, SUBMIT_POLL)
    assert SUBMIT_POLL in doors.stop(stopped, signal.SIGTERM), "until then it tries to write what was paid for"
    assert "Traceback" not in "".join(map(doors.log, stopped)), "a server that hangs is one plain line"
    doors.go_on()
    assert doors.parts.wait_final(ids) == {JobState.UNCONFIRMED: JOBS}
    doors.parts.judge(ids).check()

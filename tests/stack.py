"""A whole system as a user starts it: `reelq up` in its own directory, with the simulator as its gateway."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from producer.local.background import READY_TIMEOUT_S, STOP_TIMEOUT_S
from storage.bucket.objects import Objects
from storage.database import Connection, Database
from storage.jobs.reasons import Reason
from storage.jobs.states import TERMINAL
from storage.settings import load_settings
from tests.in_process import run_here
from tests.servers import TestServers, environ_for, settings_for
from tests.waiting import PATIENCE_S, wait_for

REELQ = [sys.executable, "-m", "producer.cli.main"]
END_S = 300.0
"""For a campaign to end; at most a minute on an idle machine."""

# Short enough that several leases end in a test, long enough that a loaded machine keeps them.
QUICK = {
    "REELQ_LEASE_SECONDS": "8",
    "REELQ_SUBMIT_TIMEOUT_SECONDS": "4",
    "REELQ_QUERY_TIMEOUT_SECONDS": "4",
    "REELQ_POLL_MIN_SECONDS": "0.3",
    "REELQ_POLL_MAX_SECONDS": "2",
}


def _has_ended(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
    except psutil.NoSuchProcess:
        return True


@dataclass
class Stack:
    """A running `reelq up`."""

    directory: Path
    environ: Mapping[str, str]
    supervisor: subprocess.Popen[bytes]
    simulator: str | None = None
    """The URL of a simulator that the test runs; None: the stack's own."""
    program: Sequence[str] = tuple(REELQ)
    """The `reelq` that runs it."""
    _database: Database | None = None

    def info(self) -> dict[str, Any]:
        """The present content of `stack.json`."""
        loaded: dict[str, Any] = json.loads((self.directory / "stack.json").read_text())
        return loaded

    def pid(self, name: str) -> int:
        return int(self.info()["processes"][name])

    def kill(self, *names: str, how: int = signal.SIGKILL) -> None:
        """Kill processes of the stack at the same moment. After SIGKILL they have ended: until its connections are
        closed, a dying worker still gets messages, whose jobs then wait for the end of their lease."""
        pids = [self.pid(name) for name in names]
        for pid in pids:
            os.kill(pid, how)
        for pid in pids if how == signal.SIGKILL else ():
            wait_for(f"process {pid} has ended", partial(_has_ended, pid))

    def reelq(self, *arguments: str, timeout_s: float = END_S) -> subprocess.CompletedProcess[str]:
        """Run a command as a user does, in this process if it is ours."""
        command = [*arguments, "--data-dir", str(self.directory)]
        if self.program == tuple(REELQ):
            return run_here(command, self.environ, self.directory, timeout_s)
        return subprocess.run(
            [*self.program, *command],
            env=dict(self.environ),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start_campaign(self, count: int, name: str = "test", **fields: str) -> None:
        """Enqueue jobs, each with its own prompt. `fields`: more columns of each row."""
        path = self.directory / f"{name}.jsonl"
        rows = ({"prompt": f"{name} {i}", "duration": 4, "resolution": "480p", **fields} for i in range(count))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = self.reelq("campaign", "run", str(path), "--name", name)
        assert done.returncode == 0, done.stderr

    def jobs(self) -> list[dict[str, Any]]:
        listed = self.reelq("jobs", "list", "--limit", "10000", "--json")
        assert listed.returncode == 0, listed.stderr
        rows: list[dict[str, Any]] = json.loads(listed.stdout)
        return rows

    def show(self, job_id: str) -> dict[str, Any]:
        """A job with its attempts and its timeline."""
        shown = self.reelq("jobs", "show", job_id, "--json")
        assert shown.returncode == 0, shown.stderr
        job: dict[str, Any] = json.loads(shown.stdout)
        return job

    def set_timing(self, **timing: object) -> None:
        self._simulator("PUT", "timing", timing)

    def states(self, campaign: str | None = None) -> Counter[str]:
        """How many jobs are in each state. Read from the table: a command per second would keep a core busy."""
        return _by_state(self._states_and_reasons(campaign))

    def _states_and_reasons(self, campaign: str | None) -> Counter[tuple[str, str | None]]:
        sql = """SELECT state, reason, count(*) FROM jobs WHERE %(name)s::text IS NULL
                 OR campaign_id = (SELECT id FROM campaigns WHERE name = %(name)s) GROUP BY state, reason"""
        with self._begin() as conn:
            rows = conn.execute(sql, {"name": campaign}).fetchall()
        return Counter({(state, reason): count for state, reason, count in rows})

    def reasons(self) -> Counter[str]:
        """How often each reason occurs in the jobs' timelines."""
        with self._begin() as conn:
            return Counter(row[0] for row in conn.execute("SELECT reason FROM job_events"))

    def _begin(self) -> AbstractContextManager[Connection]:
        """A transaction on a connection that is kept: to open one for each question of a wait costs 4 ms of CPU."""
        if self._database is None:
            self._database = Database(self.info()["database_url"], name="test", size=1)
        return self._database.begin()

    def close(self) -> None:
        """Close the kept connection."""
        if self._database is not None:
            self._database.close()

    def wait_final(self, campaign: str | None = None) -> Counter[str]:
        """Wait until every job has ended or is held for a person; gives their states at that moment."""
        found: Counter[tuple[str, str | None]] = Counter()

        def rest() -> bool:
            nonlocal found
            found = self._states_and_reasons(campaign)
            return all(state in TERMINAL or reason == Reason.HELD for state, reason in found)

        wait_for("every job ended or held", rest, END_S, every_s=0.2)
        return _by_state(found)

    def ledger(self) -> dict[str, Any]:
        """What the gateway has done."""
        found: dict[str, Any] = self._simulator("GET", "ledger")
        return found

    def add_faults(self, *rules: Mapping[str, Any]) -> None:
        self._simulator("POST", "faults", list(rules))

    def clear_faults(self) -> None:
        self._simulator("DELETE", "faults")

    def _simulator(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method, f"{self.simulator or self.info()['simulator']}/_sim/{path}", json=body, timeout=PATIENCE_S
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def objects(self) -> Objects:
        return Objects(load_settings(self.directory, {}))

    def assert_promises(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Nothing is lost, nothing is paid twice, every generated video is in the bucket byte for byte."""
        ledger = self.ledger()
        assert ledger["duplicates"] == [], "the gateway generated something twice"
        by_task = {task["id"]: task for task in ledger["tasks"]}
        objects = self.objects()
        for job in jobs:
            if job["state"] != "succeeded":
                continue
            digest = hashlib.sha256()
            for chunk in objects.chunks(job["object_key"]):
                digest.update(chunk)
            assert digest.hexdigest() == by_task[job["gateway_task_id"]]["sha256"], job["id"]
        known = {job["gateway_task_id"] for job in jobs}
        held = sum(job["state"] == "unconfirmed" for job in jobs)
        orphans = [task for task in by_task if task not in known]
        assert len(orphans) <= held, f"{len(orphans)} generations without a job, {held} jobs held"
        assert objects.open_parts() == []


@contextmanager
def running_stack(
    directory: Path,
    settings: Mapping[str, str] | None = None,
    simulator: str | None = None,
    *,
    servers: TestServers | None = None,
    flower: bool = False,
    program: Sequence[str] = tuple(REELQ),
) -> Iterator[Stack]:
    """Start `reelq up`, wait until jobs can run, and stop it at the end. Flower takes a second of CPU to start.

    `servers`: those of the tests, with a database and a bucket for this stack; None: the stack starts its own, which
    takes more than a second of CPU.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    with ExitStack() as own:
        given = {}
        if servers is not None:
            database_url, bucket = own.enter_context(servers.database()), own.enter_context(servers.bucket())
            given = environ_for(settings_for(database_url, servers.emptied_broker(), bucket))
        environ = kept | QUICK | given | dict(settings or {})
        yield from _running(directory, environ, simulator, flower=flower, program=program)


def _by_state(jobs: Counter[tuple[str, str | None]]) -> Counter[str]:
    states: Counter[str] = Counter()
    for (state, _), count in jobs.items():
        states[state] += count
    return states


def _running(
    directory: Path, environ: Mapping[str, str], simulator: str | None, *, flower: bool, program: Sequence[str]
) -> Iterator[Stack]:
    log = directory / "up.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [*program, "up", "--data-dir", str(directory), *([] if flower else ["--no-flower"])],
            env=environ,
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    stack = Stack(directory, environ, supervisor, simulator, program)
    try:
        wait_for(f"ready ({log.read_text()})", lambda: _ready(stack), READY_TIMEOUT_S)
        yield stack
    finally:
        stack.close()
        supervisor.terminate()
        try:
            supervisor.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            raise


def _ready(stack: Stack) -> bool:
    assert stack.supervisor.poll() is None, (stack.directory / "up.log").read_text()
    try:
        return httpx.get(f"{stack.info()['api']}/readyz", timeout=20).status_code == 200
    except (httpx.HTTPError, OSError, ValueError):
        return False

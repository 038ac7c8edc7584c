"""Run scheduler, workers and simulators as processes that a test can kill and start again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from producer.client import Producer
from producer.local.http import get
from producer.local.ports import HOST
from producer.local.processes import commands
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import spawn, stop, wait_ready
from seedance.client import GatewayClient
from storage.bucket.objects import Objects
from storage.database import BULK, Connection, Database, DatabaseUnavailable, connect, limit
from storage.jobs.queries import jobs_of_any_tenant
from storage.jobs.reasons import Reason
from storage.jobs.records import JobView
from storage.jobs.states import TERMINAL, JobState
from storage.settings import Settings
from tests.chaos.forked import Source, running_source
from tests.chaos.promises import Verdict, judge
from tests.ports import reserve_port
from tests.servers import TestServers, environ_for, settings_for
from tests.waiting import PATIENCE_S, wait_for
from worker import failpoints
from worker.transferring.sweep import sweep_uploads

SUBMIT_POLL, TRANSFER, SCHEDULER = "worker-submit-poll", "worker-transfer", "scheduler"
COMMANDS = {
    SCHEDULER: commands.SCHEDULER,
    SUBMIT_POLL: commands.WORKER_SUBMIT_POLL,
    TRANSFER: commands.WORKER_TRANSFER,
}
LEASE_S = 3.0
RESTART_S = 0.5
_JUDGED_AGAIN = 5
LARGE_BYTES = 9 * 2**20
"""Large enough for an upload in several parts."""


@dataclass
class Parts:
    """The running processes. `wait_for` restarts those that died, as a supervisor does, unless they were shut down."""

    directory: Path
    settings: Settings
    simulators: Mapping[str, str]
    """URL by account."""
    deaths: Counter[str] = field(default_factory=Counter)
    host_b: Sequence[str] = ()
    """The prefix of commands that run on another host."""
    source: Source | None = None
    """Forks the workers and schedulers; None: each is a new Python, as users start them."""
    _specs: dict[str, ChildSpec] = field(default_factory=dict)
    _forked: dict[str, Sequence[str]] = field(default_factory=dict)
    """The arguments of the processes that the source starts."""
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _down: set[str] = field(default_factory=set)
    _started_at: dict[str, float] = field(default_factory=dict)
    _database: Database | None = None

    @property
    def fired(self) -> Path:
        """Holds a file for each fail point that has fired; see `worker.failpoints`."""
        return self.directory / "fired"

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction on a connection that is kept. A wait asks twenty times a second, and a new connection for each
        question would cost a tenth of a core."""
        if self._database is None:
            self._database = Database(self.settings.require_database_url(), name="test", size=1, wait_s=1.0)
        return self._database.begin()

    def close(self) -> None:
        """Close the kept connection."""
        if self._database is not None:
            self._database.close()

    def start(self, name: str, kind: str | None = None, *, points: str = "", celery: bool = False) -> None:
        """Start a process of this kind (None: the kind of its name), with these fail points armed. `celery`: with
        `celery -A worker …` instead of `python -m worker …`."""
        arguments = tuple(part.replace("@%h", f"-{name}@%h") for part in COMMANDS[kind or name][1:])
        if celery:
            arguments = ("-m", "celery", "-A", *arguments[1:])
        armed = {failpoints.ARM: points, failpoints.ALLOW: failpoints.ALLOWED, failpoints.ONCE: str(self.fired)}
        self._forked.pop(name, None)
        if self.source is not None and not celery and not self.host_b:
            self._forked[name] = arguments[2:]
        run = self.directory / "run"
        run.mkdir(exist_ok=True)
        self.run(
            ChildSpec(
                name,
                (*self.host_b, sys.executable, *arguments),
                cwd=run,
                log=self.directory / f"{name}.log",
                env=clean_environ() | environ_of(self.settings) | armed,
                stop_timeout_s=20.0,
            )
        )

    def run(self, spec: ChildSpec) -> None:
        """Start any process, and restart it when it dies."""
        self._specs[spec.name] = spec
        self._spawn(spec)

    def _spawn(self, spec: ChildSpec) -> None:
        self._started_at[spec.name] = time.monotonic()
        if self.source is not None and spec.name in self._forked:
            self._running[spec.name] = self.source.start(spec, self._forked[spec.name])
        else:
            self._running[spec.name] = spawn(spec)

    def crash(self, *names: str, down: bool = False) -> None:
        """Kill processes; `down`: they are not restarted before `bring_back`."""
        self._down |= set(names) if down else set()
        for name in names:
            self._running[name].kill()

    def bring_back(self) -> None:
        """Start what is down, and continue what is stopped."""
        self._down.clear()
        self.restart_dead()
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        return self._running[name]

    def spec(self, name: str) -> ChildSpec:
        return self._specs[name]

    @property
    def names(self) -> list[str]:
        return list(self._running)

    def signal(self, name: str, number: int) -> None:
        self._running[name].send_signal(number)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def shut_down(self, *names: str) -> None:
        """Stop processes for good; without names, all of them."""
        for name in names or tuple(reversed(self._running)):
            process = self._running.pop(name)
            process.send_signal(signal.SIGCONT)
            stop(self._specs.pop(name), process)

    def is_stopped(self, name: str) -> bool:
        """Whether it was sent SIGSTOP and has not been continued."""
        fields = Path(f"/proc/{self.pid(name)}/stat").read_text().rpartition(")")[2].split()
        return fields[0] == "T"

    def kill(self, *names: str) -> None:
        """Kill processes for good."""
        for name in names:
            process = self._running.pop(name)
            process.kill()
            process.wait(PATIENCE_S)

    def restart_dead(self) -> None:
        """Restart what has died."""
        for name, process in list(self._running.items()):
            if name in self._down or process.poll() is None:
                continue
            # A server may need a moment until its port and files are free again.
            if time.monotonic() - self._started_at[name] > RESTART_S:
                self.deaths[name] += 1
                self._spawn(self._specs[name])

    def wait_for(self, what: str, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until the condition holds; fail with `what` after `timeout_s`."""

        def holds() -> bool:
            self.restart_dead()
            return _holds(condition)

        wait_for(what, holds, timeout_s)

    def ready(self) -> None:
        """Wait until every queue is served."""

        def served() -> bool:
            with self.begin() as conn:
                beats = {row[0] for row in conn.execute("SELECT DISTINCT component FROM heartbeats")}
            return {"scheduler", "submit", "poll", "transfer", "notify"} <= beats

        self.wait_for("every queue is served", served)

    def beats(self, name: str) -> bool:
        """Whether a process has recorded a heartbeat since it was started: it handles signals by then."""
        with self.begin() as conn:
            beating = {row[0].rpartition(":")[2] for row in conn.execute("SELECT instance FROM heartbeats")}
        return str(self.pid(name)) in beating

    def arm(self, point: str) -> None:
        (self.fired / point).unlink(missing_ok=True)

    def has_fired(self, point: str) -> bool:
        return (self.fired / point).exists()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and restart what dies."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.restart_dead()
            time.sleep(0.05)

    def enqueue(self, count: int, prompt: str, **fields: Any) -> list[UUID]:
        """Store jobs, each with its own prompt."""
        rows = [{"prompt": f"{prompt} {i}", "duration": 4, "resolution": "480p", **fields} for i in range(count)]
        with Producer(self.settings) as producer:
            return [job.id for job in producer.enqueue_many(rows)]

    def jobs(self, ids: Sequence[UUID]) -> list[JobView]:
        with self.begin() as conn:
            found = jobs_of_any_tenant(conn, ids)
        return [found[job_id] for job_id in ids]

    def states(self, ids: Sequence[UUID]) -> Counter[JobState]:
        return Counter(job.state for job in self.jobs(ids))

    def wait_final(self, ids: Sequence[UUID], timeout_s: float = PATIENCE_S) -> Counter[JobState]:
        """Wait until each of these jobs has ended or is held for a person; gives their states at that moment."""
        states: Counter[JobState] = Counter()

        def rest() -> bool:
            nonlocal states
            jobs = self.jobs(ids)
            states = Counter(job.state for job in jobs)
            return _at_rest(jobs)

        self.wait_for("every job ended or held", rest, timeout_s)
        return states

    def ledger(self, account: str = "small") -> dict[str, Any]:
        """What the gateway has done."""
        return dict(httpx.get(f"{self.simulators[account]}/_sim/ledger", timeout=PATIENCE_S).json())

    def tasks(self) -> list[dict[str, Any]]:
        """The tasks of all gateways."""
        return [task for account in self.simulators for task in self.ledger(account)["tasks"]]

    def add_faults(self, *rules: Mapping[str, Any], account: str = "small") -> None:
        answer = httpx.post(f"{self.simulators[account]}/_sim/faults", json=list(rules), timeout=PATIENCE_S)
        assert answer.is_success, answer.text

    def clear_faults(self) -> None:
        for url in self.simulators.values():
            httpx.delete(f"{url}/_sim/faults", timeout=PATIENCE_S)

    def judge(self, ids: Sequence[UUID]) -> Verdict:
        """Judge what one snapshot of the database says of these jobs, once all have ended or are held.

        A held job still moves when a worker that was cut off comes back with the answer to its POST: then wait again.
        """
        for _ in range(_JUDGED_AGAIN):
            with connect(self.settings.require_database_url()) as conn:
                conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", prepare=False)
                limit(conn, BULK)
                jobs = list(jobs_of_any_tenant(conn, ids).values())
                verdict = judge(conn, Objects(self.settings), ids, self._served_tasks(jobs))
            if _at_rest(jobs):
                break
            with suppress(AssertionError):  # the verdict names the jobs that have not ended
                self.wait_final(ids)
        return verdict

    def _served_tasks(self, jobs: Sequence[JobView]) -> list[dict[str, Any]]:
        """The tasks of all gateways, with the hash of each video that one of these jobs has."""
        tasks = self.tasks()
        unserved = {task["id"] for task in tasks if task["sha256"] is None}
        again = [job for job in jobs if job.state is JobState.SUCCEEDED and job.gateway_task_id in unserved]
        if again:
            asyncio.run(self._fetch_again(again))
            tasks = self.tasks()
        return tasks

    def left_behind(self) -> list[str]:
        """Sweep the store as if enough time had passed, and report the multipart uploads that stay.

        A held job may go on after it was judged: what is being copied is no remainder.
        """
        objects = Objects(self.settings)
        database = Database(self.settings.require_database_url(), name="test", size=1)
        left: list[str] = []

        def swept() -> bool:
            nonlocal left
            sweep_uploads(database.begin, objects, every_s=0.0, older_than_s=0.0)
            left = [f"an upload is left: {key}" for key, _, _ in objects.open_parts()]
            return not left

        try:
            with suppress(AssertionError):  # the lines name the uploads
                self.wait_for("no upload is left", swept)
        finally:
            database.close()
        return left

    async def _fetch_again(self, jobs: Sequence[JobView]) -> None:
        """Download again: a gateway hashes a video when it serves it, and a killed one has lost the hash."""
        async with httpx.AsyncClient(timeout=60) as files:
            for account in self.settings.accounts:
                own = [job for job in jobs if job.account == account.name]
                async with GatewayClient(
                    account, account.dialect, submit_timeout_s=PATIENCE_S, query_timeout_s=PATIENCE_S
                ) as client:
                    for job in own:
                        report = await client.query(job.gateway_task_id or "")
                        assert report.video_url is not None, job.id
                        (await files.get(report.video_url)).raise_for_status()


def _at_rest(jobs: Sequence[JobView]) -> bool:
    return all(job.state in TERMINAL or job.reason == Reason.HELD for job in jobs)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except DatabaseUnavailable:  # the test may have killed the database
        return False


def clean_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}


def environ_of(settings: Settings) -> dict[str, str]:
    """All settings that are not the defaults, as another process reads them."""
    own = settings.model_dump(mode="json", include=settings.model_fields_set - {"accounts", "s3_secret_access_key"})
    accounts = [
        account.model_dump(mode="json", exclude_none=True, exclude={"api_key"}) | {"api_key": account.key()}
        for account in settings.accounts
    ]
    named = {f"REELQ_{name.upper()}": str(value) for name, value in own.items() if value is not None}
    return named | environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps(accounts)}


def simulator_spec(name: str, directory: Path, port: int, *options: str, host: str = HOST) -> ChildSpec:
    """A simulated gateway that keeps its tasks when it is killed."""
    arguments = commands.simulator(host, port, "--journal", str(directory / f"{name}.journal"), *options)
    return ChildSpec(
        name,
        (sys.executable, *arguments[1:]),
        cwd=directory,
        log=directory / f"{name}.log",
        env=clean_environ(),
        ready=lambda _pid: get(f"http://{host}:{port}/_sim/health", timeout_s=0.5)[0] == 200,
    )


def account_at(name: str, url: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "gateway": "anyfast",
        "base_url": f"{url}/anyfast",
        "api_key": f"sk-chaos-{name}-0123456789abcdef",
        "max_in_flight": 50,
    } | fields


@contextmanager
def running_parts(servers: TestServers, directory: Path, **changes: Any) -> Iterator[Parts]:
    """Run two simulated gateways and no other process yet. The accounts `small` and `large` are named after the size of
    their videos. At the first gateway are `listed` too, with a dialect that lists tasks, and `limited`, whose polls the
    scheduler counts, so that no worker polls a task by itself."""
    sizes = {"small": 70_000, "large": LARGE_BYTES}
    with servers.database() as database_url, servers.bucket() as bucket, running_source(directory) as source:
        started: list[tuple[ChildSpec, subprocess.Popen[bytes]]] = []
        try:
            urls = {}
            for name, size in sizes.items():
                port = reserve_port()
                options = ("--video-bytes", str(size), "--median-seconds", "0.5", "--seed", "7")
                spec = simulator_spec(f"simulator-{name}", directory, port, *options)
                started.append((spec, spawn(spec)))
                urls[name] = f"http://{HOST}:{port}"
            for spec, process in started:
                wait_ready(spec, process)
            times = {
                "lease_seconds": LEASE_S,
                "submit_timeout_seconds": 2.0,
                "query_timeout_seconds": 2.0,
                "poll_min_seconds": 0.2,
                "poll_max_seconds": 1.0,
                "tick_seconds": 0.1,
                "allow_private_networks": True,
            }
            settings = settings_for(database_url, servers.valkey.url, bucket)
            accounts = [account_at(name, url) for name, url in urls.items()]
            accounts.append(account_at("listed", urls["small"], gateway="ark", base_url=f"{urls['small']}/ark/api/v3"))
            accounts.append(account_at("limited", urls["small"], polls_per_minute=6000))
            given = {name: getattr(settings, name) for name in settings.model_fields_set}
            settings = Settings.model_validate(given | times | {"accounts": accounts} | changes)
            parts = Parts(directory, settings, urls, source=source)
            parts.fired.mkdir()
            try:
                yield parts
            finally:
                parts.shut_down()
                parts.close()
        finally:
            for spec, process in reversed(started):
                stop(spec, process)

"""The contenders, reelq among them: start their processes, enqueue jobs, read their state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.competitors import Competitor
from bench.metering import RunResult, run
from bench.servers import API_KEY, Gateway, Servers, clean_environ, end_group
from bench.waiting import wait_for
from producer.local.plan import Plan
from producer.local.ports import free_port
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import spawn, wait_ready
from storage import database
from storage.settings import load_settings

ENQUEUE_S = 120.0
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """The servers and names that one run of a contender uses."""

    servers: Servers
    gateway: Gateway
    name: str
    """Name of its database, its bucket and its directory."""
    broker: int = 0

    @property
    def directory(self) -> Path:
        """The directory for its files and logs."""
        path = self.servers.directory / self.name
        path.mkdir(exist_ok=True)
        return path

    def videos(self) -> list[Path]:
        """The complete videos in its bucket; an incomplete file has another suffix."""
        top = self.servers.s3.buckets / self.name / "videos"
        return [Path(at, name) for at, _, names in os.walk(top) for name in names if name.endswith(".mp4")]


class Contender(ABC):
    """The constructor prepares it; then call `start`, `enqueue` and, at the end, `close`."""

    name: str
    """Also the first word of each of its prompts."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.processes: list[subprocess.Popen[bytes]] = []
        place.servers.bucket(place.name)
        self.database_url = place.servers.database(place.name)
        self.broker_url = place.servers.broker(place.broker)

    @abstractmethod
    def specs(self) -> list[ChildSpec]:
        """Its long-lived processes."""

    @abstractmethod
    def enqueue(self, count: int) -> RunResult:
        """Enqueue jobs in a separate process; returns its time, CPU and memory."""

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    def launch(self) -> list[ChildSpec]:
        """Start its processes."""
        specs = self.specs()
        self.processes = [spawn(spec) for spec in specs]
        return specs

    def start(self) -> None:
        """Start its processes and wait until they are ready."""
        for spec, process in zip(self.launch(), self.processes, strict=True):
            wait_ready(spec, process, START_S)

    def kill(self) -> None:
        """SIGKILL all of its processes at once."""
        for process in self.processes:
            end_group(process)
        self.processes = []

    def ended(self) -> bool:
        """Whether its own records show no unfinished job; videos are counted separately."""
        return True

    def held(self) -> int:
        """Number of jobs that wait for a person's decision."""
        return 0

    def close(self) -> None:
        """Stop all processes and remove all stored data."""
        self.kill()  # everything is measured by now, and some contenders are slow to shut down
        self.place.servers.drop(self.place.name)
        self.place.servers.remove_bucket(self.place.name)


class CompetitorContender(Contender):
    """A contender from `bench.contenders`."""

    def __init__(self, competitor: Competitor, place: Place, more: Mapping[str, str] | None = None) -> None:
        super().__init__(place)
        self.name = competitor.name
        self._competitor = competitor
        own = {
            "BENCH_NAME": competitor.name,
            "BENCH_GATEWAY": place.gateway.base_url,
            "BENCH_API_KEY": API_KEY,
            "BENCH_S3_ENDPOINT": place.servers.s3.url,
            "BENCH_BUCKET": place.name,
            "BENCH_DATABASE_URL": self.database_url,
            "BENCH_BROKER_URL": self.broker_url,
        }
        self._environ = clean_environ() | place.servers.store_environ() | own | competitor.environ | dict(more or {})
        if competitor.extension:
            place.servers.allow_extension(competitor.extension)
        if competitor.prepare:
            command = competitor.step_command("prepare")
            run(command, self._environ, place.directory / "prepare.log", ENQUEUE_S)

    def specs(self) -> list[ChildSpec]:
        if not self._competitor.worker:
            return []
        log = self.place.directory / "worker.log"
        log.unlink(missing_ok=True)

        def is_ready(_pid: int) -> bool:
            return log.is_file() and self._competitor.ready in log.read_text(errors="replace")

        command = tuple(self._competitor.worker_command())
        return [ChildSpec(self._competitor.name, command, self.place.directory, log, self._environ, is_ready)]

    def enqueue(self, count: int) -> RunResult:
        command = self._competitor.step_command("enqueue", str(count))
        return run(command, self._environ, self.place.directory / "enqueue.log", ENQUEUE_S)


VIDEO_ONLY = {"REELQ_POSTER": "false", "REELQ_SIDECAR": "false"}
"""The settings with which reelq stores what the other contenders store, and nothing beside it."""


class Reelq(Contender):
    """reelq with the processes of `reelq up` and the default settings."""

    name = "reelq"

    def __init__(self, place: Place, more: Mapping[str, str] | None = None, **account: object) -> None:
        """`more`: settings as environment variables. `account`: account fields that differ from the usual ones."""
        super().__init__(place)
        usual = {
            "name": "simulator",
            "gateway": "anyfast",
            "base_url": place.gateway.base_url,
            "api_key": API_KEY,
            "max_in_flight": 100_000,
        }
        own = {
            "REELQ_DATA_DIR": str(place.directory),
            "REELQ_DATABASE_URL": self.database_url,
            "REELQ_BROKER_URL": self.broker_url,
            "REELQ_S3_ENDPOINT_URL": place.servers.s3.url,
            "REELQ_S3_BUCKET": place.name,
            "REELQ_S3_ACCESS_KEY_ID": place.servers.s3.access_key_id,
            "REELQ_S3_SECRET_ACCESS_KEY": place.servers.s3.secret_access_key,
            "REELQ_ACCOUNTS": json.dumps([usual | account]),
            # The first wait of the other contenders; the simulator's generations are short.
            "REELQ_POLL_MIN_SECONDS": "0.5",
        }
        self.environ = clean_environ() | own | dict(more or {})
        database.upgrade(self.database_url)
        self._settings = load_settings(place.directory, self.environ)

    def specs(self) -> list[ChildSpec]:
        plan = Plan(self.place.directory, self.environ, self._settings, 0, None, None)
        return plan.job_processes()

    def start(self) -> None:
        super().start()
        wait_for("the workers' first heartbeats", self._beats, START_S)

    def _beats(self) -> bool:
        wanted = {"scheduler", "submit", "poll", "transfer"}
        return wanted <= {str(row[0]) for row in self.rows("SELECT DISTINCT component FROM heartbeats")}

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Query its database."""
        with psycopg.connect(self.database_url) as conn:
            return conn.execute(query.encode()).fetchall()

    def enqueue(self, count: int) -> RunResult:
        file = self.place.directory / "jobs.jsonl"
        rows = ({"prompt": f"reelq {number}", "duration": 4, "resolution": "480p"} for number in range(count))
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [sys.executable, "-m", "producer.cli.main", "campaign", "run", str(file), "--name", "bench"]
        return run(command, self.environ, self.place.directory / "enqueue.log", ENQUEUE_S)

    def ended(self) -> bool:
        return not self.rows("SELECT 1 FROM jobs WHERE due_at IS NOT NULL AND state <> 'unconfirmed' LIMIT 1")

    def held(self) -> int:
        return len(self.rows("SELECT 1 FROM jobs WHERE state = 'unconfirmed'"))


class CalledBack(Reelq):
    """reelq at Ark, which calls back, with the API that receives the callbacks."""

    def __init__(self, place: Place) -> None:
        base_url = f"{place.gateway.url}/ark/api/v3"
        more = {"REELQ_ALLOW_PRIVATE_NETWORKS": "true"}
        super().__init__(place, more, gateway="ark", base_url=base_url, callbacks=True)

    def specs(self) -> list[ChildSpec]:
        plan = Plan(self.place.directory, self.environ, self._settings, free_port(), None, None)
        return [spec for spec in plan.http_services() if spec.name == "api"] + plan.job_processes()

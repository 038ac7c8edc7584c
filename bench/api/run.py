"""The rate and latency of enqueueing through the API and the Python client, with a check that no job is lost."""

from __future__ import annotations

import json
import sys
import time
from statistics import median
from typing import Any
from uuid import UUID

import httpx

from bench.contender import Place, Reelq
from bench.metering import Meter, run
from bench.report import Report, Table, Target, Value
from bench.servers import Gateway, Servers, run_servers
from bench.waiting import wait_for
from producer.local.plan import Plan
from producer.local.ports import free_port
from producer.local.processes.spec import ChildSpec

OFFERED, P99_MS = 300.0, 100.0
BATCH, BATCHES, BULK = 5_000, 4, 20_000
START_S, SLACK_S = 60.0, 60.0
COLUMNS = ("interface", "jobs", "jobs/s", "p50 ms", "p99 ms", "API CPU ms/job", "DB CPU ms/job")
CLI_S, CLI_RUNS = 0.5, 5


class EnqueueLoad(Reelq):
    """Only the API runs: enqueued jobs stay queued."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def specs(self) -> list[ChildSpec]:
        plan = Plan(self.place.directory, self.environ, self._settings, self.port, None, None)
        return [spec for spec in plan.http_services() if spec.name == "api"]

    def start(self) -> None:
        self.launch()
        wait_for("the API", self._answers, START_S)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def stored(self) -> int:
        """Number of jobs in the table."""
        [[count]] = self.rows("SELECT count(*) FROM jobs")
        assert isinstance(count, int)
        return count


def under_load(
    api: EnqueueLoad, servers: Servers, label: str, seconds: float, *load: str
) -> tuple[dict[str, Value], int]:
    """Put one load on `POST /v1/jobs`; returns its row and the number of accepted jobs missing from the table."""
    groups = {"api": api.pids, "database": [servers.pids["postgres"]]}
    command = [sys.executable, "-m", "bench.api.load", api.url, str(seconds), *load]
    with Meter(groups) as meter:
        ran = run(command, api.environ, api.place.directory / "load.log", seconds + SLACK_S)
        used = {name: meter.cpu_s(name) for name in groups}
    printed: dict[str, Any] = json.loads(ran.output)
    known = {row[0] for row in api.rows("SELECT id FROM jobs")}
    lost = sum(UUID(job) not in known for job in printed["ids"])
    jobs = printed["accepted"]
    refused = ", ".join(f"{count} x {what}" for what, count in printed["refused"].items())
    figures: dict[str, Value] = {
        "interface": label + (f" (refused: {refused})" if refused else ""),
        "jobs": jobs,
        "jobs/s": printed["per_s"],
        "p50 ms": printed["p50_ms"],
        "p99 ms": printed["p99_ms"],
        "API CPU ms/job": used["api"] * 1000 / jobs if jobs else None,
        "DB CPU ms/job": used["database"] * 1000 / jobs if jobs else None,
    }
    return figures, lost


def batches(api: EnqueueLoad, servers: Servers) -> tuple[dict[str, Value], int]:
    """Send batches to `POST /v1/jobs/batch` in sequence; returns the row and the number of missing jobs."""
    lines = [
        json.dumps({"prompt": f"a market at noon, {n}", "duration": 4, "resolution": "480p"}) for n in range(BATCH)
    ]
    body = "\n".join(lines).encode()
    groups = {"api": api.pids, "database": [servers.pids["postgres"]]}
    before, seconds = api.stored(), []
    with Meter(groups) as meter, httpx.Client(timeout=60) as client:
        for _ in range(BATCHES):
            start = time.perf_counter()
            answer = client.post(
                f"{api.url}/v1/jobs/batch", content=body, headers={"Content-Type": "application/x-ndjson"}
            )
            answer.raise_for_status()
            seconds.append(time.perf_counter() - start)
        used = {name: meter.cpu_s(name) for name in groups}
    jobs = BATCH * BATCHES
    row: dict[str, Value] = {
        "interface": f"POST /v1/jobs/batch, {BATCH:,} jobs each",
        "jobs": jobs,
        "jobs/s": BATCH / median(seconds),
        "API CPU ms/job": used["api"] * 1000 / jobs,
        "DB CPU ms/job": used["database"] * 1000 / jobs,
    }
    return row, jobs - (api.stored() - before)


def from_python(api: EnqueueLoad, quick: bool) -> tuple[list[dict[str, Value]], int]:
    """Enqueue with the Python client; returns its rows and the number of missing jobs."""
    before = api.stored()
    arguments = ("1", "2000") if quick else ("5", str(BULK))
    command = [sys.executable, "-m", "bench.api.client", *arguments]
    printed = json.loads(run(command, api.environ, api.place.directory / "enqueueing.log", 120.0).output)
    rows: list[dict[str, Value]] = [
        {
            "interface": "Producer.enqueue",
            "jobs/s": printed["single_per_s"],
            "p50 ms": printed["single_p50_ms"],
            "p99 ms": printed["single_p99_ms"],
        },
        {"interface": f"Producer.enqueue_many, {int(arguments[1]):,} at once", "jobs/s": printed["bulk_per_s"]},
    ]
    return rows, printed["stored"] - (api.stored() - before)


def list_s(api: EnqueueLoad) -> float:
    """Seconds that `reelq jobs list` takes: the median of a few runs."""
    command = [sys.executable, "-m", "producer.cli.main", "jobs", "list"]
    log = api.place.directory / "list.log"
    return median(run(command, api.environ, log, 60.0).seconds for _ in range(CLI_RUNS))


def measure_part(quick: bool) -> Report:
    """The table and the targets."""
    seconds = 5.0 if quick else 60.0
    with run_servers() as servers:
        api = EnqueueLoad(Place(servers, Gateway("http://127.0.0.1:9", 0), "enqueue-load"))
        try:
            api.start()
            warm, lost_warm = under_load(api, servers, "warm up", 2.0, "--rate", "50")
            offered, lost_offered = under_load(
                api, servers, f"POST /v1/jobs, {OFFERED:.0f}/s offered", seconds, "--rate", str(OFFERED)
            )
            fastest, lost_fastest = under_load(
                api, servers, "POST /v1/jobs, 16 connections", seconds / 6, "--connections", "16"
            )
            batched, lost_batched = batches(api, servers)
            python, lost_python = from_python(api, quick)
            listed_s = list_s(api)
        finally:
            api.close()
    lost = lost_warm + lost_offered + lost_fastest + lost_batched + lost_python
    targets = [
        Target("accepted jobs missing from the table", lost, "<=", 0),
        Target(f"accepted of {OFFERED:.0f}/s offered", _number(offered["jobs/s"]), ">=", OFFERED * 0.98, " jobs/s"),
        Target(f"p99 at {OFFERED:.0f}/s offered", _number(offered["p99 ms"]), "<=", P99_MS, " ms"),
        Target("bulk enqueue from Python, with validation", _number(python[1]["jobs/s"]), ">=", 20_000.0, " jobs/s"),
        Target("reelq jobs list", listed_s, "<=", CLI_S, " s"),
    ]
    notes = [f"Latency starts at a request's scheduled time; the load runs in a separate process for {seconds:.0f} s."]
    rows = [offered, fastest, batched, *python]
    return Report("api", [Table("API: enqueueing", COLUMNS, rows)], targets, notes, {"warm_up": warm})


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None

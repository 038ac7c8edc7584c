"""Many jobs generating at once: their memory, their CPU, and how late their polls are.

The rows are inserted in the state after a submit, and the gateway never finishes a generation. The number of polls per
second is the same for every number of jobs: the more jobs, the rarer each one is polled.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psycopg

from bench.contender import Place, Reelq
from bench.metering import Meter, pss_bytes
from bench.report import Report, Table, Target, Value, quantile
from bench.servers import Gateway, Servers, clean_environ, run_servers
from producer.local.ports import free_port
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import spawn, stop, wait_ready
from storage.settings import Settings

OFFERED_PER_S = 200.0
SETTLE_S, STEP_S, AHEAD_S = 6.0, 0.4, 1.0
MORE_MEMORY_MIB, LATE_S = 50.0, 2.0
COLUMNS = (
    *("jobs generating", "offered/s", "polls/s", "late p50 s", "late p99 s"),
    *("workers MiB", "scheduler MiB", "workers CPU", "scheduler CPU", "database CPU"),
)

_INSERT = """
INSERT INTO jobs (id, request, request_hash, gateways, state, account, gateway, model, gateway_task_id, attempt,
                  submitted_at, due_at)
SELECT id, '{"prompt": "a lighthouse at dusk", "duration": 4, "resolution": "480p"}', 'x', '{anyfast}', 'generating',
       'simulator', 'anyfast', 'seedance', id, 1, now() - interval '1 hour',
       now() + make_interval(secs => 2 + random() * %(over_s)s)
FROM (SELECT uuidv7() AS id FROM generate_series(1, %(count)s)) new
"""
_DUE_SOON = """
SELECT gateway_task_id, extract(epoch FROM due_at)::float8 FROM jobs
WHERE state = 'generating' AND due_at BETWEEN now() AND now() + make_interval(secs => %s)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """A number of jobs, each polled about every `every_s` seconds."""

    jobs: int
    every_s: float
    label: str = ""

    @property
    def offered_per_s(self) -> float:
        return self.jobs / self.every_s


def loads(quick: bool) -> list[Load]:
    """The same polls per second for all sizes; the last load offers more, to find the highest rate."""
    sizes = (200, 2_000) if quick else (1_000, 10_000, 100_000)
    even = [Load(size, size / OFFERED_PER_S) for size in sizes]
    default_s = Settings.model_fields["poll_max_seconds"].default
    return even if quick else [*even, Load(100_000, default_s, "100,000, by default")]


@contextmanager
def endless(servers: Servers) -> Iterator[Gateway]:
    """Run the gateway of `bench.endless`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def answers(_pid: int) -> bool:
        try:
            return httpx.get(f"{url}/_log", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    command = (sys.executable, "-m", "bench.endless", str(port))
    log = servers.directory / "endless.log"
    spec = ChildSpec("endless", command, servers.directory, log, clean_environ(), answers)
    process = spawn(spec)
    try:
        wait_ready(spec, process)
        yield Gateway(url, process.pid)
    finally:
        stop(spec, process)


def lateness(due: Mapping[str, list[float]], polled: Mapping[str, list[float]], until: float) -> list[float]:
    """Seconds from each due time to the first poll after it, or to the end of the measurement without a poll.

    `due` and `polled`: the times of each task, in order.
    """
    late = []
    for task, moments in due.items():
        polls = polled.get(task, [])
        for moment in moments:
            at = bisect_right(polls, moment)
            late.append((polls[at] if at < len(polls) else max(until, moment)) - moment)
    return late


class Watch:
    """Records which polls are due and which arrive at the gateway."""

    def __init__(self, url: str, gateway: Gateway) -> None:
        self._conn = psycopg.connect(url, autocommit=True)
        self._gateway = gateway
        self.due: dict[str, list[float]] = defaultdict(list)
        self.polled: dict[str, list[float]] = defaultdict(list)

    def close(self) -> None:
        self._conn.close()

    def reset(self) -> None:
        """Discard the polls recorded so far."""
        self._read_log()
        self.polled.clear()

    def run(self, seconds: float) -> float:
        """Watch for this long; returns the end time in seconds since the epoch."""
        until = time.time() + seconds
        while time.time() < until:
            for task, moment in self._conn.execute(_DUE_SOON, [AHEAD_S]):
                # A due time is read several times before it has passed.
                if moment < until and moment not in self.due[task]:
                    self.due[task].append(moment)
            time.sleep(STEP_S)
        self._read_log()
        return until

    def _read_log(self) -> None:
        for line in httpx.get(f"{self._gateway.url}/_log", timeout=30).text.splitlines():
            moment, task = line.split(" ")
            self.polled[task].append(float(moment))


def measure(servers: Servers, remote: Gateway, load: Load, seconds: float) -> dict[str, Value]:
    """Measure one load; returns its row."""
    environ = {"REELQ_POLL_MAX_SECONDS": str(load.every_s), "REELQ_POLL_MIN_SECONDS": str(min(2.0, load.every_s))}
    reelq = Reelq(Place(servers, remote, f"flying-{load.jobs}-{load.every_s:.0f}"), environ)
    try:
        reelq.start()
        with psycopg.connect(reelq.database_url, autocommit=True) as conn:
            conn.execute(_INSERT, {"count": load.jobs, "over_s": load.every_s})
            conn.execute("ANALYZE jobs")
        scheduler, *workers = reelq.pids
        watch = Watch(reelq.database_url, remote)
        time.sleep(SETTLE_S)
        watch.reset()
        began = time.time()
        groups = {"scheduler": [scheduler], "workers": workers, "database": [servers.pids["postgres"]]}
        with Meter(groups) as meter:
            until = watch.run(seconds)
            used = {name: meter.cpu_s(name) / (time.time() - began) for name in groups}
        watch.close()
        late = lateness(watch.due, watch.polled, until)
        return {
            "jobs generating": load.label or f"{load.jobs:,}",
            "offered/s": load.offered_per_s,
            "polls/s": sum(map(len, watch.polled.values())) / seconds,
            "late p50 s": quantile(late, 0.5),
            "late p99 s": quantile(late, 0.99),
            "workers MiB": pss_bytes(workers) / 2**20,
            "scheduler MiB": pss_bytes([scheduler]) / 2**20,
            "workers CPU": used["workers"],
            "scheduler CPU": used["scheduler"],
            "database CPU": used["database"],
        }
    finally:
        reelq.close()


def report_of(rows: list[dict[str, Value]]) -> Report:
    """The table and the targets."""
    few, many = rows[0], next((row for row in rows if row["jobs generating"] == "100,000"), rows[-1])
    targets = []
    for part in ("workers", "scheduler"):
        more = _number(many[f"{part} MiB"]) - _number(few[f"{part} MiB"])
        targets.append(
            Target(f"{part}: more memory with the most jobs than with the fewest", more, "<=", MORE_MEMORY_MIB, " MiB")
        )
    late = _number(many["late p99 s"])
    targets.append(Target(f"p99 lateness at {OFFERED_PER_S:.0f} polls/s with the most jobs", late, "<=", LATE_S, " s"))
    notes = [
        "CPU: cores in use. Late: from a poll's due time until it arrives at the gateway.",
        "By default a job is polled at least every 60 s: that row shows the highest rate of polls.",
    ]
    title = "In flight: jobs generating, and their polls"
    return Report("inflight", [Table(title, COLUMNS, rows)], targets, notes)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else float("inf")


def measure_part(quick: bool) -> Report:
    """Measure all loads in sequence."""
    seconds = 6.0 if quick else 15.0
    rows = []
    with run_servers() as servers, endless(servers) as remote:
        for load in loads(quick):
            rows.append(measure(servers, remote, load, seconds))
            print(f"  {rows[-1]['jobs generating']}", file=sys.stderr, flush=True)
    return report_of(rows)

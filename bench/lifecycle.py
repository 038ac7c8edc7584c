"""The same jobs through reelq and its alternatives: speed, CPU, memory, polls, latency.

Each contender submits to the same simulated gateway, polls until the video is ready and copies it to the same S3
server. In each round every contender runs once, one after the other, in every second round
in the opposite order; the figures are medians of the rounds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from statistics import median
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from bench import competitors
from bench.competitors import COMPETITORS, Competitor, NoCompetitors
from bench.contender import VIDEO_ONLY, CalledBack, CompetitorContender, Contender, Place, Reelq
from bench.metering import CommandFailed, Meter
from bench.report import Report, Table, Target, Value, quantile, ratio
from bench.servers import Gateway, Servers, gateway, run_servers
from bench.waiting import NotInTime, wait_for, wait_to_reach
from producer.local.errors import StackError

VIDEO_BYTES = 256 * 1024
GATEWAY_OPTIONS = ("--video-bytes", str(VIDEO_BYTES), "--median-seconds", "2", "--sigma", "0.35")
RUN_S, STALL_S = 120.0, 30.0
ROUNDS_S = 430.0
"""Time limit of all rounds. A round starts only if it should finish in time; only whole rounds are compared."""
_NUMBERS = count(1)  # the store remembers a removed bucket for a while, so every run has a bucket of its own
SETTLE_S = 1.0
FAILURES = (CommandFailed, NotInTime, StackError, OSError, psycopg.Error, RuntimeError, BotoCoreError, ClientError)
COLUMNS = (
    *("contender", "jobs", "runs", "jobs/s", "CPU ms/job", "with DB+broker", "memory MiB"),
    *("polls/job", "found p50 s", "found p99 s", "CPU ratio", "all ratio", "speed ratio"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table: a contender, its label, and its number of jobs."""

    name: str
    label: str
    jobs: int
    make: Callable[[Place], Contender]
    competitor: Competitor | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. CPU in milliseconds per job; latency in seconds from the end of a generation to its discovery."""

    jobs: int
    seconds: float
    cpu_ms: float
    enqueue_cpu_ms: float
    servers_cpu_ms: float
    """CPU of database and broker."""
    store_cpu_ms: float
    gateway_cpu_ms: float
    peak_mib: float
    polls: float
    latency_p50_s: float | None
    latency_p99_s: float | None
    paid_twice: int

    @property
    def rate(self) -> float:
        """Jobs per second."""
        return self.jobs / self.seconds


def entries(jobs: int) -> list[Entry]:
    """All contenders, reelq first; slow ones get fewer jobs."""
    found = [
        Entry("reelq", "reelq", jobs, Reelq),
        Entry("reelq-np", "reelq, video only", jobs, lambda place: Reelq(place, VIDEO_ONLY)),
        Entry("reelq-called-back", "reelq, callbacks (Ark, with API)", max(1, jobs // 4), CalledBack),
    ]
    for competitor in COMPETITORS:
        share = max(1, round(jobs * competitor.jobs / 2000))
        make = partial(CompetitorContender, competitor)
        found.append(Entry(competitor.name, competitor.label, share, make, competitor))
    return found


def measure(servers: Servers, remote: Gateway, entry: Entry) -> Measured:
    """Run one contender, from an empty database to its last video."""
    remote.reset()
    place = Place(servers, remote, f"{entry.name}-{next(_NUMBERS)}")
    contender = entry.make(place)
    try:
        contender.start()
        server_pids = [servers.pids["postgres"], servers.pids["valkey"]]
        groups = {"own": contender.pids, "servers": server_pids, "store": [servers.pids["s3"]], "gateway": [remote.pid]}
        with Meter(groups) as meter:
            began = time.monotonic()
            enqueued = contender.enqueue(entry.jobs)
            wait_to_reach(entry.jobs, lambda: len(place.videos()), STALL_S, RUN_S)
            seconds = time.monotonic() - began
            wait_for("the end of all jobs in its own records", contender.ended, RUN_S)
            time.sleep(SETTLE_S)  # its writes after the last video count too
            used = {name: meter.cpu_s(name) * 1000 / entry.jobs for name in groups}
        # The bare script has no workers: its enqueueing command does all the work.
        peak = meter.peak_bytes["own"] if contender.pids else enqueued.peak_bytes
        return _measured(entry, place, peak, seconds, enqueued.cpu_s * 1000 / entry.jobs, used)
    finally:
        contender.close()


def _measured(
    entry: Entry, place: Place, peak_bytes: int, seconds: float, enqueue_ms: float, used: Mapping[str, float]
) -> Measured:
    sizes = {path.stat().st_size for path in place.videos()}
    if sizes != {VIDEO_BYTES}:
        raise RuntimeError(f"the bucket has videos of {sorted(sizes)[:3]} bytes instead of {VIDEO_BYTES}")
    ledger = place.gateway.ledger()
    late = [max(0.0, task["told_at"] - task["ends_at"]) for task in ledger if task["told_at"] is not None]
    return Measured(
        jobs=entry.jobs,
        seconds=seconds,
        cpu_ms=used["own"] + enqueue_ms,
        enqueue_cpu_ms=enqueue_ms,
        servers_cpu_ms=used["servers"],
        store_cpu_ms=used["store"],
        gateway_cpu_ms=used["gateway"],
        peak_mib=peak_bytes / 2**20,
        polls=place.gateway.queries() / entry.jobs,
        latency_p50_s=quantile(late, 0.5),
        latency_p99_s=quantile(late, 0.99),
        paid_twice=len(ledger) - entry.jobs,
    )


def run_rounds(
    servers: Servers, remote: Gateway, rows: Sequence[Entry], rounds: int
) -> tuple[dict[str, list[Measured]], list[str]]:
    """Run every contender once per round; one that fails is skipped in later rounds. Every second round has the
    opposite order: a machine that becomes slower or faster is so for all of them alike."""
    runs: dict[str, list[Measured]] = {entry.name: [] for entry in rows}
    failed: dict[str, str] = {}
    began = time.monotonic()
    for number in range(rounds):
        elapsed_s = time.monotonic() - began
        if number > 0 and elapsed_s * (number + 1) / number > ROUNDS_S:
            break
        for entry in rows if number % 2 == 0 else reversed(rows):
            if entry.name in failed:
                continue
            try:
                one = measure(servers, remote, entry)
            except FAILURES as exc:
                failed[entry.name] = f"{entry.label.strip()} failed: {str(exc)[:300]}"
                continue
            runs[entry.name].append(one)
            figures = f"{one.rate:6.1f} jobs/s {one.cpu_ms:6.2f} ms CPU per job"
            print(f"  round {number + 1} {entry.label:32} {figures}", file=sys.stderr, flush=True)
    return runs, list(failed.values())


def _medians(runs: Sequence[Measured]) -> Measured:
    """The median of each figure separately."""
    all_figures = [asdict(one) for one in runs]
    medians: dict[str, Any] = {}
    for key in all_figures[0]:
        known = [one[key] for one in all_figures if one[key] is not None]
        medians[key] = median(known) if known else None
    return Measured(**medians)


def report_of(rows: Sequence[Entry], runs: Mapping[str, Sequence[Measured]], notes: Sequence[str]) -> Report:
    """The table, each row's ratio to reelq, and the targets."""
    medians = {name: _medians(found) for name, found in runs.items() if found}
    own = medians.get("reelq")
    table: list[dict[str, Value]] = []
    for entry in rows:
        one = medians.get(entry.name)
        line: dict[str, Value] = {"contender": entry.label, "jobs": entry.jobs, "runs": len(runs.get(entry.name, ()))}
        if one is not None:
            line |= {
                "jobs/s": one.rate,
                "CPU ms/job": one.cpu_ms,
                "with DB+broker": one.cpu_ms + one.servers_cpu_ms,
                "memory MiB": one.peak_mib,
                "polls/job": one.polls,
                "found p50 s": one.latency_p50_s,
                "found p99 s": one.latency_p99_s,
            }
            if own is not None:
                line["CPU ratio"] = ratio(own.cpu_ms, one.cpu_ms)
                line["all ratio"] = ratio(own.cpu_ms + own.servers_cpu_ms, one.cpu_ms + one.servers_cpu_ms)
                line["speed ratio"] = ratio(own.rate, one.rate)
        table.append(line)
    compared = [medians[e.name] for e in rows if e.competitor is not None and e.competitor.counts and e.name in medians]
    return Report(
        "lifecycle",
        [Table("Lifecycle: the same jobs, 256 KiB each, generations of 2 s (median)", COLUMNS, table)],
        _targets(medians, compared),
        [*notes, "Ratios: reelq's figure divided by the row's. CPU: workers, scheduler and enqueueing."],
        {"runs": {name: [asdict(one) for one in found] for name, found in runs.items()}},
    )


def _targets(medians: Mapping[str, Measured], others: Sequence[Measured]) -> list[Target]:
    """Targets. The row of videos only does what the others do."""
    called_back, floor = medians.get("reelq-called-back"), medians.get("bare")
    own, alike = medians.get("reelq"), medians.get("reelq-np")
    found: list[Target] = []
    if alike is not None and floor is not None:
        found += [
            Target("CPU per job against the floor, video only", ratio(alike.cpu_ms, floor.cpu_ms), "<=", 1.8),
            Target("jobs/s against the floor, video only", ratio(alike.rate, floor.rate), ">=", 0.9),
        ]
    if others:
        least, least_all = min(one.cpu_ms for one in others), min(one.cpu_ms + one.servers_cpu_ms for one in others)
        for one, label, most, most_all in ((alike, "video only", 0.5, 0.8), (own, "with posters", 0.75, 0.8)):
            if one is not None:
                all_ratio = ratio(one.cpu_ms + one.servers_cpu_ms, least_all)
                found += [
                    Target(f"CPU per job against the best competitor, {label}", ratio(one.cpu_ms, least), "<=", most),
                    Target(f"the same with database and broker, {label}", all_ratio, "<=", most_all),
                ]
        latest = min((one.latency_p99_s for one in others if one.latency_p99_s is not None), default=None)
        if own is not None:
            p99 = ratio(own.latency_p99_s, latest)
            found.append(Target("found p99 against the best competitor", p99, "<=", 1.0))
    if called_back is not None:
        found.append(Target("polls per job with callbacks", called_back.polls, "<=", 1.1))
    return found


def measure_part(quick: bool) -> Report:
    """Measure all contenders in rounds."""
    jobs, rounds = (100, 1) if quick else (2000, 2)
    notes: list[str] = []
    rows = entries(jobs)
    try:
        competitors.ensure_environment()
    except NoCompetitors as exc:
        notes.append(f"No competitors: {exc}")
        rows = [entry for entry in rows if entry.competitor is None]
    with run_servers() as servers, gateway(servers.directory, *GATEWAY_OPTIONS) as remote:
        runs, failed = run_rounds(servers, remote, rows, rounds)
        return report_of(rows, runs, [*notes, *failed])

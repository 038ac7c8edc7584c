"""Count what is paid twice and what is lost when every process of a contender is killed while it submits.

All contenders run at the same time, each with its own database, broker database and bucket, against one gateway that
takes 0.3 s to answer a create. This part does not measure speed.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import httpx
import psycopg

from bench.competitors import COMPETITORS, Competitor, NoCompetitors, ensure_environment
from bench.contender import CompetitorContender, Contender, Place, Reelq
from bench.metering import CommandFailed, RunResult
from bench.report import Report, Table, Target, Value
from bench.servers import Gateway, Servers, gateway, run_servers
from producer.local.errors import StackError

OPTIONS = ("--video-bytes", "65536", "--median-seconds", "2")
SLOW_CREATES = {"kind": "slow", "where": "create", "seconds": 0.3}
KILL_AT, DOWN_S, LIMIT_S, STEP_S = 0.3, 2.0, 130.0, 0.1
JOBS, QUICK_JOBS, AT_ONCE = 200, 80, 50
COLUMNS = ("contender", "jobs", "paid at the kill", "paid twice", "held", "missing", "last video s")
Make = Callable[[Place], Contender]


@dataclass
class Victim:
    """A contender and its progress through the crash run."""

    label: str
    contender: Contender
    jobs: int
    enqueueing: Future[RunResult] | None = None
    paid_at_kill: int = 0
    killed_at: float | None = None
    restarted: bool = False
    last_video_s: float | None = None
    """Seconds after the kill."""
    videos: int = 0
    finished: bool = False
    error: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    """Number of generations paid per job."""

    def update(self, paid: Counter[str], now: float) -> None:
        """Record the progress and take the next step: kill, restart, or count the results."""
        self.counts = paid
        if self.killed_at is None:
            if len(paid) >= self.jobs * KILL_AT:
                self.paid_at_kill = sum(paid.values())
                self.contender.kill()
                self.killed_at = now
        elif not self.restarted:
            if now - self.killed_at > DOWN_S and self.enqueueing is not None and self.enqueueing.done():
                self.contender.launch()
                self.restarted = True
        else:
            videos = len(self.contender.place.videos())
            if videos > self.videos:
                self.videos, self.last_video_s = videos, now - self.killed_at
            self.finished = videos >= self.jobs or (self.contender.ended() and videos + self.held() >= self.jobs)

    def held(self) -> int:
        """Number of jobs that wait for a person's decision."""
        return self.contender.held()

    @property
    def paid_twice(self) -> int:
        """Number of generations paid for more than once."""
        return sum(self.counts.values()) - len(self.counts)

    def row(self) -> dict[str, Value]:
        """The row of the table."""
        held = self.held()
        return {
            "contender": self.label,
            "jobs": self.jobs,
            "paid at the kill": self.paid_at_kill,
            "paid twice": self.paid_twice,
            "held": held,
            "missing": max(0, self.jobs - self.videos - held),
            "last video s": self.last_video_s,
        }


def victims_of(found: Sequence[Competitor]) -> list[tuple[str, str, Make]]:
    """The contenders to kill: reelq and the competitors that store jobs, each configured to recover quickly."""
    listed: list[tuple[str, str, Make]] = [("reelq", "reelq", lambda place: Reelq(place, max_in_flight=AT_ONCE))]
    return listed + [
        (competitor.name, competitor.label, _factory(competitor)) for competitor in found if competitor.counts
    ]


def _factory(competitor: Competitor) -> Make:
    return lambda place: CompetitorContender(competitor, place, {"BENCH_TUNING": json.dumps(competitor.after_kill)})


def measure_part(quick: bool) -> Report:
    """Run all contenders once; a quick run has only reelq."""
    notes: list[str] = []
    contenders = victims_of(() if quick else COMPETITORS)
    if not quick:
        try:
            ensure_environment()
        except NoCompetitors as exc:
            notes.append(f"No competitors: {exc}")
            contenders = victims_of(())
    with run_servers() as servers:
        report = measure(servers, contenders, QUICK_JOBS if quick else JOBS)
    return replace(report, notes=[*notes, *report.notes])


def measure(servers: Servers, contenders: Sequence[tuple[str, str, Make]], jobs: int) -> Report:
    """Kill each contender once; `contenders` are tuples of name, label and factory."""
    notes: list[str] = []
    victims: list[Victim] = []
    with gateway(servers.directory, *OPTIONS) as remote, ThreadPoolExecutor(len(contenders)) as pool:
        httpx.post(f"{remote.url}/_sim/faults", json=[SLOW_CREATES], timeout=10).raise_for_status()
        try:
            for number, (name, label, make) in enumerate(contenders, start=1):
                if (contender := _started(servers, remote, f"{name}-killed", number, make, notes)) is not None:
                    victims.append(Victim(label, contender, jobs))
            for victim in victims:
                victim.enqueueing = pool.submit(victim.contender.enqueue, jobs)
            _watch(remote, victims)
            rows = [victim.row() for victim in victims]
        finally:
            for victim in victims:
                victim.contender.close()
    notes += [f"{victim.label}: {victim.error}" for victim in victims if victim.error]
    notes.append(f"Missing: no video {LIMIT_S:g} s after the enqueueing, and not held for a person.")
    notes.append("taskiq recovers the messages of dead workers only after a new message arrives; here none arrives.")
    own = next((row for row in rows if row["contender"] == "reelq"), {})
    targets = [
        Target("reelq: paid twice after the kill", _number(own.get("paid twice")), "<=", 0),
        Target("reelq: missing after the kill", _number(own.get("missing")), "<=", 0),
    ]
    title = "Crash: SIGKILL to all processes while they submit jobs, restart 2 s later"
    return Report("crash", [Table(title, COLUMNS, rows)], targets, notes, {"killed": rows})


def _started(
    servers: Servers, remote: Gateway, name: str, number: int, make: Make, notes: list[str]
) -> Contender | None:
    contender = None
    try:
        contender = make(Place(servers, remote, name, number))
        contender.start()
    except (CommandFailed, StackError, OSError, psycopg.Error, RuntimeError) as exc:
        notes.append(f"{name} did not start: {str(exc)[:300]}")
        if contender is not None:
            contender.close()
        return None
    return contender


def _watch(remote: Gateway, victims: Sequence[Victim]) -> None:
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until and not all(victim.finished for victim in victims):
        ledger = remote.ledger()
        paid: dict[str, Counter[str]] = {}
        for task in ledger:
            paid.setdefault(task["prompt"].partition(" ")[0], Counter())[task["prompt"]] += 1
        for victim in victims:
            if not victim.finished:
                name = victim.contender.name
                try:
                    victim.update(paid.get(name, Counter()), time.monotonic())
                except (OSError, psycopg.Error, StackError) as exc:
                    victim.finished, victim.error = True, str(exc)[:300]
        time.sleep(STEP_S)


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None

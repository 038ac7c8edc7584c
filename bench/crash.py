"""What is paid twice and what is lost when every process of a contender is killed while it submits.

All contenders at the same time, each with its own database, broker database and bucket, against one gateway that takes
0.3 s to answer a create. Nothing here is a matter of speed.
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

from bench.competitors import COMPETITORS, Competitor, NoContenders, ensure_environment
from bench.contender import CompetitorContender, Contender, Place, Reelq
from bench.metering import CommandFailed, Ran
from bench.report import Report, Table, Target, Value
from bench.servers import Gateway, Servers, gateway, site
from producer.local.errors import StackError

OPTIONS = ("--video-bytes", "65536", "--median-seconds", "2")
SLOW_CREATES = {"kind": "slow", "where": "create", "seconds": 0.3}
KILL_AT, DOWN_S, LIMIT_S, STEP_S = 0.3, 2.0, 130.0, 0.1
JOBS, QUICK_JOBS, AT_ONCE = 200, 80, 50
COLUMNS = ("contender", "jobs", "paid at the kill", "paid twice", "held", "not back", "last video s")
Make = Callable[[Place], Contender]


@dataclass
class Victim:
    """A contender and what has happened to it."""

    label: str
    contender: Contender
    jobs: int
    enqueueing: Future[Ran] | None = None
    paid_at_kill: int = 0
    killed_at: float | None = None
    restarted: bool = False
    last_video_s: float | None = None
    """After the kill."""
    videos: int = 0
    finished: bool = False
    why: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    """How often each job was paid for."""

    def look(self, paid: Counter[str], now: float) -> None:
        """Take note of what is there, and do what is next."""
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
        """Jobs that wait for a person."""
        return self.contender.held()

    @property
    def paid_twice(self) -> int:
        """Generations that were bought a second time."""
        return sum(self.counts.values()) - len(self.counts)

    def row(self) -> dict[str, Value]:
        """For the table."""
        held = self.held()
        return {
            "contender": self.label,
            "jobs": self.jobs,
            "paid at the kill": self.paid_at_kill,
            "paid twice": self.paid_twice,
            "held": held,
            "not back": max(0, self.jobs - self.videos - held),
            "last video s": self.last_video_s,
        }


def victims_of(found: Sequence[Competitor]) -> list[tuple[str, str, Make]]:
    """Who is killed: reelq, and the competitors that keep their jobs; each set to recover soon."""
    listed: list[tuple[str, str, Make]] = [("reelq", "reelq", lambda place: Reelq(place, max_in_flight=AT_ONCE))]
    return listed + [
        (competitor.name, competitor.label, _maker(competitor)) for competitor in found if competitor.counts
    ]


def _maker(competitor: Competitor) -> Make:
    return lambda place: CompetitorContender(competitor, place, {"BENCH_TUNING": json.dumps(competitor.after_kill)})


def measure_part(quick: bool) -> Report:
    """All of them once; in a small run reelq alone."""
    notes: list[str] = []
    contenders = victims_of(() if quick else COMPETITORS)
    if not quick:
        try:
            ensure_environment()
        except NoContenders as exc:
            notes.append(f"No contenders: {exc}")
            contenders = victims_of(())
    with site() as where:
        report = measure(where, contenders, QUICK_JOBS if quick else JOBS)
    return replace(report, notes=[*notes, *report.notes])


def measure(where: Servers, contenders: Sequence[tuple[str, str, Make]], jobs: int) -> Report:
    """Kill them all once; each is given as name, label, and how it is made."""
    notes: list[str] = []
    victims: list[Victim] = []
    with gateway(where.directory, *OPTIONS) as remote, ThreadPoolExecutor(len(contenders)) as pool:
        httpx.post(f"{remote.url}/_sim/faults", json=[SLOW_CREATES], timeout=10).raise_for_status()
        try:
            for number, (name, label, make) in enumerate(contenders, start=1):
                if (contender := _started(where, remote, f"{name}-killed", number, make, notes)) is not None:
                    victims.append(Victim(label, contender, jobs))
            for victim in victims:
                victim.enqueueing = pool.submit(victim.contender.enqueue, jobs)
            _play(remote, victims)
            rows = [victim.row() for victim in victims]
        finally:
            for victim in victims:
                victim.contender.close()
    notes += [f"{victim.label}: {victim.why}" for victim in victims if victim.why]
    notes.append(f"Not back: no video {LIMIT_S:g} s after the enqueueing, nor held for a person.")
    notes.append("taskiq looks for what the dead have left only after a new message has come, and here none comes.")
    own = next((row for row in rows if row["contender"] == "reelq"), {})
    targets = [
        Target("reelq: paid twice after the kill", _number(own.get("paid twice")), "<=", 0),
        Target("reelq: not back after the kill", _number(own.get("not back")), "<=", 0),
    ]
    title = "Killed: SIGKILL to all processes while jobs are submitted, started again 2 s later"
    return Report("crash", [Table(title, COLUMNS, rows)], targets, notes, {"killed": rows})


def _started(where: Servers, remote: Gateway, name: str, number: int, make: Make, notes: list[str]) -> Contender | None:
    contender = None
    try:
        contender = make(Place(where, remote, name, number))
        contender.start()
    except (CommandFailed, StackError, OSError, psycopg.Error, RuntimeError) as exc:
        notes.append(f"{name} has not started: {str(exc)[:300]}")
        if contender is not None:
            contender.close()
        return None
    return contender


def _play(remote: Gateway, victims: Sequence[Victim]) -> None:
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
                    victim.look(paid.get(name, Counter()), time.monotonic())
                except (OSError, psycopg.Error, StackError) as exc:
                    victim.finished, victim.why = True, str(exc)[:300]
        time.sleep(STEP_S)


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None

"""From "the gateway says that it is done" to "the video is in the bucket", with 100 jobs in flight.

The gateway and the store are 20 ms away, as in another data centre of the same region, for every contender. The
gateway's ledger says when it first answered the contender that a generation is done, the store's directory when the
video was complete.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from socket import create_connection

import httpx

from bench import competitors
from bench.competitors import COMPETITORS, NoCompetitors
from bench.contender import VIDEO_ONLY, CompetitorContender, Contender, Place, Reelq
from bench.lifecycle import FAILURES, Entry
from bench.report import Report, Table, Target, Value, quantile, ratio
from bench.servers import Gateway, Servers, clean_environ, gateway, run_servers
from bench.waiting import wait_for, wait_to_reach
from producer.local.ports import HOST, free_port
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import spawn, stop, wait_ready

IN_FLIGHT = 100
AWAY_MS = 20.0
"""The round trip to the gateway, and to the store."""
VIDEO_BYTES = 2 * 2**20
GATEWAY_OPTIONS = ("--video-bytes", str(VIDEO_BYTES), "--median-seconds", "4", "--sigma", "0.35")
RUN_S, STALL_S = 60.0, 20.0
ROUNDS_S = 300.0
"""Time limit of all rounds. A round starts only if it should finish in time."""
PEERS = ("bare", "celery", "dramatiq", "taskiq")
COLUMNS = ("contender", "videos", "p50 ms", "p99 ms", "p50 ratio", "p99 ratio")
TARGETS = {"p50": (0.5, 1.0), "p99": (0.99, 1.0)}
"""The share of the videos, and the wanted ratio to the best competitor."""
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Waited:
    """The milliseconds from the gateway's word to the complete video, of all videos of a contender."""

    entry: Entry
    waited_ms: tuple[float, ...]


def entries() -> list[Entry]:
    """The contenders, reelq first."""
    found = [
        Entry("reelq", "reelq", IN_FLIGHT, Reelq),
        Entry("reelq-np", "reelq, video only", IN_FLIGHT, lambda place: Reelq(place, VIDEO_ONLY)),
    ]
    for competitor in COMPETITORS:
        if competitor.name in PEERS:

            def make(place: Place, competitor: competitors.Competitor = competitor) -> Contender:
                return CompetitorContender(competitor, place)

            found.append(Entry(competitor.name, competitor.label.strip(), IN_FLIGHT, make, competitor))
    return found


@contextmanager
def away(servers: Servers, to_port: int) -> Iterator[int]:
    """Put a server `AWAY_MS` away; yields the port at which it is reached."""
    port = free_port()
    name = f"delay-{to_port}"
    command = (sys.executable, "-m", "bench.distance.delay", str(port), str(to_port), str(AWAY_MS))
    spec = ChildSpec(
        name, command, servers.directory, servers.directory / f"{name}.log", clean_environ(), lambda _: _listens(port)
    )
    process = spawn(spec)
    try:
        wait_ready(spec, process)
        yield port
    finally:
        stop(spec, process)


def _listens(port: int) -> bool:
    try:
        create_connection((HOST, port), 1.0).close()
    except OSError:
        return False
    return True


def measure(servers: Servers, remote: Gateway, entry: Entry) -> list[float]:
    """Run one contender with all jobs at once; returns the milliseconds of each video.

    Raises:
        RuntimeError: a video in the bucket is not one of the gateway's.
    """
    remote.reset()
    place = Place(servers, remote, f"{entry.name}-{next(_NUMBERS)}")
    contender = entry.make(place)
    try:
        contender.start()
        contender.enqueue(entry.jobs)
        wait_to_reach(entry.jobs, lambda: len(place.videos()), STALL_S, RUN_S)
        wait_for("the end of all jobs in its own records", contender.ended, RUN_S)
        return waited_ms(place, remote)
    finally:
        contender.close()


def waited_ms(place: Place, remote: Gateway) -> list[float]:
    """Match the files in the bucket with the gateway's tasks by their bytes."""
    complete = {hashlib.sha256(path.read_bytes()).hexdigest(): path.stat().st_ctime for path in place.videos()}
    tasks = httpx.get(f"{remote.url}/_sim/ledger", timeout=60).json()["tasks"]
    done = {task["sha256"]: task["told_at"] for task in tasks}
    if complete.keys() != done.keys() or None in done.values():
        raise RuntimeError(f"{len(complete)} videos, {len(done)} generations: they do not match")
    return [(complete[digest] - done[digest]) * 1000 for digest in complete]


def run_rounds(servers: Servers, rows: Sequence[Entry], rounds: int, notes: list[str]) -> list[Waited]:
    """Run every contender in rounds; one that fails is skipped afterwards."""
    found: dict[str, list[float]] = {row.name: [] for row in rows}
    failed: set[str] = set()
    with (
        gateway(servers.directory, *GATEWAY_OPTIONS) as near,
        away(servers, int(near.url.rpartition(":")[2])) as port,
        away(servers, servers.s3.port) as store_port,
    ):
        far = replace(servers, s3=replace(servers.s3, port=store_port))
        remote = replace(near, url=f"http://{HOST}:{port}")
        began = time.monotonic()
        for number in range(rounds):
            elapsed_s = time.monotonic() - began
            if number > 0 and elapsed_s * (number + 1) / number > ROUNDS_S:
                notes.append(f"{number} of {rounds} rounds because of the time limit.")
                break
            for row in rows:
                if row.name in failed:
                    continue
                try:
                    found[row.name] += measure(far, remote, row)
                except FAILURES as exc:
                    failed.add(row.name)
                    notes.append(f"{row.label} failed: {str(exc)[:300]}")
                    continue
                print(f"  round {number + 1} {row.label}", file=sys.stderr, flush=True)
    return [Waited(row, tuple(found[row.name])) for row in rows]


def report_of(found: Sequence[Waited], notes: Sequence[str]) -> Report:
    """The table, with ratios of reelq's figure (of videos only, as the others store nothing else) to the row's."""
    own = next((one.waited_ms for one in found if one.entry.name == "reelq-np"), ())
    peers = [one.waited_ms for one in found if one.waited_ms and one.entry.competitor and one.entry.competitor.counts]
    rows: list[dict[str, Value]] = [{"contender": one.entry.label, "videos": len(one.waited_ms)} for one in found]
    targets = []
    for name, (share, wanted) in TARGETS.items():
        for row, one in zip(rows, found, strict=True):
            row[f"{name} ms"] = quantile(one.waited_ms, share)
            row[f"{name} ratio"] = ratio(quantile(own, share), quantile(one.waited_ms, share))
        best = min((quantile(waited, share) or 0.0 for waited in peers), default=None)
        what = f"found to stored, {name}, against the best competitor"
        targets.append(Target(what, ratio(quantile(own, share), best), "<=", wanted))
    load = f"{IN_FLIGHT} jobs in flight, {VIDEO_BYTES >> 20} MiB, {AWAY_MS:g} ms away"
    title = f"Distance: from the gateway's word to the complete video; {load}"
    return Report("distance", [Table(title, COLUMNS, rows)], targets, notes)


def measure_part(quick: bool) -> Report:
    """Measure all contenders."""
    notes = [
        "Ratios: reelq's figure for videos only divided by the row's. reelq also commits the URL before it copies."
    ]
    rows = entries()
    try:
        competitors.ensure_environment()
    except NoCompetitors as exc:
        notes.append(f"No competitors: {exc}")
        rows = [row for row in rows if row.competitor is None]
    with run_servers() as servers:
        return report_of(run_rounds(servers, rows, 1 if quick else 3, notes), notes)

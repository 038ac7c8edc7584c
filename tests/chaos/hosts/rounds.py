"""The faults of hosts, one round each. Jobs arrive at a steady rate in each round, from two tenants."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from storage.jobs.states import JobState
from tests.chaos.hosts.clocks import clock_of, compiled
from tests.chaos.hosts.measures import Measures, seconds_of, work_of
from tests.chaos.hosts.system import WORKING, A, B, Hosts
from tests.chaos.network import INSIDE, OUTSIDE
from tests.chaos.rounds import SLOW_POSTS

PER_S = 4
"""Jobs a second: two for each tenant, one of them at each account."""
PULLED_OUT_S = 60.0
CLOCKS_S = {A: 300, B: -300}
DONE = ("generating", "transferring", "succeeded")
"""The changes by which the work of submit-poll and transfer workers is counted."""


@dataclass
class Played:
    """A round: its jobs, from when until when the fault lasted (`time.monotonic()`), and what it showed besides."""

    name: str
    ids: list[UUID]
    since: float
    until: float
    remarks: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note what is wrong unless this holds."""
        if not holds:
            self.wrong.append(f"{self.name}: {otherwise}")


Play = Callable[[Hosts, Measures], Played | None]
"""Plays a round; None: not possible on this machine."""


def work_is_shared(hosts: Hosts, measures: Measures) -> Played:
    """Both hosts do some of all kinds of work; no fault."""
    since = time.monotonic()
    ids = hosts.feed(10, 2 * PER_S, "shared")
    hosts.parts.wait_final(ids)
    played = Played("work is shared", ids, since, time.monotonic())
    work = work_of(hosts, ids)
    for target in ("submitting", *DONE):
        shares = Counter(item.host for item in work if item.target == target)
        played.remarks.append(f"{target}: {_shares(shares)}")
        played.expect(set(shares) == set(WORKING), f"only {_shares(shares)} moved jobs to {target}")
    messages = measures.messages(played.since, played.until)
    played.remarks.append(f"messages sent: {_shares(messages)}")
    played.expect(set(messages) == set(WORKING), f"only {_shares(messages)} sent messages")
    return played


def pulled_out(hosts: Hosts, measures: Measures) -> Played:
    """Host b loses both cables for a minute, with POSTs, queries and copies under way. Its processes live on."""
    ids = _posts_under_way(hosts)
    since = time.monotonic()
    hosts.network.cut(B, INSIDE, OUTSIDE)
    ids += hosts.feed(PULLED_OUT_S, PER_S, "pulled out")
    alone = time.monotonic()
    hosts.network.heal(B, INSIDE, OUTSIDE)
    healed = _now(hosts)
    hosts.parts.clear_faults()
    hosts.work(*WORKING)
    ids += hosts.feed(4, 2 * PER_S, "back")
    played = Played("host pulled out for 60 s", ids, since, alone)
    _came_back(played, hosts, B, healed)
    _held_only_from(played, hosts, B)
    messages = measures.messages(since + 1.0, alone)
    played.expect(set(messages) == {A}, f"{_shares(messages)} sent messages while {B} was pulled out")
    return played


def partitioned(hosts: Hosts, measures: Measures) -> Played:
    """Host a loses database, broker and store, but not the gateways: it can pay and cannot record it. Twice."""
    ids: list[UUID] = []
    since = time.monotonic()
    for _ in range(2):
        ids += _posts_under_way(hosts)
        hosts.network.cut(A, INSIDE)
        ids += hosts.feed(hosts.parts.settings.lease_seconds + 3, PER_S, "partition")
        hosts.network.heal(A, INSIDE)
        healed, until = _now(hosts), time.monotonic()
        hosts.work(*WORKING)
    hosts.parts.clear_faults()
    ids += hosts.feed(3, 2 * PER_S, "healed")
    played = Played("partition that heals, twice", ids, since, until)
    _came_back(played, hosts, A, healed)
    _held_only_from(played, hosts, A)
    return played


def dies(hosts: Hosts, measures: Measures) -> Played:
    """Host a loses its power: no connection is closed. Later it starts again."""
    ids = _posts_under_way(hosts)
    since = time.monotonic()
    hosts.network.cut(A, INSIDE, OUTSIDE)
    hosts.parts.crash(*hosts.names(A), down=True)
    ids += hosts.feed(15, PER_S, "host dead")
    until = time.monotonic()
    hosts.parts.clear_faults()
    hosts.network.heal(A, INSIDE, OUTSIDE)
    hosts.parts.bring_back()
    started = time.monotonic()
    hosts.work(*WORKING)
    started_s = time.monotonic() - started
    ids += hosts.feed(4, 2 * PER_S, "host started again")
    hosts.parts.wait_final(ids)
    played = Played("host with a scheduler dies", ids, since, until)
    first = next((at for at, host in measures.sent if at > since and host == B), None)
    played.expect(first is not None and first < until, "the other scheduler sent nothing")
    if first is not None:
        played.remarks.append(f"the other scheduler sent its first message after {first - since:.1f} s")
    played.remarks.append(f"longest time without a message {measures.longest_silence_s(since, until):.1f} s")
    _held_only_from(played, hosts, A)
    played.remarks.append(f"{A} ready {started_s:.1f} s after its start")
    return played


def clocks_differ(hosts: Hosts, measures: Measures) -> Played | None:
    """The clock of a is five minutes fast, that of b five minutes slow. None without a C compiler."""
    library = compiled(hosts.parts.directory)
    if library is None:
        return None
    for host, offset_s in CLOCKS_S.items():
        hosts.parts.shut_down(*hosts.names(host))
        hosts.start(host, *clock_of(library, offset_s))
    hosts.work(*WORKING)
    since = time.monotonic()
    ids = hosts.feed(8, 2 * PER_S, "clocks")
    hosts.parts.wait_final(ids)
    played = Played("clocks ten minutes apart", ids, since, time.monotonic())
    shares = Counter(item.host for item in work_of(hosts, ids) if item.target in DONE)
    played.remarks.append(f"work: {_shares(shares)}")
    played.expect(set(shares) == set(WORKING), f"only {_shares(shares)} worked")
    return played


def summary(played: Played, hosts: Hosts, measures: Measures) -> list[str]:
    """What a round showed besides its verdict."""
    median_s, slowest_s = seconds_of(hosts, played.ids)
    late_s = measures.latest_s(played.since, played.until)
    return [f"most overdue {late_s:.1f} s; job p50 {median_s:.1f} s, slowest {slowest_s:.1f} s", *played.remarks]


def _came_back(played: Played, hosts: Hosts, host: str, healed: datetime) -> None:
    """Note when a host did work again after its cables were put back, and that it did."""
    hosts.parts.wait_final(played.ids)
    work = [item for item in work_of(hosts, played.ids) if item.host == host and item.at > healed]
    played.expect(any(item.target in DONE for item in work), f"{host} did nothing after it came back")
    if work:
        played.remarks.append(f"{host} worked {_seconds(min(item.at for item in work) - healed)} after it came back")


def _held_only_from(played: Played, hosts: Hosts, host: str) -> None:
    """Check that the jobs which wait for a person are some that the lost host submitted; the other host's go on."""
    held = {job.id for job in hosts.parts.jobs(played.ids) if job.state is JobState.UNCONFIRMED}
    submitted = {item.job_id for item in work_of(hosts, played.ids) if (item.host, item.target) == (host, "submitting")}
    played.expect(held <= submitted, f"{len(held - submitted)} jobs are held that {host} did not submit")
    played.remarks.append(f"{len(held)} of the {len(submitted)} jobs that {host} submitted are held")


def _posts_under_way(hosts: Hosts) -> list[UUID]:
    """Make POSTs slow, and return while both hosts have some under way."""
    hosts.parts.clear_faults()
    hosts.parts.add_faults(SLOW_POSTS)
    ids: list[UUID] = []
    for _ in range(4):  # the tick's interval between them, so that each gives messages of its own
        ids += hosts.enqueue(2 * PER_S, "before")
        hosts.parts.pass_time(hosts.parts.settings.tick_seconds)
    return ids


def _now(hosts: Hosts) -> datetime:
    """The time of the database, which is that of the timelines."""
    with hosts.parts.begin() as conn:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.1f} s"


def _shares(counts: Counter[str]) -> str:
    return " ".join(f"{host} {counts[host]}" for host in sorted(counts)) or "none"


ROUNDS: Sequence[Play] = (
    work_is_shared,
    pulled_out,
    partitioned,
    dies,
    clocks_differ,
)

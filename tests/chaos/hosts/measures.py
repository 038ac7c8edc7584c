"""Measurements from outside: the table, the broker's traffic, and the hosts' logs."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import quantiles
from typing import Any
from uuid import UUID

import redis

from storage.database import Database
from tests.chaos.hosts.system import WORKING, Hosts
from tests.chaos.network import INSIDE

QUEUES = ("submit", "poll", "transfer", "notify")
EVERY_S = 0.2
_LATE = """
SELECT extract(epoch FROM now() - min(greatest(due_at, created_at)))::float8 FROM jobs
WHERE due_at <= now() AND state IN ('queued', 'submitting', 'unconfirmed', 'generating', 'transferring')
"""
_TIMES = """
SELECT extract(epoch FROM finished_at - created_at)::float8 FROM jobs
WHERE id = ANY(%(ids)s) AND state = 'succeeded'
"""
_EVENTS = """
SELECT e.job_id, e.target, e.celery_task, e.at FROM job_events e WHERE e.job_id = ANY(%(ids)s) ORDER BY e.id
"""


@dataclass
class Measures:
    """What was observed, by `time.monotonic()`. `late`: how overdue the most overdue job was, in seconds; `sent`: the
    host whose scheduler sent a message."""

    late: list[tuple[float, float]] = field(default_factory=list)
    sent: list[tuple[float, str]] = field(default_factory=list)

    def latest_s(self, since: float, until: float) -> float:
        """The largest lateness between two moments; 0 when no job was overdue."""
        return max((late_s for at, late_s in self.late if since <= at <= until), default=0.0)

    def messages(self, since: float, until: float) -> Counter[str]:
        """The messages that each host's scheduler sent between two moments."""
        return Counter(host for at, host in self.sent if since <= at <= until)

    def longest_silence_s(self, since: float, until: float) -> float:
        """The longest time between two moments in which no scheduler sent anything."""
        times = [since, *(at for at, _ in self.sent if since <= at <= until), until]
        return max(after - before for before, after in pairwise(times))


@contextmanager
def measuring(hosts: Hosts) -> Iterator[Measures]:
    """Observe the table and the broker until the end of the context."""
    found, over = Measures(), threading.Event()
    with redis.Redis.from_url(hosts.parts.settings.require_broker_url()) as client:
        threads = [
            threading.Thread(target=_watch_table, args=(hosts, found, over), daemon=True),
            threading.Thread(target=_watch_broker, args=(hosts, client, found, over), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            over.set()
            for thread in threads:
                thread.join(10.0)


def _watch_table(hosts: Hosts, found: Measures, over: threading.Event) -> None:
    database = Database(hosts.parts.settings.require_database_url(), name="test", size=1)
    with closing(database):
        while not over.wait(EVERY_S):
            with database.begin() as conn:
                row = conn.execute(_LATE).fetchone()
            found.late.append((time.monotonic(), (row and row[0]) or 0.0))


def _watch_broker(hosts: Hosts, client: Any, found: Measures, over: threading.Event) -> None:
    """Note each message by the address that sent it. Only schedulers send. `client`: of the broker, without a time
    limit; the schedulers ask the broker in each tick, so that the end is seen soon."""
    host_at = {hosts.network.address(INSIDE, host): host for host in WORKING}
    with client.monitor() as monitor:
        while not over.is_set():
            command = monitor.next_command()
            name, _, arguments = command["command"].partition(" ")
            if name == "LPUSH" and arguments.startswith(QUEUES) and command["client_address"] in host_at:
                found.sent.append((time.monotonic(), host_at[command["client_address"]]))


@dataclass(frozen=True, slots=True)
class Work:
    """One change of a job, and the host of the worker that made it."""

    job_id: UUID
    target: str
    at: datetime
    host: str


def work_of(hosts: Hosts, ids: Sequence[UUID]) -> list[Work]:
    """Which host made each change of these jobs: the timeline names the Celery task, the log of the process that made
    the change has it too."""
    made_by = {change: host for host in WORKING for change in _changes_in_logs(hosts, host)}
    with hosts.parts.begin() as conn:
        rows = conn.execute(_EVENTS, {"ids": list(ids)}).fetchall()
    return [
        Work(job, target, at, made_by[str(task), str(job), target])
        for job, target, task, at in rows
        if (str(task), str(job), target) in made_by
    ]


def _changes_in_logs(hosts: Hosts, host: str) -> Iterator[tuple[str, str, str]]:
    for path in (hosts.parts.spec(name).log for name in hosts.names(host)):
        for line in path.read_text(errors="replace").splitlines():
            if '"job.moved"' in line and line.endswith("}"):  # the last line may be half written
                entry = json.loads(line)
                yield str(entry.get("celery_task")), entry["job_id"], entry["to"]


def seconds_of(hosts: Hosts, ids: Sequence[UUID]) -> tuple[float, float]:
    """From the enqueue to success: the median, and the slowest job."""
    with hosts.parts.begin() as conn:
        times = [row[0] for row in conn.execute(_TIMES, {"ids": list(ids)})]
    if len(times) < 2:
        return (0.0, 0.0)
    return quantiles(times, n=2)[0], max(times)

"""The faults, one round each: what is broken while jobs run, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storage.database import DatabaseUnavailable
from storage.jobs.states import TERMINAL, JobState
from tests.chaos.system import SCHEDULERS, WORKERS, System

Fault = Callable[[System, Sequence[UUID]], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One fault: its name in the table, how many jobs run during it, and how it is injected."""

    fault: str
    jobs: int
    inject: Fault


SLOW_POSTS = {"kind": "slow", "where": "create", "seconds": 1.0}
"""Makes it likely that a POST is under way when the fault is injected."""


def _slow_posts(inject: Fault) -> Fault:
    def inject_slowly(system: System, ids: Sequence[UUID]) -> None:
        for account in system.parts.simulators:
            system.parts.add_faults(SLOW_POSTS, account=account)
        inject(system, ids)

    return inject_slowly


def _again_and_again(what: Callable[[System], None], times: int, every_s: float) -> Fault:
    def inject(system: System, ids: Sequence[UUID]) -> None:
        for _ in range(max(1, round(times * system.scale))):
            what(system)
            system.parts.pass_time(every_s)

    return inject


def _workers(system: System) -> None:
    system.parts.crash(*system.rng.sample([name for name in system.parts.names if name in WORKERS], 2))


def _schedulers(system: System) -> None:
    system.parts.crash(*(name for name in system.parts.names if name in SCHEDULERS))


def _paused(system: System, ids: Sequence[UUID]) -> None:
    """Stop workers for longer than their leases."""
    for name in (name for name in system.parts.names if name in WORKERS):
        system.pause(name)
        system.parts.pass_time(1.0)
    system.parts.pass_time(system.parts.settings.lease_seconds + 2)


def _store_is_down(system: System, ids: Sequence[UUID]) -> None:
    system.parts.crash("s3", down=True)
    system.parts.pass_time(system.seconds(60))


def _store_breaks(kind: str, share: float, seconds: float = 1.0, for_s: float = 12.0) -> Fault:
    def inject(system: System, ids: Sequence[UUID]) -> None:
        system.break_store(kind, share, seconds)
        system.parts.pass_time(system.seconds(for_s))

    return inject


def _gateway_breaks(*rules: Mapping[str, Any], for_s: float = 15.0) -> Fault:
    def inject(system: System, ids: Sequence[UUID]) -> None:
        for account in system.parts.simulators:
            system.parts.add_faults(*rules, account=account)
        system.parts.pass_time(system.seconds(for_s))

    return inject


def _partitioned(system: System, ids: Sequence[UUID]) -> None:
    if system.partition is None:
        return
    for _ in range(max(1, round(2 * system.scale))):
        system.partition.cut()
        system.parts.pass_time(system.parts.settings.lease_seconds + 3)
        system.partition.heal()
        system.parts.pass_time(3)


MIXED: tuple[Mapping[str, Any], ...] = (
    {"kind": "close_after_accept", "probability": 0.05},
    {"kind": "rst_after_accept", "probability": 0.05},
    {"kind": "close_before_read", "where": "create", "probability": 0.05},
    {"kind": "rate_limit", "where": "create", "probability": 0.1, "retry_after": 1},
    {"kind": "status", "where": "create", "status": 502, "body": "html", "probability": 0.05},
    {"kind": "hang", "where": "create", "seconds": 6, "accepted": True, "probability": 0.03},
    {"kind": "slow", "where": "create", "seconds": 1.5, "probability": 0.1},
    {"kind": "status", "where": "query", "status": 502, "body": "html", "probability": 0.15},
    {"kind": "garbage", "where": "query", "probability": 0.05},
    {"kind": "stale_status", "seconds": 2, "probability": 0.2},
    {"kind": "cut", "where": "download", "first": 1, "per": "task", "fraction": 0.5, "probability": 0.4},
    {"kind": "status", "where": "download", "status": 500, "probability": 0.1},
    {"kind": "slow_download", "bytes_per_s": 200_000, "probability": 0.1},
    {"kind": "wrong_content", "first": 1, "per": "task", "probability": 0.2},
)


def _random_event(system: System) -> None:
    parts, rng = system.parts, system.rng
    workers = [name for name in parts.names if name in WORKERS]
    schedulers = [name for name in parts.names if name in SCHEDULERS]
    events: Sequence[Callable[[], object]] = (
        lambda: parts.crash(rng.choice(workers)),
        lambda: parts.crash(*workers),
        lambda: parts.crash(rng.choice(schedulers)),
        lambda: parts.crash("valkey"),
        system.flush_broker,
        lambda: parts.crash("postgres"),
        lambda: parts.crash("s3"),
        lambda: parts.crash("simulator-small"),
        lambda: parts.crash("proxy"),
        lambda: system.pause(rng.choice(workers)),
        lambda: system.break_store(rng.choice(["error", "slow", "cut", "silent"]), rng.uniform(0.1, 0.6), 2.0),
        lambda: system.proxy_mode.unlink(missing_ok=True),
        lambda: system.reached(lambda: parts.add_faults(*rng.sample(MIXED, 4))),
        lambda: system.reached(parts.clear_faults),
        lambda: parts.bring_back(),
    )
    rng.choice(events)()


def _everything(system: System, ids: Sequence[UUID]) -> None:
    """Inject a random fault every second or two while jobs are under way, for a bounded time."""
    until = time.monotonic() + system.seconds(120)
    final = TERMINAL | {JobState.UNCONFIRMED}
    while time.monotonic() < until:
        _random_event(system)
        system.parts.pass_time(system.rng.uniform(0.5, 2.5))
        try:
            if set(system.parts.states(ids)) <= final:
                return
        except DatabaseUnavailable:
            continue


ROUNDS = (
    Round("workers killed", 60, _slow_posts(_again_and_again(_workers, 6, 2.0))),
    Round("workers paused past their leases", 40, _slow_posts(_paused)),
    Round("schedulers killed", 40, _again_and_again(_schedulers, 5, 2.0)),
    Round("broker killed", 50, _again_and_again(lambda system: system.parts.crash("valkey"), 4, 3.0)),
    Round("broker emptied", 50, _again_and_again(lambda system: system.flush_broker(), 8, 1.0)),
    Round(
        "PostgreSQL killed", 50, _slow_posts(_again_and_again(lambda system: system.parts.crash("postgres"), 3, 4.0))
    ),
    Round("S3 down for a minute", 50, _store_is_down),
    Round("S3 answers 500", 50, _store_breaks("error", 0.4)),
    Round("S3 slow", 40, _store_breaks("slow", 0.5, 2.0)),
    Round("S3 cuts connections", 40, _store_breaks("cut", 0.4)),
    Round("gateway killed", 40, _again_and_again(lambda system: system.parts.crash("simulator-small"), 4, 2.5)),
    Round("gateway faults, mixed", 100, _gateway_breaks(*MIXED)),
)
EVERYTHING = Round("everything at random", 300, _everything)
PARTITION = Round("network partition", 50, _slow_posts(_partitioned))

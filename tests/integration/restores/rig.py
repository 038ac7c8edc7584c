"""A world whose database is dumped and restored, as an operator does it, while the gateway and the bucket go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producer.backups.dump import dump_file
from producer.backups.restore import read_backup, restore
from producer.client import Producer
from storage.bucket.objects import Objects
from storage.database import connect
from storage.journal import state
from storage.journal.state import JournalState
from storage.settings import Settings
from tests.integration.submitting.doubtful_gateway import DoubtfulGateway, world_at
from tests.integration.submitting.rounds import World
from tests.waiting import wait_for
from worker.scheduling.restores import RestoreWatch

TENANTS = ("default", "other")
JOBS = 3


@dataclass
class Rig:
    """One installation over time. Each `world()` is one run of its parts."""

    settings: Settings
    gateway: DoubtfulGateway
    dump: Path

    @contextmanager
    def world(self, *, compared: bool = True, **settings: Any) -> Iterator[World]:
        """The parts, from their start to their end. `compared`: the scheduler's comparison comes first."""
        accounts = {
            # One gateway lists its tasks, the other does not.
            "lists": self.gateway.account("ark"),
            "mute": {"gateway": "anyfast", "base_url": f"{self.gateway.url}/anyfast"},
        }
        changed = self.settings.model_copy(update=settings)
        with world_at(changed, **accounts) as world:
            if compared:
                watch = self.watch(world)
                wait_for("the database is compared", watch.may_run)
                advance(world, watch)
            yield world

    def watch(self, world: World) -> RestoreWatch:
        return RestoreWatch(world.runtime.database, Objects(world.settings))

    def save(self) -> None:
        dump_file(self.settings.require_database_url(), self.dump)

    def restore(self) -> None:
        restore(read_backup(self.settings.require_database_url(), self.dump))

    def state(self) -> JournalState:
        with connect(self.settings.require_database_url()) as conn:
            return state.read_state(conn)


def advance(world: World, watch: RestoreWatch) -> None:
    """A heartbeat of the scheduler."""
    with connect(world.url) as conn:
        watch.advance(conn)


def enqueue(world: World, name: str = "job", **fields: Any) -> None:
    """Jobs of two tenants at both accounts."""
    for tenant in TENANTS:
        with Producer(world.settings, tenant=tenant) as producer:
            for account in ("lists", "mute"):
                rows = [
                    {"prompt": f"{name} {tenant} {account} {number}", "account": account, "duration": 5, **fields}
                    for number in range(JOBS)
                ]
                producer.enqueue_many(rows)


def submits(world: World, watch: RestoreWatch) -> int:
    """One tick of the scheduler with its submits, as far as they are allowed; returns how many."""
    with connect(world.url) as conn:
        allowed = watch.may_submit(conn)
    return world.round() if allowed else 0


def finish(world: World, gateway: DoubtfulGateway) -> None:
    """Let every generation end, and bring its video into the bucket."""
    gateway.finish()
    world.poll()
    world.transfer()

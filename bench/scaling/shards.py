"""Where one PostgreSQL ends, what another one costs, and what of the schema Citus could distribute by tenant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlmodel import SQLModel

import storage.schema  # noqa: F401 - registers the tables
from bench.scaling.costs import Costs
from bench.scaling.machinery import Layout
from bench.scaling.plan import MOST_BUSY
from storage.counted.ahead import KEPT_COUNTS

DAY_S = 86400.0
TENANT = "tenant"
OF_THE_INSTALLATION = frozenset(
    {
        *("accounts", "accounts_version", "account_keys", "account_states", "account_turns"),
        *("circuit_breakers", "model_limits", "poll_counts", "slot_counts", "message_counts"),
        *("durations", "assets", "count_rounds", "heartbeats", "journal", "metric_counts", "schema_compatibility"),
    }
)
"""Tables about gateways or the system: they belong to no tenant."""
EXAMPLES = ("attempts", "job_events", "campaign_rows", "campaign_versions", "playable_copies", "upload_uses")


@dataclass(frozen=True, slots=True)
class Hardware:
    """A PostgreSQL server: its cores, the writes per second and the MB per second that its disk guarantees."""

    name: str
    cores: int
    writes_per_s: int
    mb_per_s: int


HARDWARE = (
    Hardware("4 cores, a small cloud volume", 4, 3_000, 125),
    Hardware("16 cores, a fast cloud volume", 16, 16_000, 1_000),
    Hardware("64 cores, local NVMe", 64, 100_000, 2_000),
)
"""Assumptions, not measurements. The first is what common cloud volumes guarantee without a surcharge."""


@dataclass(frozen=True, slots=True)
class End:
    """What a part of a server can do at most."""

    part: str
    per_day: float

    @property
    def what(self) -> str:
        """In a sentence."""
        return f"PostgreSQL's {self.part}"

    @property
    def per_second(self) -> float:
        return self.per_day / DAY_S


@dataclass(frozen=True, slots=True)
class Ends:
    """Videos per day at which a part of a server has a load of `MOST_BUSY`."""

    hardware: Hardware
    cpu: float
    commits: float
    """If each commit needs a write of its own; busy servers write several at once."""
    wal: float

    @property
    def first(self) -> End:
        """The part that ends first."""
        parts = (End("CPU", self.cpu), End("commits", self.commits), End("WAL", self.wal))
        return min(parts, key=lambda part: part.per_day)


def ends(size: Mapping[str, Any]) -> list[Ends]:
    """For each server, from what a job of this size takes."""
    database_s = size["database_share"] / size["jobs_per_s"]

    def per_day(capacity: float, each: float) -> float:
        return capacity * MOST_BUSY / each * DAY_S

    return [
        Ends(
            one,
            per_day(one.cores, database_s),
            per_day(one.writes_per_s, size["transactions_per_job"]),
            per_day(one.mb_per_s * 1e6, size["wal_bytes_per_job"]),
        )
        for one in HARDWARE
    ]


def context(costs: Costs, size: Mapping[str, Any]) -> dict[str, Any]:
    """What the template names."""
    rounds_per_s = 1 / Layout().tick_s
    memory = costs.memory
    found = ends(size)
    return {
        "ends": found,
        "first": found[0].first,
        "last": found[-1].first,
        "database_ms": size["database_share"] / size["jobs_per_s"] * 1000,
        "shard_scheduler_share": 2 * costs.of("scheduler", tick=rounds_per_s) / 1000,
        "shard_database_share": 2 * costs.of("database", tick=rounds_per_s) / 1000,
        "shard_mib": 2 * memory.scheduler_mib + memory.submit_poll_mib + memory.transfer_mib,
        "shards_of_100m": ceil(100e6 / size["per_day"]),
        "schema": distributable(),
    }


@dataclass(frozen=True, slots=True)
class Distributable:
    """What must change before Citus can distribute the tables of tenants by tenant."""

    keys_with_tenant: tuple[str, ...]
    keys_across: tuple[str, ...]
    """Keys other than ids that must be unique among all tenants; none of them may be dropped."""
    foreign_keys: tuple[str, ...]
    """Those that contain the tenant."""
    examples: tuple[str, ...]
    """Tables that have no column `tenant`; they name a job, a campaign or another row instead."""
    counted: tuple[str, ...]
    """Tables with triggers that keep counts, and below the tables with these counts."""
    counts: tuple[str, ...]


def distributable() -> Distributable:
    """The facts, from the schema."""
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name not in OF_THE_INSTALLATION]
    keys = [(table, names) for table in tables for names in unique_keys(table)]
    foreign = [(table, key) for table in tables for key in table.constraints if isinstance(key, ForeignKeyConstraint)]
    return Distributable(
        tuple(sorted(f"{table.name} ({', '.join(names)})" for table, names in keys if TENANT in names)),
        tuple(sorted(f"{table.name} ({', '.join(names)})" for table, names in keys if is_across(table, names))),
        tuple(
            sorted(
                f"{table.name} ({', '.join(key.column_keys)})" for table, key in foreign if TENANT in key.column_keys
            )
        ),
        tuple(name for name in EXAMPLES if TENANT not in SQLModel.metadata.tables[name].c),
        tuple(sorted({kept.counted for kept in KEPT_COUNTS})),
        tuple(sorted(kept.table for kept in KEPT_COUNTS)),
    )


def unique_keys(table: Table) -> Iterator[tuple[str, ...]]:
    """The columns of each unique key of a table."""
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            yield tuple(column.name for column in constraint.columns)
    for index in table.indexes:
        if index.unique:
            yield tuple(getattr(column, "name", str(column)) for column in index.expressions)


def is_across(table: Table, names: tuple[str, ...]) -> bool:
    """Whether a key without the tenant is more than an id: a secret, or a task of an account."""
    return TENANT not in names and bool({"callback_hash", "gateway_task_id", "token_hash", "id_hash"} & set(names))

"""What each operation costs, as measured: a file that `--measure` writes and the model reads."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

COSTS_FILE = Path(__file__).parent.parent / "costs.toml"

TRANSACTIONS = (
    "enqueue",
    "claim_submits",
    "load",
    "begin",
    "accepted",
    "claim_polls",
    "still",
    "found",
    "claim_transfers",
    "load_transfers",
    "stored",
)
"""The transactions of a job's life, in their order; `still` is a poll that found it unfinished."""


@dataclass(frozen=True, slots=True)
class Linear:
    """So much a call, and so much more for each row in it."""

    call: float = 0.0
    row: float = 0.0

    def of(self, rows: float, calls: float = 1.0) -> float:
        return self.call * calls + self.row * rows

    def times(self, factor: float) -> Linear:
        return Linear(self.call * factor, self.row * factor)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction over some rows: milliseconds of CPU in the client and in PostgreSQL, of waiting in all, WAL."""

    client_ms: Linear = field(default_factory=Linear)
    database_ms: Linear = field(default_factory=Linear)
    wall_ms: Linear = field(default_factory=Linear)
    wal_bytes: Linear = field(default_factory=Linear)

    def times(self, factor: float) -> Transaction:
        """The same on a CPU that takes `factor` times as long."""
        return replace(self, client_ms=self.client_ms.times(factor), database_ms=self.database_ms.times(factor))


@dataclass(frozen=True, slots=True)
class WorkerCosts:
    """CPU milliseconds of worker processes, without their SQL; `copy` of a small video, `mib` of each MiB of it."""

    receive_ms: float
    """Celery takes a message, runs its task and tells so."""
    submit_message_ms: float
    submit_ms: float
    poll_message_ms: float
    poll_ms: float
    transfer_message_ms: float
    copy_ms: float
    mib_ms: float
    poster_ms: float
    """In the decoder's own process."""
    post_wall_s: float
    """Waiting for the answer to one POST, and to one query, at a gateway on this machine."""
    query_wall_s: float
    copy_wall_s: float
    """A copy of a small video from a gateway and into a store on this machine."""


@dataclass(frozen=True, slots=True)
class OtherCosts:
    """CPU milliseconds and bytes of the parts between the workers."""

    send_ms: float
    """The scheduler sends one message."""
    tick_ms: float
    """A round of the scheduler with nothing to do."""
    tick_database_ms: float
    account_ms: float
    """Each further account in a round: it is locked, and what it has in use is counted."""
    account_database_ms: float
    message_broker_ms: float
    message_bytes: float
    """In the broker, of a message with 50 jobs that waits."""
    idle_worker_share: float
    """Of a core, of one worker process without work."""
    idle_database_share: float
    idle_broker_share: float


@dataclass(frozen=True, slots=True)
class TableCosts:
    """Bytes a finished job leaves behind, indexes included, and the statements it took."""

    jobs_bytes: float
    jobs_index_bytes: float
    attempts_bytes: float
    events_bytes: float
    events: float
    wal_bytes: float
    vacuum_ms: float
    """CPU of PostgreSQL to collect the dead rows that a job leaves."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Everything that was measured, and where."""

    as_of: str
    machine: str
    how: str
    pace_ms: float
    """A fixed piece of work on the machine that measured; on a machine of another speed, CPU times scale with it."""
    transactions: Mapping[str, Transaction]
    worker: WorkerCosts
    other: OtherCosts
    tables: TableCosts

    def at_pace(self, pace_ms: float) -> Costs:
        """The same on a machine where the fixed piece of work takes that long."""
        factor = pace_ms / self.pace_ms
        worker = {k: v * factor if k.endswith("_ms") else v for k, v in asdict(self.worker).items()}
        other = {k: v * factor if k.endswith(("_ms", "_share")) else v for k, v in asdict(self.other).items()}
        return replace(
            self,
            pace_ms=pace_ms,
            transactions={name: each.times(factor) for name, each in self.transactions.items()},
            worker=WorkerCosts(**worker),
            other=OtherCosts(**other),
            tables=replace(self.tables, vacuum_ms=self.tables.vacuum_ms * factor),
        )


def load_costs(path: Path = COSTS_FILE) -> Costs:
    """Read the file.

    Raises:
        ValueError: it is not whole; the text names what is missing.
    """
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        transactions = {name: _transaction(read["transactions"][name]) for name in TRANSACTIONS}
        parts = WorkerCosts(**read["worker"]), OtherCosts(**read["other"]), TableCosts(**read["tables"])
        return Costs(read["as_of"], read["machine"], read["how"], read["pace_ms"], transactions, *parts)
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{path}: {exc}; measure again with `python -m bench.scaling --measure`") from exc


def _transaction(read: Mapping[str, Any]) -> Transaction:
    return Transaction(*(Linear(*read[name]) for name in ("client_ms", "database_ms", "wall_ms", "wal_bytes")))


def save_costs(costs: Costs, path: Path = COSTS_FILE) -> None:
    """Write the file, for people as well."""
    lines = [
        "# What each operation of the machinery costs: written by `python -m bench.scaling --measure`.",
        "# Pairs are [a call, each row in it]; *_ms of CPU but for wall_ms; shares are of one core.",
        *(f'{name} = "{getattr(costs, name)}"' for name in ("as_of", "machine", "how")),
        f"pace_ms = {costs.pace_ms:.3f}",
    ]
    for name, each in costs.transactions.items():
        pairs = ((key, getattr(each, key)) for key in ("client_ms", "database_ms", "wall_ms", "wal_bytes"))
        lines += ["", f"[transactions.{name}]", *(f"{key} = [{p.call:.4f}, {p.row:.4f}]" for key, p in pairs)]
    for name in ("worker", "other", "tables"):
        lines += ["", f"[{name}]", *(f"{key} = {value:.5f}" for key, value in asdict(getattr(costs, name)).items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

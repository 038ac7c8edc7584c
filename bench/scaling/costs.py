"""The measured cost of each operation, in the file that `--measure` writes and the model reads."""

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
"""The transactions of a job's life, in order; `still` writes a poll of an unfinished task."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A cost per call and a cost per row in it."""

    call: float = 0.0
    row: float = 0.0

    def of(self, rows: float, calls: float = 1.0) -> float:
        return self.call * calls + self.row * rows

    def times(self, factor: float) -> Linear:
        return Linear(self.call * factor, self.row * factor)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction: CPU milliseconds in the client and in PostgreSQL, wall-clock milliseconds, bytes of WAL."""

    client_ms: Linear = field(default_factory=Linear)
    database_ms: Linear = field(default_factory=Linear)
    wall_ms: Linear = field(default_factory=Linear)
    wal_bytes: Linear = field(default_factory=Linear)

    def times(self, factor: float) -> Transaction:
        """The cost on a CPU that takes `factor` times as long."""
        return replace(self, client_ms=self.client_ms.times(factor), database_ms=self.database_ms.times(factor))


@dataclass(frozen=True, slots=True)
class WorkerCosts:
    """CPU milliseconds of worker processes without SQL; `copy` per small video, `mib` per MiB."""

    receive_ms: float
    """Celery receives a message, runs its task and acknowledges it."""
    submit_message_ms: float
    submit_ms: float
    poll_message_ms: float
    poll_ms: float
    transfer_message_ms: float
    copy_ms: float
    mib_ms: float
    poster_ms: float
    """In the decoder process."""
    post_wall_s: float
    """Wait for the answer to one POST at a gateway on this machine."""
    query_wall_s: float
    """Wait for the answer to one query at a gateway on this machine."""
    copy_wall_s: float
    """Time to copy a small video from a gateway to a store, both on this machine."""


@dataclass(frozen=True, slots=True)
class OtherCosts:
    """CPU milliseconds and bytes of the scheduler, the broker and idle processes."""

    send_ms: float
    """The scheduler, to send one message."""
    tick_ms: float
    """A round of the scheduler without work."""
    tick_database_ms: float
    account_ms: float
    """Each further account in a round, which is locked and whose usage is counted."""
    account_database_ms: float
    claim_account_ms: float
    """Each further account whose jobs a round claims for submits."""
    claim_account_database_ms: float
    message_broker_ms: float
    message_bytes: float
    """Size of a waiting message with 50 jobs in the broker."""
    idle_worker_share: float
    """Share of a core that an idle worker process uses."""
    idle_database_share: float
    idle_broker_share: float
    scheduler_mib: float
    """Memory of an idle process; pages that several share count in parts."""
    submit_poll_mib: float
    transfer_mib: float


@dataclass(frozen=True, slots=True)
class TableCosts:
    """Bytes per finished job, indexes included, and the number of its events."""

    jobs_bytes: float
    jobs_index_bytes: float
    attempts_bytes: float
    events_bytes: float
    events: float
    wal_bytes: float
    vacuum_ms: float
    """CPU of PostgreSQL to remove the dead rows of a job."""


@dataclass(frozen=True, slots=True)
class Costs:
    """All measured costs, and the machine they were measured on."""

    as_of: str
    machine: str
    how: str
    pace_ms: float
    """CPU time of a fixed piece of work on the measuring machine; CPU times scale with it on other machines."""
    transactions: Mapping[str, Transaction]
    worker: WorkerCosts
    other: OtherCosts
    tables: TableCosts

    def at_pace(self, pace_ms: float) -> Costs:
        """The costs on a machine where the fixed piece of work takes `pace_ms`."""
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
        ValueError: it is incomplete; the text names the missing entry.
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
    """Write the file."""
    lines = [
        "# The cost of each operation, written by `python -m bench.scaling --measure`.",
        "# Pairs are [per call, per row]. *_ms is CPU time, except wall_ms. Shares are of one core.",
        *(f'{name} = "{getattr(costs, name)}"' for name in ("as_of", "machine", "how")),
        f"pace_ms = {costs.pace_ms:.3f}",
    ]
    for name, each in costs.transactions.items():
        pairs = ((key, getattr(each, key)) for key in ("client_ms", "database_ms", "wall_ms", "wal_bytes"))
        lines += ["", f"[transactions.{name}]", *(f"{key} = [{p.call:.4f}, {p.row:.4f}]" for key, p in pairs)]
    for name in ("worker", "other", "tables"):
        lines += ["", f"[{name}]", *(f"{key} = {value:.5f}" for key, value in asdict(getattr(costs, name)).items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

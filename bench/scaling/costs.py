"""The cost of each part of the work, in the file that `--measure` writes and the model reads."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

COSTS_FILE = Path(__file__).parent.parent / "costs.toml"
WAL = "wal"
PARTS: Mapping[str, Mapping[str, str]] = {
    "producer": {"enqueue": "a call that stores jobs", "enqueued": "a job in it"},
    "scheduler": {
        "tick": "a round that finds nothing",
        "claim": "a claim that finds jobs, with their messages",
    },
    "submit_poll": {
        "second": "an idle second",
        "events": "a second with messages, whose events are sent",
        "transaction": "a message, whose jobs are loaded, or a further transaction: attempts, outcomes",
        "submit": "a job that is submitted, with its rows",
        "poll": "a query of a task",
    },
    "transfer": {
        "second": "an idle second",
        "events": "a second with messages, whose events are sent",
        "message": "a message, with its transactions",
        "copy": "a video that is copied, with its row",
        "mib": "a MiB of it",
    },
    "decoder": {"poster": "a poster"},
    "database": {
        "tick": "a round that finds nothing",
        "transaction": "a claim that finds jobs, or a transaction of a worker",
        "job": "the rows of a job, from the first claim to the end",
        "enqueue": "a call that stores jobs",
        "enqueued": "a job in it",
    },
    "broker": {"second": "an idle second", "message": "a message"},
    WAL: {
        "transaction": "a transaction of a worker",
        "job": "the rows of a job, from the first claim to the end",
        "still": "a claimed poll of an unfinished task, its rows",
        "enqueue": "a call that stores jobs",
        "enqueued": "a job in it",
    },
}
"""The parts of which the work of each kind of process consists, and those of PostgreSQL's log."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds, or bytes of WAL, of one part of the work."""

    each: float
    sure: float
    """By how much it may be off: its standard error."""


@dataclass(frozen=True, slots=True)
class TableCosts:
    """Bytes per finished job, indexes included, and the number of its events."""

    jobs_bytes: float
    jobs_index_bytes: float
    attempts_bytes: float
    events_bytes: float
    events: float


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB of a process that has worked and is idle; pages that several share count in parts."""

    scheduler_mib: float
    submit_poll_mib: float
    transfer_mib: float


@dataclass(frozen=True, slots=True)
class Costs:
    """All measured costs, and the machine they were measured on."""

    as_of: str
    machine: str
    pace_ms: float
    """CPU time of a fixed piece of work on the measuring machine; CPU times scale with it on other machines."""
    parts: Mapping[str, Mapping[str, Cost]]
    """By process, or `WAL`, and part; see `PARTS`."""
    tables: TableCosts
    memory: Memory

    def of(self, role: str, **times: float) -> float:
        """What so much work takes: milliseconds of CPU, or bytes of WAL."""
        costs = self.parts[role]
        return sum(costs[part].each * number for part, number in times.items())

    def at_pace(self, pace_ms: float) -> Costs:
        """The costs on a machine where the fixed piece of work takes `pace_ms`."""
        factor = pace_ms / self.pace_ms
        scaled = {
            role: {part: Cost(one.each * factor, one.sure * factor) for part, one in costs.items()}
            for role, costs in self.parts.items()
            if role != WAL
        }
        return replace(self, pace_ms=pace_ms, parts={**self.parts, **scaled})


def load_costs(path: Path = COSTS_FILE) -> Costs:
    """Read the file.

    Raises:
        ValueError: it is incomplete; the text names the missing entry.
    """
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        parts = {role: {part: Cost(*_pair(read[role], part)) for part in names} for role, names in PARTS.items()}
        kept = TableCosts(**read["tables"]), Memory(**read["memory"])
        return Costs(read["as_of"], read["machine"], read["pace_ms"], parts, *kept)
    except (KeyError, TypeError) as exc:
        raise ValueError(f"{path}: {exc}; measure again with `python -m bench.scaling --measure`") from exc


def _pair(read: Mapping[str, Any], part: str) -> tuple[float, float]:
    each, sure = read[part]
    return each, sure


def save_costs(costs: Costs, path: Path = COSTS_FILE) -> None:
    """Write the file."""
    lines = [
        "# The cost of each part of the work, solved from whole runs by `python -m bench.scaling --measure`.",
        "# Pairs are [cost, standard error]: milliseconds of CPU; bytes in [wal].",
        *(f'{name} = "{getattr(costs, name)}"' for name in ("as_of", "machine")),
        f"pace_ms = {costs.pace_ms:.3f}",
    ]
    for role, parts in costs.parts.items():
        pairs = ((f"{part} = [{one.each:.4f}, {one.sure:.4f}]", PARTS[role][part]) for part, one in parts.items())
        lines += ["", f"[{role}]", *(f"{pair:32}# {what}" for pair, what in pairs)]
    for name in ("tables", "memory"):
        lines += ["", f"[{name}]", *(f"{key} = {value:.5f}" for key, value in asdict(getattr(costs, name)).items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

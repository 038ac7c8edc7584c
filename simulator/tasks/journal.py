"""Created tasks and assets in a file, one line each, so that they survive a kill and a restart of the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from simulator.tasks.task import Fate, Order, Task

_OF_ASSETS = "of_assets"


@dataclass(frozen=True, slots=True)
class Kept:
    """What earlier runs left: their tasks, and what the store of assets noted, in its order."""

    tasks: tuple[Task, ...] = ()
    assets: tuple[Mapping[str, Any], ...] = ()


class Journal:
    """Appends without buffering, so that written lines survive a SIGKILL. Without a path it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._header: dict[str, Any] = {}

    def saved_seed(self) -> int | None:
        """The seed of the run that created the file; None without a file."""
        if self._path is None or not self._path.exists():
            return None
        with self._path.open("rb") as file:
            first = file.readline()
        return int(orjson.loads(first)["seed"]) if first.endswith(b"\n") else None

    def load(self, seed: int) -> Kept:
        """Read what earlier runs left and open the file for appending. An incomplete last line is dropped."""
        if self._path is None:
            return Kept()
        tasks: dict[str, Task] = {}
        assets: list[Mapping[str, Any]] = []
        whole = 0
        if self._path.exists():
            data = self._path.read_bytes()
            whole = data.rfind(b"\n") + 1
            for line in data[:whole].splitlines():
                record = orjson.loads(line)
                if _OF_ASSETS in record:
                    assets.append(record[_OF_ASSETS])
                else:
                    _apply(record, tasks)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        self._file.truncate(whole)
        self._header = {"seed": seed}
        if not whole:
            self._write(self._header)
        return Kept(tuple(tasks.values()), tuple(assets))

    def created(self, task: Task) -> None:
        if self._file is not None:
            names = ("id", "upstream_id", "number", "gateway", "account", "created_at", "total_s", "duration", "seed")
            record = {name: getattr(task, name) for name in names}
            self._write(record | {"order": asdict(task.order), "fate": asdict(task.fate)})

    def changed(self, task: Task) -> None:
        """Record that the task was cancelled or deleted."""
        if self._file is not None:
            self._write({"id": task.id, "cancelled_at": task.cancelled_at, "deleted": task.deleted})

    def note_assets(self, record: Mapping[str, Any]) -> None:
        """Record what the store of assets needs to make a group or an asset again."""
        self._write({_OF_ASSETS: record})

    def clear(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._write(self._header)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(orjson.dumps(record) + b"\n")


def _apply(record: dict[str, Any], tasks: dict[str, Task]) -> None:
    if "seed" in record and len(record) == 1:
        return
    if "order" not in record:
        task = tasks[record["id"]]
        task.cancelled_at, task.deleted = record["cancelled_at"], record["deleted"]
        return
    order, fate = Order(**record.pop("order")), Fate(**record.pop("fate"))
    tasks[record["id"]] = Task(order=order, fate=fate, **record)

"""Created tasks in a file, one line each, so that they survive a kill and a restart of the simulator."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from simulator.tasks.task import Fate, Order, Task


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

    def load(self, seed: int) -> list[Task]:
        """Read the tasks of earlier runs and open the file for appending. An incomplete last line is dropped."""
        if self._path is None:
            return []
        tasks: dict[str, Task] = {}
        whole = 0
        if self._path.exists():
            data = self._path.read_bytes()
            whole = data.rfind(b"\n") + 1
            for line in data[:whole].splitlines():
                _apply(orjson.loads(line), tasks)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        self._file.truncate(whole)
        self._header = {"seed": seed}
        if not whole:
            self._write(self._header)
        return list(tasks.values())

    def created(self, task: Task) -> None:
        if self._file is not None:
            names = ("id", "upstream_id", "number", "gateway", "account", "created_at", "total_s", "duration", "seed")
            record = {name: getattr(task, name) for name in names}
            self._write(record | {"order": asdict(task.order), "fate": asdict(task.fate)})

    def changed(self, task: Task) -> None:
        """Record that the task was cancelled or deleted."""
        if self._file is not None:
            self._write({"id": task.id, "cancelled_at": task.cancelled_at, "deleted": task.deleted})

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

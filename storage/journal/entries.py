"""The entries of the journal, and their lines in a segment. Pure.

The journal lies in the bucket and says what must be known of jobs after the database was restored from a backup: each
POST before it is made, its answer, and each stored video. Entries have ids and times, never a prompt, a key or a link.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson


@dataclass(frozen=True, slots=True)
class Sent:
    """A POST that is about to be made: the row of its attempt. `started_at` is the attempt's, by the database's clock.

    `tenant`, `job_created_at` and `idempotency_key` are the job's, for a database that does not know it.
    """

    job_id: UUID
    number: int
    started_at: datetime
    account: str
    model: str
    model_key: str
    tenant: str
    job_created_at: datetime
    gateway: str | None = None
    key_id: int | None = None
    seed: int | None = None
    mark: int | None = None
    callback_hash: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome of a POST: `accepted` with the gateway's task, or the code of an error."""

    job_id: UUID
    number: int
    started_at: datetime
    outcome: str
    http_status: int | None = None
    gateway_task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A video in the bucket: the columns of its job from `object_key` to `cost`, as JSON."""

    job_id: UUID
    tenant: str
    stored_at: datetime
    columns: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str | None = None


Entry = Sent | Answered | Kept
_KINDS: Mapping[str, type[Sent] | type[Answered] | type[Kept]] = {"sent": Sent, "answered": Answered, "kept": Kept}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_TIMES = ("started_at", "job_created_at", "stored_at")


class Unreadable(ValueError):
    """A segment that is not what was written. `key`: its key, where it is known."""

    def __init__(self, text: str, key: str = "") -> None:
        super().__init__(text)
        self.key = key


def as_line(entry: Entry) -> bytes:
    """An entry as one line of JSON. Unknown values are left out."""
    content = {"kind": _NAMES[type(entry)]}
    for name in entry.__dataclass_fields__:  # not `asdict`, which copies deeply: it took five times as long
        if (value := getattr(entry, name)) is not None:
            content[name] = value
    return orjson.dumps(content, option=orjson.OPT_UTC_Z) + b"\n"


def parse(lines: bytes) -> list[Entry]:
    """The entries of a segment. Those of kinds that this release does not know are left out.

    Raises:
        Unreadable: a line is not an entry.
    """
    return list(_parsed(lines.splitlines()))


def _parsed(lines: Iterable[bytes]) -> Iterable[Entry]:
    for number, line in enumerate(lines, 1):
        try:
            content = orjson.loads(line)
            kind = _KINDS.get(content.pop("kind"))
            if kind is None:
                continue
            names = kind.__dataclass_fields__
            values = {name: _value(name, value) for name, value in content.items() if name in names}
            yield kind(**values)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise Unreadable(f"line {number} is not an entry of the journal ({type(exc).__name__})") from exc


def _value(name: str, value: Any) -> Any:
    if name == "job_id":
        return UUID(value)
    return datetime.fromisoformat(value) if name in _TIMES else value

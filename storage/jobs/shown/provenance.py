"""Read the jobs whose videos are to be copied, with the facts for the JSON file beside each: its source and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from storage.database import Connection
from storage.jobs.records import Work
from storage.jobs.states import JobState
from storage.jobs.work import FIELDS, leased, select_work, work_of


# Not frozen: one is made for each copy, and freezing takes as long as the rest of its making.
@dataclass(slots=True)
class Provenance:
    """The facts of a generated job that its `Work` has not; every field is a column of `jobs`."""

    idempotency_key: str | None
    metadata: dict[str, Any]
    tags: list[str]
    gateway: str | None
    model: str | None
    seed: int | None
    usage: dict[str, Any] | None
    estimate: dict[str, Any] | None
    cost: dict[str, Any] | None
    object_key: str | None
    size_bytes: int | None
    sha256: str | None
    video_format: dict[str, Any] | None
    poster_key: str | None
    submitted_at: datetime | None
    generated_at: datetime | None


_TO_COPY = select_work(*(f"j.{field.name}" for field in fields(Provenance)))


def load_to_copy(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> list[tuple[Work, Provenance]]:
    """As `load_work` of the jobs in `transferring`, each with its facts."""
    split = len(FIELDS)
    return [
        (work_of(JobState.TRANSFERRING, row[:split]), Provenance(*row[split:]))
        for row in conn.execute(_TO_COPY, leased(JobState.TRANSFERRING, claimed))
    ]

"""Results without a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from producer.campaigns.results.layout import Layout
from producer.campaigns.results.results import Result
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowView
from storage.jobs.records import JobView
from storage.jobs.states import JobState

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def result(cells: Sequence[Any], state: JobState = JobState.SUCCEEDED, **given: Any) -> Result:
    """A row with these cells; `given` are fields of the row or of its job."""
    job: dict[str, Any] = {field.name: None for field in fields(JobView)} | {
        "id": uuid4(),
        "state": state,
        "request": {"prompt": "a boat"},
        "object_key": "videos/x.mp4",
        "metadata": {},
        "created_at": MOMENT,
        "finished_at": MOMENT,
    }
    row = {
        "id": job["id"],
        "sheet": 1,
        "number": 2,
        "label": "",
        "key": None,
        "cells": list(cells),
        "job_id": job["id"],
        "newest_job_id": job["id"],
        "versions": 1,
        "state": state,
        "reason": None,
        "review": Review.OPEN,
        "reviewed_at": None,
        "reviewed_by": None,
        "review_comment": None,
        "edited": False,
    }
    names = {field.name for field in fields(RowView)}
    row |= {name: value for name, value in given.items() if name in names}
    job |= {name: value for name, value in given.items() if name not in names}
    return Result(RowView(**row), JobView(**job), list(cells))


class Given:
    """Stands for `Results`: what a table is written from."""

    def __init__(self, columns: list[str], found: Sequence[Result], layout: Layout | None = None) -> None:
        self.columns = columns
        self.layout = layout or Layout(len(columns), {})
        self._found = found

    def __iter__(self) -> Any:
        return iter(self._found)

"""Fields that every line has which is logged while some work is done: a request's id, a Celery task's, a job's.

A coroutine's own task and a thread that runs in a copied context have their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from uuid import UUID

JOB = "reelq_job"
_NOTHING: Mapping[str, Any] = {}
_fields: ContextVar[Mapping[str, Any]] = ContextVar("reelq_log_fields", default=_NOTHING)


def fields_now() -> Mapping[str, Any]:
    """The fields of the work that is done now."""
    return _fields.get()


def bind(**fields: Any) -> None:
    """Add fields to every later line of this context."""
    _fields.set({**_fields.get(), **fields})


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Add fields to every line that is logged within."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def current_celery_task() -> UUID | None:
    """The Celery task that does the work of this context; None outside of one."""
    try:
        return _uuid(_fields.get()["celery_task"])
    except (KeyError, ValueError):
        return None


_uuid = lru_cache(maxsize=64)(UUID)  # each move of a batch asks


def about(job: Mapping[str, Any]) -> dict[str, Any]:
    """The `extra` of one line about a job, from the job's fields; see `storage.logs.story`."""
    return {JOB: job}

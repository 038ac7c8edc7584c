"""How jobs get in: Python (`from producer import Producer`), commands, API and web page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producer.async_client import AsyncProducer
    from producer.client import Job, Producer
    from producer.errors import InvalidRows, JobNotFound, NotPossible
    from seedance.problems import InvalidInput
    from storage.database import DatabaseUnavailable
    from storage.jobs.records import IdempotencyConflict

__all__ = [
    "AsyncProducer",
    "DatabaseUnavailable",
    "IdempotencyConflict",
    "InvalidInput",
    "InvalidRows",
    "Job",
    "JobNotFound",
    "NotPossible",
    "Producer",
]

_HOMES = {
    "AsyncProducer": "producer.async_client",
    "Job": "producer.client",
    "Producer": "producer.client",
    "InvalidRows": "producer.errors",
    "JobNotFound": "producer.errors",
    "NotPossible": "producer.errors",
    "InvalidInput": "seedance.problems",
    "DatabaseUnavailable": "storage.database",
    "IdempotencyConflict": "storage.jobs.records",
}


def __getattr__(name: str) -> Any:
    """Import lazily: most commands, such as `reelq jobs list`, need none of these."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Decisions as values, so that one table of cases tests all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from storage.jobs.states import JobState

MAX_COUNT = 30_000  # the counters are smallint


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a job goes next and when. `target` equal to the present state means: the same again later.

    `throttled`: the account had too many; `throttle_s` is how long it is to be left alone, None when the gateway named
    no time. `suspend_s`: keep the whole account from submitting for so long, None to leave it alone.
    """

    target: JobState
    reason: str
    due_in_s: float = 0.0
    patch: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None
    expires_in_s: float | None = None
    throttled: bool = False
    throttle_s: float | None = None
    suspend_s: float | None = None


def fail(code: str, message: str, **more: Any) -> Decision:
    """The job ends in failure; `code` is the stable word for why."""
    error = {"code": code, "message": message} | {key: value for key, value in more.items() if value is not None}
    return Decision(JobState.FAILED, code, patch={"error": error})

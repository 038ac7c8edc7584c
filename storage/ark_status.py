"""A job's status in the words of Ark's API, for its door and its callbacks. The only place for this mapping."""

from __future__ import annotations

from typing import Literal, LiteralString, get_args

from storage.jobs.states import JobState

ArkStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
STATUSES: tuple[ArkStatus, ...] = get_args(ArkStatus)
_EXPIRED = ("deadline_exceeded", "expired_upstream")
"""Reasons of failed jobs that Ark calls expired."""
OF_FAILED: tuple[ArkStatus, ...] = ("failed", "expired")
"""Those that depend on the reason, too."""
_ENDED: dict[str, ArkStatus] = {"queued": "queued", "succeeded": "succeeded", "cancelled": "cancelled"}


def ark_status(state: str, reason: str | None) -> ArkStatus:
    """The status of a job in this state, for this reason. A job whose POST may have been accepted runs: were it queued,
    clients would believe that it can be cancelled; were it failed, they would order it again."""
    if state == "failed":
        return "expired" if reason in _EXPIRED else "failed"
    return _ENDED.get(state, "running")


def status_sql(state: LiteralString, reason: LiteralString) -> LiteralString:
    """The same as an SQL expression."""
    return f"""(CASE WHEN {state} = 'failed' AND {reason} IN ('deadline_exceeded', 'expired_upstream') THEN 'expired'
         WHEN {state} IN ('queued', 'succeeded', 'failed', 'cancelled') THEN {state} ELSE 'running' END)"""


def states_of(status: ArkStatus) -> list[JobState]:
    """The states of the jobs that may have this status."""
    reason = _EXPIRED[0] if status == "expired" else None
    return [state for state in JobState if ark_status(state, reason) == status]

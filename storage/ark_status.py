"""A job's status in the words of Ark's API, for its door and its callbacks. The only place for this mapping."""

from __future__ import annotations

from typing import Literal, LiteralString, get_args

ArkStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "expired"]
STATUSES: tuple[ArkStatus, ...] = get_args(ArkStatus)
_EXPIRED = ("deadline_exceeded", "expired_upstream")
"""Reasons of failed jobs that Ark calls expired."""
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

"""The life of a job: its states, what each means, and every legal move. The README's picture is drawn from this file.

A new state or edge goes here, into `storage/migrations` (the CHECK on `jobs.state`) and into the README; tests compare
the three.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands, and who moves it on."""

    QUEUED = "queued"  # accepted, waiting for a slot; the scheduler claims it, a worker submits it
    SUBMITTING = "submitting"  # its attempt row is committed and the POST may be on its way; a worker
    UNCONFIRMED = "unconfirmed"  # the POST may have been accepted; a lookup, the policy or a person
    GENERATING = "generating"  # the gateway gave a task id; a worker polls it when due
    TRANSFERRING = "transferring"  # the video exists there; a worker copies it before its URL dies
    SUCCEEDED = "succeeded"  # the object is in S3, its length and content verified
    FAILED = "failed"  # `error` says why
    CANCELLED = "cancelled"  # somebody did not want it any more


S = JobState

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    S.QUEUED: frozenset({S.SUBMITTING, S.GENERATING, S.FAILED, S.CANCELLED}),
    S.SUBMITTING: frozenset({S.GENERATING, S.QUEUED, S.UNCONFIRMED, S.FAILED, S.CANCELLED}),
    S.UNCONFIRMED: frozenset({S.GENERATING, S.QUEUED, S.FAILED, S.CANCELLED}),
    S.GENERATING: frozenset({S.TRANSFERRING, S.FAILED, S.CANCELLED}),
    S.TRANSFERRING: frozenset({S.SUCCEEDED, S.GENERATING, S.FAILED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}
TERMINAL = frozenset(state for state, targets in TRANSITIONS.items() if not targets)
LIVE = frozenset(JobState) - TERMINAL


class IllegalTransition(Exception):
    """A move that the table does not have: a fault of ours, never of a caller."""

    def __init__(self, source: JobState, target: JobState) -> None:
        super().__init__(f"{source} → {target}")
        self.source = source
        self.target = target


def check_transition(source: JobState, target: JobState) -> None:
    """Pass for a legal move.

    Raises:
        IllegalTransition: the table does not have it.
    """
    if target not in TRANSITIONS[source]:
        raise IllegalTransition(source, target)

"""The life of a job: its states, their meanings, and every legal move. The README's diagram is drawn from this file.

Add a new state or edge here, in `storage/migrations` (the CHECK on `jobs.state`) and in the README; tests compare the
three.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """The state of a job, and who moves it on."""

    QUEUED = "queued"  # accepted, waiting for a slot; the scheduler claims it, a worker submits it
    SUBMITTING = "submitting"  # its attempt row is committed and the POST may be in flight; a worker stores the outcome
    UNCONFIRMED = "unconfirmed"  # the POST may have been accepted; a lookup, the policy or a person decides
    GENERATING = "generating"  # the gateway gave a task id; a worker polls it when due
    TRANSFERRING = "transferring"  # the video is at the gateway; a worker copies it before its URL expires
    SUCCEEDED = "succeeded"  # the object is in S3, its length and content verified
    FAILED = "failed"  # `error` says why
    CANCELLED = "cancelled"  # cancelled on request


S = JobState

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    S.QUEUED: frozenset({S.SUBMITTING, S.UNCONFIRMED, S.GENERATING, S.FAILED, S.CANCELLED}),
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
    """A move that the table does not allow: a bug in reelq, never a mistake of its user."""

    def __init__(self, source: JobState, target: JobState) -> None:
        super().__init__(f"{source} → {target}")
        self.source = source
        self.target = target


def check_transition(source: JobState, target: JobState) -> None:
    """Check that a move is legal.

    Raises:
        IllegalTransition: the table does not allow it.
    """
    if target not in TRANSITIONS[source]:
        raise IllegalTransition(source, target)

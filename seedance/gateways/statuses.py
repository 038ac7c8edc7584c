"""The status of a task, from its gateway's own words, or from a word that means an end everywhere.

Relays and later versions of a gateway change such words ("success" for "succeeded"). A task whose word is unknown is
polled on for days, while the link to its video dies.
"""

from __future__ import annotations

from collections.abc import Mapping

from seedance.gateways.base import TaskStatus

_ENDS = {
    "succeeded": TaskStatus.SUCCEEDED,
    "succeed": TaskStatus.SUCCEEDED,
    "success": TaskStatus.SUCCEEDED,
    "successful": TaskStatus.SUCCEEDED,
    "completed": TaskStatus.SUCCEEDED,
    "complete": TaskStatus.SUCCEEDED,
    "done": TaskStatus.SUCCEEDED,
    "finished": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "failure": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
    "canceled": TaskStatus.CANCELLED,
    "expired": TaskStatus.EXPIRED,
}


def status_in(own: Mapping[str, TaskStatus], word: str, video_url: str | None) -> TaskStatus:
    """The status that a word means; `own`: the gateway's documented words, in their case. A success that is not in its
    own words counts only with a video."""
    known = own.get(word) or _ENDS.get(word.lower(), TaskStatus.UNKNOWN)
    doubtful = word not in own and known is TaskStatus.SUCCEEDED and video_url is None
    return TaskStatus.UNKNOWN if doubtful else known

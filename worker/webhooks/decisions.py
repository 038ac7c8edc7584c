"""Decide what an answer to a webhook means: delivered, retry later, or give up."""

from __future__ import annotations

from dataclasses import dataclass

from storage.webhooks.outbox import EventType
from worker.retry import WEBHOOK
from worker.webhooks.sender import Answer

RETRY_FOR_S = 86_400.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to a message: `delivered`, `dead`, or sent again in `due_in_s` seconds."""

    delivered: bool = False
    dead: bool = False
    due_in_s: float | None = None
    error: str | None = None
    disable: bool = False
    """The endpoint wants no more messages."""


def decide(answer: Answer, *, event: str, attempts: int, tried_for_s: float) -> Verdict:
    """Decide on an answer. `attempts` were made before this one, the first of them `tried_for_s` seconds ago.

    Only 2xx means delivered; 410 means never again. Everything else may be a restart or a passing fault of the receiver
    and is retried for a day, including 4xx and redirects, which are not followed.
    """
    if answer.status is not None and 200 <= answer.status < 300:
        return Verdict(delivered=True)
    error = f"HTTP {answer.status}" if answer.status is not None else answer.error
    if answer.status is not None and 300 <= answer.status < 400:
        error += ": redirects are not followed"
    if answer.status == GONE:
        return Verdict(dead=True, error=error, disable=True)
    if answer.never or event == EventType.TEST or tried_for_s >= RETRY_FOR_S:
        return Verdict(dead=True, error=error)
    delay_s = max(WEBHOOK.wait_s(attempts + 1), answer.retry_after_s or 0.0)
    return Verdict(due_in_s=within_the_day(delay_s, tried_for_s), error=error)


def within_the_day(delay_s: float, tried_for_s: float) -> float:
    """The delay, cut so that the last attempt comes at the end of the day."""
    return min(delay_s, max(RETRY_FOR_S - tried_for_s, 1.0))

"""The cost of an attempt, known or possible: one rule for settling and for budgets that are set later. SQL fragments.

They refer to a job `j`, its attempt `a` (NULLs: it never began), and `r.amount` in `r.currency`, the possible cost of
the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

from storage.jobs.reasons import Reason
from storage.jobs.records import JobView
from storage.jsonb import number

NEVER_BILLED = (
    Reason.THROTTLED,
    Reason.NOT_SENT,
    Reason.NOT_TRIED,
    Reason.NOT_SERVED,
    Reason.ACCOUNT_PROBLEM,
    Reason.MODEL_PROBLEM,
    Reason.INPUT_NOT_READY,
    Reason.INPUT_GONE,
    Reason.INVALID_REQUEST,
    Reason.MODERATION_BLOCKED,
    Reason.NOT_SUBMITTED,
)
"""Outcomes that prove that the gateway did not accept the job. After any other outcome it may have been billed."""
_MAYBE_BILLED = (
    Reason.GENERATION_TIMEOUT,
    Reason.DEADLINE_EXCEEDED,
    Reason.TASK_LOST,
    Reason.RESULT_MISSING,
    Reason.GATEWAY_LOST,
    Reason.ABANDONED,
    Reason.DISCARDED,
)
"""Final reasons that leave open whether the gateway bills the task. The estimate counts, unless the job's error has
`may_be_billed: false`."""


def may_be_billed(job: JobView) -> bool:
    """Whether the gateway may bill the task of a job that has failed or was cancelled. `BILLED` for one job, without
    its earlier attempts."""
    if (job.error or {}).get("may_be_billed") is False:
        return False
    return job.generated_at is not None or job.cost is not None or job.reason in _MAYBE_BILLED


def _literals(reasons: Iterable[Reason]) -> LiteralString:
    return ", ".join(f"'{reason.value}'" for reason in reasons)


NOT_BILLED: LiteralString = f"(coalesce(a.outcome, '') IN ({_literals(NEVER_BILLED)}))"
"""The attempt is proven to have cost nothing."""
BILLED: LiteralString = f"""CASE
    WHEN a.job_id IS NULL OR {NOT_BILLED} THEN 0
    -- The job continued with another attempt's task: this attempt may have been accepted as well.
    WHEN a.gateway_task_id IS NULL OR a.gateway_task_id IS DISTINCT FROM j.gateway_task_id THEN r.amount
    WHEN j.cost ->> 'currency' = r.currency THEN coalesce({number("j.cost -> 'amount'")}, r.amount)
    WHEN j.cost -> 'also' ? r.currency THEN coalesce({number("j.cost -> 'also' -> r.currency")}, r.amount)
    WHEN j.error ->> 'may_be_billed' = 'false' THEN 0
    WHEN j.generated_at IS NOT NULL OR j.reason IN ({_literals(_MAYBE_BILLED)}) THEN r.amount
    ELSE 0 END"""
"""The amount that counts as spent for the attempt, once its job has ended."""
PRICE_THERE: LiteralString = f"""coalesce({number("j.prices -> a.account -> b.currency")},
    CASE WHEN j.estimate ->> 'currency' = b.currency THEN {number("j.estimate -> 'high'")} END)"""
"""The possible cost of the attempt at its account, in the currency of a budget `b`; NULL: not known."""

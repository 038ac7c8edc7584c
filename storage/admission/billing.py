"""What an attempt has cost, or may have: one rule for settling and for budgets that come later. SQL fragments.

They speak of a job `j`, its attempt `a` (with NULLs: it was never begun), and an `amount` in a `currency` of `r`, which
is what the attempt may cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

from storage.jobs.reasons import Reason

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
"""Outcomes of attempts that prove that the gateway did not accept the job. Whatever else may have been billed."""
_MAYBE_BILLED = (
    Reason.GENERATION_TIMEOUT,
    Reason.DEADLINE_EXCEEDED,
    Reason.TASK_LOST,
    Reason.RESULT_MISSING,
    Reason.GATEWAY_LOST,
    Reason.ABANDONED,
    Reason.DISCARDED,
)
"""Ends of jobs that leave open whether the gateway bills the task: there the estimate counts, unless the job's error
says `may_be_billed: false`."""


def _words(reasons: Iterable[Reason]) -> LiteralString:
    return ", ".join(f"'{reason.value}'" for reason in reasons)


NOT_BILLED: LiteralString = f"(coalesce(a.outcome, '') IN ({_words(NEVER_BILLED)}))"
"""The attempt is proven to have cost nothing."""
BILLED: LiteralString = f"""CASE
    WHEN a.job_id IS NULL OR {NOT_BILLED} THEN 0
    -- Another attempt's task became the job's: this one may have been accepted as well.
    WHEN a.gateway_task_id IS NULL OR a.gateway_task_id IS DISTINCT FROM j.gateway_task_id THEN r.amount
    WHEN j.cost ->> 'currency' = r.currency THEN (j.cost ->> 'amount')::numeric
    WHEN j.error ->> 'may_be_billed' = 'false' THEN 0
    WHEN j.generated_at IS NOT NULL OR j.reason IN ({_words(_MAYBE_BILLED)}) THEN r.amount
    ELSE 0 END"""
"""What the attempt of a job that has ended counts as spent."""
PRICE_THERE: LiteralString = """coalesce((j.prices -> a.account ->> b.currency)::numeric,
    CASE WHEN j.estimate ->> 'currency' = b.currency THEN (j.estimate ->> 'high')::numeric END)"""
"""What the attempt may cost at its account in the currency of a budget `b`; NULL: not known."""

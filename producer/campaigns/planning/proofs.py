"""What the proofs of a plan lead to: finals, and what these cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from producer.campaigns.planning.costs import Cost, Reach, costs_of, reach_of
from producer.intake.intake import MadeLater, Prepared
from producer.intake.terms import Money
from storage.admission.spending.budgets import Budget


@dataclass(frozen=True, slots=True)
class ProofPlan:
    """The proofs of a plan by kind: `drafts`, `looks`, and rows that are made `as_asked` because nothing is cheaper.
    `costs`: of the finals, if all proofs are approved; `reach`: how many of them the budget pays for after the proofs,
    None: there is none."""

    drafts: int
    looks: int
    as_asked: int
    costs: Sequence[Cost]
    without_price: int
    reach: Reach | None

    @property
    def finals(self) -> int:
        """How many finals there will be at most."""
        return self.drafts + self.looks

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "drafts": self.drafts,
            "looks": self.looks,
            "as_asked": self.as_asked,
            "finals": self.finals,
            "finals_costs": [cost.as_dict() for cost in self.costs],
            "finals_without_price": self.without_price,
            "finals_paid_for": None if self.reach is None else self.reach.pays_for,
        }


def proof_kinds(jobs: Sequence[Prepared]) -> dict[str, int]:
    """How many proofs of each kind jobs are: `drafts`, `looks`, and those made `as_asked`."""
    later = [job.later for job in jobs if job.later is not None]
    drafts = sum(item.of_draft for item in later)
    return {"drafts": drafts, "looks": len(later) - drafts, "as_asked": len(jobs) - len(later)}


def proofs_of(jobs: Sequence[Prepared], reach: Reach | None, given: Money | None, stored: Budget | None) -> ProofPlan:
    """What becomes of jobs of which some are proofs. `reach`: how far the budget reaches for the jobs themselves."""
    later = [job.later for job in jobs if job.later is not None]
    costs, unpriced = costs_of(later, None if reach is None else reach.currency)
    finals = None
    if reach is not None:
        together: list[Prepared | MadeLater] = [*(jobs[place] for place in reach.paid), *later]
        both = reach_of(together, range(len(together)), given, stored)
        if both is not None:
            paid = both.pays_for - len(reach.paid)
            finals = Reach(both.amount, both.left, both.currency, paid, len(later), ())
    return ProofPlan(**proof_kinds(jobs), costs=costs, without_price=unpriced, reach=finals)

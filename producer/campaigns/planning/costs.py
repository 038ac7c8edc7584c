"""What a campaign will cost, and how far a budget reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from producer.intake.terms import Money
from storage.admission.spending.budgets import Budget


class Priced(Protocol):
    """A job, or what is made of a proof later."""

    @property
    def estimate(self) -> Mapping[str, Any] | None: ...

    @property
    def prices(self) -> Mapping[str, Mapping[str, float]]: ...


@dataclass(frozen=True, slots=True)
class Cost:
    """What `jobs` jobs cost in one currency, from `low` to `high`. `by_list_price`: how many of them are priced by the
    maker's list, because the gateway publishes no price."""

    currency: str | None
    low: float
    high: float
    jobs: int
    by_list_price: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The cost as JSON."""
        costs = {"currency": self.currency, "low": round(self.low, 4), "high": round(self.high, 4)}
        return costs | {"jobs": self.jobs, "by_list_price": self.by_list_price}


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a budget reaches: it surely pays for `pays_for` of the jobs, in the order in which they are submitted.
    `left`: what may still be spent; `paid`: the places of those jobs."""

    amount: float
    left: float
    currency: str
    pays_for: int
    of: int
    paid: Sequence[int]

    def as_dict(self) -> dict[str, Any]:
        """The reach as JSON."""
        names = ("amount", "left", "currency", "pays_for", "of")
        return {name: getattr(self, name) for name in names}


def costs_of(jobs: Sequence[Priced], first: str | None = None) -> tuple[list[Cost], int]:
    """The costs by currency, at the first account that can serve each job, and how many jobs have no known price. A job
    with a price in the currency `first` counts in that; it comes first, then the currency with the most jobs."""
    sums: dict[str, list[float]] = {}
    unpriced = 0
    for job in jobs:
        if job.estimate is None:
            unpriced += 1
            continue
        currency, price = str(job.estimate["currency"]), job.estimate
        if first is not None and currency != first and first in price["also"]:
            currency, price = first, price["also"][first]
        found = sums.setdefault(currency, [0.0, 0.0, 0, 0])
        found[0] += float(price["low"])
        found[1] += float(price["high"])
        found[2] += 1
        found[3] += price["basis"] == "list"
    costs = [Cost(name, low, high, int(count), int(listed)) for name, (low, high, count, listed) in sums.items()]
    return sorted(costs, key=lambda cost: (cost.currency != first, -cost.jobs)), unpriced


def reach_of(jobs: Sequence[Priced], order: Sequence[int], given: Money | None, stored: Budget | None) -> Reach | None:
    """How far a budget reaches: the one `given` now, else the campaign's own; None: there is none.

    A job reserves the most that it may cost at its cheapest account; the next ones go on if one does not fit.
    """
    if given is None and stored is None:
        return None
    spent = Decimal(0)
    if stored is not None and (given is None or given.currency == stored.currency):
        spent = stored.spent + stored.reserved
    amount, currency = (given.amount, given.currency) if given is not None else _of(stored)
    left = amount - spent
    paid = []
    for place in order:
        price = _least(jobs[place].prices, currency)
        if price is not None and price <= left:
            left -= price
            paid.append(place)
    return Reach(float(amount), float(amount - spent), currency, len(paid), len(jobs), paid)


def _of(budget: Budget | None) -> tuple[Decimal, str]:
    assert budget is not None  # noqa: S101 - the caller has one of the two
    return budget.amount, budget.currency


def _least(prices: Mapping[str, Mapping[str, float]], currency: str) -> Decimal | None:
    known = [of[currency] for of in prices.values() if currency in of]
    return Decimal(str(min(known))) if known else None

"""Budget, weight and recipients of mail of a campaign or tenant, as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from producer.intake.pace import UNCHANGED, PaceTerms, set_pace
from producer.intake.recipients import notify_as_text, read_notify
from producer.wording import plural
from seedance.problems import InvalidInput, Problem, shorten
from storage import decisions
from storage.admission.spending import budgets
from storage.campaigns import controls
from storage.campaigns.controls import MAX_WEIGHT, subject_of
from storage.database import Connection
from storage.webhooks.recipients import Notify, set_recipients

if TYPE_CHECKING:  # commands that only read terms need no intake
    from producer.intake.intake import Prepared

MAX_AMOUNT = Decimal(10**12)
_MONEY = re.compile(r"(?P<amount>\d{1,13}(\.\d{1,6})?)\s*(?P<currency>[A-Za-z][A-Za-z0-9_-]{0,15})")
_MONEY_BEFORE = re.compile(r"(?P<currency>[A-Za-z][A-Za-z0-9_-]{0,15})\s+(?P<amount>\d{1,13}(\.\d{1,6})?)")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency, named as in price lists: CNY, USD, credits."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What to set; None leaves it unchanged. `no_budget` removes the budget. `pace`: of a campaign only."""

    budget: Money | None = None
    no_budget: bool = False
    weight: int | None = None
    notify: Notify | None = None
    pace: PaceTerms = UNCHANGED

    def __bool__(self) -> bool:
        set_here = self.budget is not None or self.no_budget or self.weight is not None or self.notify is not None
        return set_here or bool(self.pace)


def read_terms(budget: str | None, weight: int | None = None, notify: Sequence[str] | None = None) -> Terms:
    """Parse a budget, "100 CNY" (or "none", which removes it), a weight, and addresses that get mail.

    Raises:
        InvalidInput: one of them is not valid.
    """
    if weight is not None and not 1 <= weight <= MAX_WEIGHT:
        raise InvalidInput([Problem("weight", f"must be 1 to {MAX_WEIGHT}, not {weight}")])
    if budget is None or budget.strip().lower() == "none":
        return Terms(None, budget is not None, weight, read_notify(notify))
    found = _MONEY.fullmatch(budget.strip()) or _MONEY_BEFORE.fullmatch(budget.strip())
    if found is None or Decimal(found["amount"]) > MAX_AMOUNT:
        message = f'must be an amount and its currency, as in "100 CNY", or "none", not {shorten(budget)}'
        raise InvalidInput([Problem("budget", message)])
    return Terms(Money(Decimal(found["amount"]), found["currency"]), False, weight, read_notify(notify))


def check_priced(jobs: Iterable[Prepared], budget: Money) -> None:
    """Check that every job has a price in the budget's currency at some account; otherwise it would wait for ever.

    Raises:
        InvalidInput: some have none.
    """
    without = [job for job in jobs if not any(budget.currency in of for of in job.prices.values())]
    if without:
        known = sorted({currency for of in without[0].prices.values() for currency in of})
        has = f"it is priced in {' and '.join(known)}" if known else "no price is known"
        message = (
            f"no price in {budget.currency} is known for {plural(len(without), 'row')}; for the first, {has}. Set the "
            f"account's `rates` in {budget.currency}, or give a budget in another currency"
        )
        raise InvalidInput([Problem("budget", message)], without[0].where)


def set_campaign_terms(conn: Connection, tenant: str, campaign_id: UUID, terms: Terms) -> None:
    """Set a campaign's budget, weight and pace, and who gets mail about it."""
    decisions.record(conn, tenant, "campaign.terms", subject_of(campaign_id), **terms_as_detail(terms))
    if terms.weight is not None:
        controls.set_weight(conn, campaign_id, terms.weight)
    if terms.notify is not None:
        set_recipients(conn, tenant, campaign_id, terms.notify)
    set_pace(conn, campaign_id, terms.pace)
    set_budget(conn, tenant, campaign_id, terms)


def set_budget(conn: Connection, tenant: str, campaign_id: UUID | None, terms: Terms) -> None:
    """Set the budget of a campaign; None: of the whole tenant."""
    if terms.no_budget:
        budgets.set_budget(conn, tenant, campaign_id, None)
    elif terms.budget is not None:
        budgets.set_budget(conn, tenant, campaign_id, terms.budget.amount, terms.budget.currency)


def terms_as_detail(terms: Terms) -> dict[str, object]:
    """What was set, for the record."""
    money = terms.budget
    budget = "none" if terms.no_budget else None if money is None else f"{money.amount} {money.currency}"
    notify = None if terms.notify is None else notify_as_text(terms.notify)
    found = {"budget": budget, "weight": terms.weight, "notify": notify}
    return {name: value for name, value in found.items() if value is not None} | terms.pace.as_detail()

"""How commands write what things cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from producer.wording import plural

_BASES = {"own": "your rate", "published": "the published price", "list": "Ark's list price"}


def amount(value: float | Decimal, currency: str) -> str:
    """`CNY 5.01`, with more digits below 1."""
    number = float(value)
    return f"{currency} {number:.2f}" if not number or abs(number) >= 1 else f"{currency} {number:.4f}"


def span(low: float | Decimal, high: float | Decimal, currency: str) -> str:
    """`CNY 5.01`, or `CNY 4.20 to 5.01`."""
    text = amount(low, currency)
    return text if low == high else f"{text} to {amount(high, currency).removeprefix(currency).lstrip()}"


def estimate_line(estimate: Mapping[str, Any]) -> str:
    """A stored estimate: the cost, the account, whose price it is and of which day, and the tokens."""
    where = f" at {estimate['account']}" if estimate.get("account") else ""
    costs = [span(estimate["low"], estimate["high"], estimate["currency"])]
    for currency, other in estimate.get("also", {}).items():
        whose = f" ({_whose(other)})" if other.get("basis") != estimate.get("basis") else ""
        costs.append(f"{span(other['low'], other['high'], currency)}{whose}")
    return f"{' or '.join(costs)}{where}, {basis_of(estimate)}{_tokens(estimate.get('tokens'))}"


def basis_of(estimate: Mapping[str, Any]) -> str:
    """`Ark's list price of 2026-11-28`."""
    inferred = " (inferred)" if estimate.get("inferred") else ""
    return f"{_whose(estimate)} of {estimate['as_of']}{inferred}"


def _whose(estimate: Mapping[str, Any]) -> str:
    """Whose prices an estimate has. Another program may have stored it."""
    return _BASES.get(estimate.get("basis", ""), "prices")


def _tokens(found: Sequence[float] | None) -> str:
    if found is None:
        return ""
    low, high = found
    return f", {low:,.0f} tokens" if low == high else f", {low:,.0f} to {high:,.0f} tokens"


def cost_line(cost: Mapping[str, Any], estimate: Mapping[str, Any] | None) -> str:
    """A stored cost, compared with the estimate."""
    counted = "as the gateway reports it" if cost["tokens"] is None else f"for {cost['tokens']:,.0f} tokens"
    text = f"{amount(cost['amount'], cost['currency'])} {counted}"
    if cost.get("basis") == "list":
        text += " at Ark's list price"
    if estimate is None or estimate["currency"] != cost["currency"]:
        return text
    return f"{text}, {_compared(cost['amount'], estimate['low'], estimate['high'])}"


def sum_line(found: Mapping[str, Any]) -> str:
    """One currency of a campaign (`CostSum.as_dict`)."""
    currency, jobs, listed = found["currency"], found["estimated_jobs"], found["by_list_price"]
    text = f"estimated {span(found['estimated_low'], found['estimated_high'], currency)} for {plural(jobs, 'job')}"
    if listed:
        text += ", at Ark's list price" + (f" for {listed}" if listed < jobs else "")
    if not found["reported_jobs"]:
        return text
    text += f" · reported {amount(found['reported'], currency)} for {plural(found['reported_jobs'], 'job')}"
    if not found["compared_high"]:
        return text
    return f"{text}, {_compared(found['compared'], found['compared_low'], found['compared_high'])}"


def budget_line(budget: Mapping[str, Any]) -> str:
    """A budget (`Budget.as_dict`), how much of it is gone, and whether it holds jobs back."""
    currency = budget["currency"]
    text = f"{amount(budget['amount'], currency)} · spent {amount(budget['spent'], currency)}"
    if budget["reserved"]:
        text += f" · reserved {amount(budget['reserved'], currency)}"
    return f"{text} · some jobs do not fit" if budget["held"] else text


def _compared(cost: float | Decimal, low: float | Decimal, high: float | Decimal) -> str:
    """The distance to the estimate; less than half a percent does not count."""
    for bound, word in ((low, "below"), (high, "above")):
        share = abs(float(cost) - float(bound)) / float(bound) if bound else 0.0
        if (cost < bound if word == "below" else cost > bound) and share >= 0.005:
            return f"{share:.0%} {word} the estimate"
    return "as estimated"

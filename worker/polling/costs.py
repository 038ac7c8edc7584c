"""The cost of a finished generation, from the usage that its gateway reported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from seedance.account import Account
from seedance.pricing import cost_of_usage
from seedance.problems import InvalidInput
from seedance.request import parse_request

MAX_COST = 1e9  # more is a mistake of the gateway


def reported_cost(
    account: Account, request: Mapping[str, Any], usage: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The `amount` in `currency`, the tokens it counts, the date and the basis of the price, and `also`: the amounts by
    prices in other currencies. None if it cannot be computed.

    `request` is a job's canonical JSON. A cost that the gateway itself reports wins over prices, and counts no tokens.
    """
    if not usage:
        return None
    if (declared := _declared(usage)) is not None:
        return declared
    try:
        cost = cost_of_usage(usage, parse_request(request), account.dialect, account.rates)
    except InvalidInput:  # the rules have changed since the job was stored
        return None
    if cost is None or cost.tokens is None:
        return None
    known = cost.as_dict()
    return {
        "amount": known["high"],
        "currency": known["currency"],
        "as_of": known["as_of"],
        "basis": known["basis"],
        "tokens": cost.tokens[0],
        "also": {currency: other["high"] for currency, other in known["also"].items()},
    }


def _declared(usage: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `cost` of a usage that names its `currency`; None if it has none."""
    cost, currency = usage.get("cost"), usage.get("currency")
    known = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < MAX_COST
    if not known or not isinstance(currency, str):
        return None
    return {"amount": cost, "currency": currency, "as_of": datetime.now(UTC).date().isoformat(), "tokens": None}

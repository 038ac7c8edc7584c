"""The cost of a finished generation, from the usage that its gateway reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedance.account import Account
from seedance.pricing import cost_of_usage
from seedance.problems import InvalidInput
from seedance.request import parse_request


def reported_cost(
    account: Account, request: Mapping[str, Any], usage: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The `amount` in `currency`, the tokens it counts and the date of the price; None if it cannot be computed.

    `request` is a job's canonical JSON.
    """
    if not usage:
        return None
    try:
        cost = cost_of_usage(usage, parse_request(request), account.dialect, account.rates)
    except InvalidInput:  # the rules have changed since the job was stored
        return None
    if cost is None or cost.tokens is None:
        return None
    known = cost.as_dict()
    return {"amount": known["high"], "currency": known["currency"], "as_of": known["as_of"], "tokens": cost.tokens[0]}

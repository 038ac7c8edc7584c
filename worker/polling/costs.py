"""What a finished generation cost, by the usage that its gateway reported."""

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
    """`amount` in `currency`, the tokens it counts, and the date of the price; None when that cannot be told.

    `request` is a job's canonical JSON.
    """
    if not usage:
        return None
    try:
        found = cost_of_usage(usage, parse_request(request), account.dialect, account.rates)
    except InvalidInput:  # the rules have changed since the job was stored
        return None
    if found is None or found.tokens is None:
        return None
    told = found.as_dict()
    return {"amount": told["high"], "currency": told["currency"], "as_of": told["as_of"], "tokens": found.tokens[0]}

"""The cost of a generation where the gateway reports it in money."""

from __future__ import annotations

from typing import Any

import pytest

from producer.cli.shared.money import cost_line
from seedance.account import Account
from seedance.gateways.base import WireAnswer
from worker.polling.costs import reported_cost

ACCOUNT = Account.model_validate({"name": "or", "gateway": "openrouter", "api_key": "sk-x"})
REQUEST = {"prompt": "a fox"}


def test_openrouters_own_cost_is_the_jobs_cost() -> None:
    body = b'{"id": "j", "status": "completed", "urls": ["https://a.example/v"], "usage": {"cost": 0.6048}}'
    report = ACCOUNT.dialect.read_report(WireAnswer(200, {}, body))
    cost = reported_cost(ACCOUNT, REQUEST, report.usage)
    assert cost is not None
    assert (cost["amount"], cost["currency"], cost["tokens"]) == (0.6048, "USD", None)
    assert cost_line(cost, None) == "USD 0.6048 as the gateway reports it"


@pytest.mark.parametrize("cost", [None, -1, True, "0.6", float("nan"), float("inf"), 10**400])
def test_what_is_no_amount_is_no_cost(cost: Any) -> None:
    assert reported_cost(ACCOUNT, REQUEST, {"cost": cost, "currency": "USD"}) is None


@pytest.mark.parametrize("request_of_job", [{"prompt": "a fox"}, {"prompt": "a fox", "model": "seedance-2.5"}])
def test_a_model_that_the_account_sells_no_more_leaves_the_cost_unknown(request_of_job: dict[str, Any]) -> None:
    models = {"fast": "doubao-seedance-2-0-fast-260128"}
    account = Account.model_validate({"name": "a", "gateway": "ark", "api_key": "sk-x", "models": models})
    assert reported_cost(account, request_of_job, {"total_tokens": 108_900}) is None


@pytest.mark.parametrize("tokens", [10**30, "9" * 60, 1e300, float("inf")])
def test_an_absurd_number_of_tokens_leaves_the_cost_unknown(tokens: Any) -> None:
    account = Account.model_validate({"name": "a", "gateway": "ark", "api_key": "sk-x"})
    assert reported_cost(account, REQUEST, {"total_tokens": tokens}) is None


def test_a_cost_without_a_currency_is_none() -> None:
    assert reported_cost(ACCOUNT, REQUEST, {"cost": 0.6}) is None

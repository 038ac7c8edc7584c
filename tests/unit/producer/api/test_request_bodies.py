"""Small JSON bodies: what they accept, and how others are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from producer.api.request_bodies import (
    BODIES,
    CampaignChange,
    CancelBody,
    EndpointChange,
    NewEndpoint,
    ReplayBody,
    ResolveBody,
    SecretRotation,
    WebhookTest,
)
from producer.intake.terms import Money, Terms
from seedance.problems import InvalidInput
from seedance.request import problems_of

HOOK = "https://shop.example/hook"


@pytest.mark.parametrize("model", BODIES)
def test_every_example_is_valid(model: type[BaseModel]) -> None:
    examples = model.model_json_schema()["examples"]
    assert examples
    for example in examples:
        model.model_validate(example)


GOOD: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (CancelBody, {}),
    (ResolveBody, {"action": "abandon", "task_id": None}),
    (NewEndpoint, {"url": HOOK, "events": None}),
    (EndpointChange, {"events": None, "disabled": None}),
    (SecretRotation, {"overlap_seconds": 3}),
    (ReplayBody, {"dead": True, "since": None, "endpoint_id": None}),
    (WebhookTest, {"url": HOOK, "endpoint_id": None}),
]


@pytest.mark.parametrize(("model", "body"), GOOD, ids=lambda item: getattr(item, "__name__", ""))
def test_null_is_the_same_as_a_missing_field(model: type[BaseModel], body: dict[str, Any]) -> None:
    model.model_validate(body)


BAD: list[tuple[type[BaseModel], dict[str, Any], str]] = [
    (CancelBody, {"discard": "yes"}, "discard: must be true or false, not 'yes'"),
    (CancelBody, {"discard": None}, "discard: must be true or false, not None"),
    (CancelBody, {"force": True}, "force: is not a field we know"),
    (ResolveBody, {}, "action: is required"),
    (ResolveBody, {"action": "forget"}, "action: must be 'adopt', 'resubmit' or 'abandon', not 'forget'"),
    (ResolveBody, {"action": "adopt"}, "task_id: is required with action adopt, and only then"),
    (ResolveBody, {"action": "resubmit", "task_id": "t"}, "task_id: is required with action adopt, and only then"),
    (ResolveBody, {"action": "adopt", "task_id": 5}, "task_id: must be text, not 5"),
    (ResolveBody, {"action": "adopt", "task_id": "x" * 201}, "task_id: at most 200 characters"),
    (CampaignChange, {"weight": 2.5}, "weight: must be a whole number, not 2.5"),
    (CampaignChange, {"weight": True}, "weight: must be a whole number, not True"),
    (CampaignChange, {"weight": 101}, "weight: should be less than or equal to 100, not 101"),
    (CampaignChange, {"budget": 100}, "budget: must be text, not 100"),
    (NewEndpoint, {"url": None}, "url: must be text, not None"),
    (NewEndpoint, {"url": HOOK, "events": "job.failed"}, "events: must be a list, not 'job.failed'"),
    (EndpointChange, {"disabled": 1}, "disabled: must be true or false, not 1"),
    (SecretRotation, {"overlap_seconds": "a day"}, "overlap_seconds: must be a number, not 'a day'"),
    (SecretRotation, {"overlap_seconds": True}, "overlap_seconds: must be a number, not True"),
    (ReplayBody, {"endpoint_id": "x"}, "endpoint_id: must be a UUID, not 'x'"),
    (ReplayBody, {"since": "yesterday"}, "since: must be an instant with its offset from UTC, such as"),
    (ReplayBody, {"since": "2030-01-31T18:00:00"}, "since: must be an instant with its offset from UTC, such as"),
    (ReplayBody, {"since": 1893456000}, "since: must be an instant with its offset from UTC, such as"),
    (ReplayBody, {"since": "1893456000"}, "since: must be an instant with its offset from UTC, such as"),
]


@pytest.mark.parametrize(("model", "body", "said"), BAD, ids=[said for _, _, said in BAD])
def test_an_invalid_body_is_refused_by_field(model: type[BaseModel], body: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert str(InvalidInput(problems_of(caught.value))).startswith(said)


def test_a_null_budget_removes_the_limit_and_a_missing_one_keeps_it() -> None:
    assert CampaignChange.model_validate({"budget": None}).terms() == Terms(no_budget=True)
    assert CampaignChange.model_validate({"weight": 3}).terms() == Terms(weight=3)
    found = CampaignChange.model_validate({"budget": "100 CNY"}).terms()
    assert isinstance(found.budget, Money) and found.budget.currency == "CNY"

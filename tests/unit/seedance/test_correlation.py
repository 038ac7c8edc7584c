"""Correlation: the values that an attempt sends so that a list of tasks identifies it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance.gateways.base import AttemptOptions
from seedance.gateways.registry import DIALECTS
from seedance.request import GenerationRequest, parse_request

ARK = DIALECTS["ark"]
BOTH = {"seed", "expires_after"}


def request(*, options: dict[str, Any] | None = None, **fields: Any) -> GenerationRequest:
    own = {"gateway_options": {"ark": options}} if options else {}
    return parse_request({"prompt": "a fox"} | own | fields)


def sent(asked: GenerationRequest, **attempt: Any) -> dict[str, Any]:
    return dict(ARK.submit_call(asked, AttemptOptions(**attempt)).json or {})


@given(st.integers(3600, 259_200))
def test_a_mark_is_sent_unchanged(mark: int) -> None:
    body = sent(request(), mark=mark, expires_after_s=5000.0, seed=11)
    assert (body["execution_expires_after"], body["seed"]) == (mark, 11)


def test_without_a_mark_the_remaining_time_is_sent() -> None:
    assert sent(request(), expires_after_s=5000.2)["execution_expires_after"] == 5001
    assert sent(request(), expires_after_s=5.0)["execution_expires_after"] == 3600
    assert "execution_expires_after" not in sent(request())


def test_a_value_of_the_job_itself_is_kept_and_is_no_mark() -> None:
    own = request(options={"execution_expires_after": 7200})
    assert sent(own, mark=3601)["execution_expires_after"] == 7200
    assert ARK.marks(own) == {"seed"}
    seeded = request(seed=5)
    assert sent(seeded, seed=11, mark=3601) | {"seed": 5} == sent(seeded, mark=3601)
    assert ARK.marks(seeded) == {"expires_after"}
    assert ARK.marks(request()) == ARK.marks(request(seed=-1)) == BOTH


@pytest.mark.parametrize("model", ["doubao-seedance-2-5-260901", "dreamina-seedance-2.5-pro"])
def test_no_seed_of_ours_is_sent_to_a_model_that_may_refuse_it(model: str) -> None:
    named = request(options={"model": model})
    assert "seed" not in sent(named, seed=11, mark=3601)
    assert ARK.marks(named) == {"expires_after"}
    [refusal] = ARK.refusals(request(options={"model": model}, seed=5))
    assert refusal.field == "seed", "the job's own seed is refused, not left out"


@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - {"ark"}))
def test_no_mark_is_sent_to_a_gateway_without_it(name: str) -> None:
    dialect = DIALECTS[name]
    assert "expires_after" not in dialect.capabilities().marks
    call = dialect.submit_call(request(), AttemptOptions(mark=3601))
    assert "3601" not in str(call.json)

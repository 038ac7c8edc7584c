"""What an attempt is sent with: a seed and a callback URL of its own, and how long anybody wants the video."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from seedance.account import Account
from seedance.client import GatewayClient
from seedance.gateways.base import AttemptOptions
from seedance.gateways.registry import DIALECTS
from seedance.request import GenerationRequest
from storage.jobs.callbacks import hash_token
from storage.jobs.records import Correlation
from storage.settings import Settings
from worker.submitting.correlation import RANDOM_SEED, correlate

REQUEST = GenerationRequest(prompt="a cat")
REACHABLE = Settings(public_url="https://reelq.example.com/", allow_private_networks=False)


def marked(
    gateway: str, settings: Settings = REACHABLE, request: GenerationRequest = REQUEST, **account: Any
) -> tuple[AttemptOptions, Correlation]:
    fields = {"name": "a", "gateway": gateway, "base_url": "https://x.example.com", "api_key": "sk-test"}

    async def run() -> tuple[AttemptOptions, Correlation]:
        dialect = DIALECTS[gateway]
        async with GatewayClient(
            Account.model_validate(fields | account), dialect, submit_timeout_s=1, query_timeout_s=1
        ) as client:
            return correlate(client, request, settings, deadline_in_s=100.0)

    return asyncio.run(run())


def test_a_seed_of_its_own_where_tasks_are_listed_with_theirs() -> None:
    first, marks = marked("ark")
    second, _ = marked("ark")
    assert first.seed == marks.seed
    assert first.seed != second.seed
    asked, marks = marked("ark", request=GenerationRequest(prompt="a", seed=7))
    assert (asked.seed, marks.seed) == (7, 7)
    left, _ = marked("ark", request=GenerationRequest(prompt="a", seed=RANDOM_SEED))
    assert left.seed is not None
    assert left.seed >= 0
    assert marked("anyfast")[0].seed is None


@pytest.mark.parametrize("gateway", ["ark", "12ai", "evolink"])
def test_a_callback_url_of_its_own_whose_token_is_stored_as_a_hash(gateway: str) -> None:
    attempt, marks = marked(gateway, callbacks=True)
    assert attempt.callback_url is not None
    start, token = attempt.callback_url.rsplit("/", 1)
    assert start == f"https://reelq.example.com/callbacks/{gateway}"
    assert marks.callback_hash == hash_token(token)
    assert marked(gateway, callbacks=True)[0].callback_url != attempt.callback_url


def test_no_callback_url_for_a_gateway_that_would_not_call_it() -> None:
    nowhere = Settings()
    private = Settings(public_url="http://127.0.0.1:8080")
    for gateway, settings, callbacks in (
        ("ark", REACHABLE, False),
        ("ark", nowhere, True),
        ("anyfast", REACHABLE, True),
        ("evolink", private, True),
    ):
        attempt, marks = marked(gateway, settings, callbacks=callbacks)
        assert attempt.callback_url is None
        assert marks.callback_hash is None


def test_ark_gets_the_seconds_for_which_the_video_is_wanted() -> None:
    ark = DIALECTS["ark"]
    bodies = [
        ark.submit_call(REQUEST, AttemptOptions(expires_after_s=seconds)).json or {}
        for seconds in (60.0, 7200.5, 1e9, None)
    ]
    assert [body.get("execution_expires_after") for body in bodies] == [3600, 7201, 259_200, None]
    own = GenerationRequest(prompt="a", gateway_options={"ark": {"execution_expires_after": 5000}})
    assert (ark.submit_call(own, AttemptOptions(expires_after_s=9000.0)).json or {})["execution_expires_after"] == 5000
    assert marked("ark")[0].expires_after_s == 100.0

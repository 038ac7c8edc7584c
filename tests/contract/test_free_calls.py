"""One free call tells a key that works from one that does not, at every gateway, and starts nothing."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from seedance.errors import AccountProblem
from seedance.gateways.registry import DIALECTS
from simulator.main import SimulatorOptions, running
from tests.contract.clients import KEY, with_client


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, time="fixed", api_keys=frozenset({KEY}))) as base_url:
        yield base_url


@pytest.mark.parametrize("gateway", DIALECTS)
def test_a_free_call_tells_a_good_key_from_a_wrong_one(url: str, gateway: str) -> None:
    before = httpx.get(f"{url}/_sim/ledger?summary=1").json()
    with_client(url, gateway, lambda client: client.check_key())
    with pytest.raises(AccountProblem) as caught:
        with_client(url, gateway, lambda client: client.check_key(), api_key="sk-of-no-account")
    assert "sk-of-no-account" not in str(caught.value)
    assert httpx.get(f"{url}/_sim/ledger?summary=1").json()["tasks"] == before["tasks"]


@pytest.mark.parametrize("gateway", DIALECTS)
def test_a_free_call_is_a_get(gateway: str) -> None:
    assert DIALECTS[gateway].free_call().method == "GET"

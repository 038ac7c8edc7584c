"""Model names of OpenAI's clients: what they stand for, with the accounts that there are."""

from __future__ import annotations

from typing import Any

import pytest

from producer.api.videos.models import fields_of
from producer.api.videos.sizes import size_of
from seedance.account import Account
from seedance.problems import InvalidInput

NEW_ID = "doubao-seedance-2-5-260628"


def ark(**fields: Any) -> Account:
    return Account.model_validate({"name": "a", "gateway": "ark", "api_key": "k", **fields})


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("sora-2-2025-12-08", {"tier": "fast"}),
        ("seedance", {"tier": "standard"}),
        ("Seedance-2.0", {"tier": "standard"}),
        ("doubao-seedance-2-0-fast-260128", {"tier": "fast"}),
        ("seedance-mini", {"tier": "mini"}),
        ("seedance-2.5", {"model": "seedance-2.5"}),
        (NEW_ID, {"model": "seedance-2.5"}),
        ("bytedance/seedance-2.5-flash", {"model": "seedance-2.5-flash"}),
    ],
)
def test_a_name_stands_for_a_tier_or_a_model(name: str, fields: dict[str, Any]) -> None:
    assert fields_of(name, [ark()]) == fields


def test_names_of_an_account_are_known() -> None:
    account = ark(models={"fast": "ep-1", "seedance-2.6": {"id": "ep-2", "like": "seedance-2.5"}})
    assert fields_of("ep-1", [account]) == {"tier": "fast"}
    assert fields_of("ep-2", [account]) == fields_of("seedance-2.6", [account]) == {"model": "seedance-2.6"}
    with pytest.raises(InvalidInput, match=r"must be one of seedance-2\.0, .*seedance-2\.6, sora-2"):
        fields_of("seedance-1.5-pro", [account])


def test_2_0_is_meant_where_the_tier_has_become_another_model() -> None:
    assert fields_of("seedance-2.0", [ark(default_model="seedance-2.5")]) == {"model": "seedance-2.0"}


def test_the_size_is_that_of_the_model() -> None:
    small = {"resolution": "480p", "ratio": "16:9"}
    assert (size_of(small), size_of(small | {"model": "seedance-2.5"})) == ("864x496", "854x480")
    assert size_of({"resolution": "4k", "ratio": "4:3"}) == "3326x2494"

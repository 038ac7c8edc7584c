"""Compare tokens, prices and estimates with published ones."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from seedance.gateways.ark import Ark
from seedance.gateways.base import Dialect
from seedance.gateways.registry import DIALECTS
from seedance.models.catalog import pixels_of
from seedance.models.data import bundled_models
from seedance.pricing import Rate, cost_of_usage, estimate, published_rates, token_range, tokens_of
from seedance.request import GenerationRequest, parse_request
from tests.contract.strategies import requests_for

ARK = DIALECTS["ark"]
BYTEPLUS = Ark().with_models({"standard": "dreamina-seedance-2-0-260128", "fast": "dreamina-seedance-2-0-fast-260128"})


def request(**fields: Any) -> GenerationRequest:
    return parse_request({"prompt": "a fox", "resolution": "720p", "ratio": "16:9", "duration": 5, **fields})


@pytest.mark.parametrize(
    ("size", "output_s", "input_s", "tokens"),
    [
        ((1280, 720), 5, 0, 108_900),
        ((1280, 720), 8, 5, 281_700),
        ((1920, 1080), 5, 0, 245_025),
        ((864, 496), 5, 0, 50_638.5),
    ],
)
def test_tokens_equal_published_usages(size: tuple[int, int], output_s: int, input_s: int, tokens: float) -> None:
    assert tokens_of(size, output_s, input_s) == tokens


@pytest.mark.parametrize(
    ("dialect", "fields", "cost", "currency"),
    [
        (ARK, {}, "5.0094", "CNY"),
        (BYTEPLUS, {}, "0.7623", "USD"),
        (ARK, {"tier": "fast"}, "4.0293", "CNY"),
        (BYTEPLUS, {"tier": "fast"}, "0.60984", "USD"),
        (ARK, {"resolution": "1080p"}, "12.496275", "CNY"),
        (BYTEPLUS, {"resolution": "1080p"}, "1.8866925", "USD"),
    ],
)
def test_five_seconds_cost_the_published_price(
    dialect: Dialect, fields: dict[str, Any], cost: str, currency: str
) -> None:
    found = estimate(request(**fields), dialect)
    assert found is not None
    assert (found.low, found.high, found.currency) == (Decimal(cost), Decimal(cost), currency)
    assert found.as_of == date(2026, 1, 28)


def test_a_video_input_has_its_own_price_and_a_range_of_lengths_if_unknown() -> None:
    edit = request(duration=8, reference_videos=["https://example.com/a.mp4"])
    known = estimate(edit, ARK, input_video_s=5)
    assert known is not None and known.tokens == (281_700, 281_700)
    assert known.low == known.high == Decimal("281700") * 28 / 1_000_000
    unknown = estimate(edit, ARK)
    assert unknown is not None and unknown.tokens == (tokens_of((1280, 720), 8, 2), tokens_of((1280, 720), 8, 15))


def test_three_reference_videos_share_fifteen_seconds() -> None:
    edit = request(reference_videos=["https://example.com/a.mp4"] * 3)
    assert token_range(edit, ARK) == (tokens_of((1280, 720), 5, 6), tokens_of((1280, 720), 5, 15))


def test_a_duration_and_ratio_that_the_model_chooses_give_a_range() -> None:
    automatic = token_range(request(duration=-1, ratio="adaptive"), ARK)
    assert automatic == (tokens_of((1280, 720), 4), tokens_of((834, 1112), 15))


def test_defaults_of_the_gateway_are_used() -> None:
    bare = parse_request({"prompt": "a fox"})
    assert token_range(bare, DIALECTS["evolink"]) == (108_900, 108_900)
    uniall = token_range(bare, DIALECTS["uniall"])
    assert uniall == (tokens_of((1280, 720), 5), tokens_of((1280, 720), 15))
    twelve = token_range(request(resolution=None), DIALECTS["12ai"])
    assert twelve == (50_638.5, 50_638.5)


def test_there_is_no_estimate_without_a_published_price() -> None:
    assert estimate(request(resolution="4k"), ARK) is None
    assert estimate(request(tier="mini"), ARK) is None
    for name in ("anyfast", "uniall", "12ai", "evolink"):
        assert estimate(request(), DIALECTS[name]) is None


def rate(**fields: Any) -> Rate:
    return Rate.model_validate({"price": "1", "per": "second", "currency": "CNY", "as_of": "2026-02-01", **fields})


def test_the_rates_of_an_account_win() -> None:
    own = [rate(gateway="ark", price="40", per="million_tokens")]
    found = estimate(request(), ARK, own)
    assert found is not None and found.low == Decimal("4.356")
    assert estimate(request(), BYTEPLUS, [rate(gateway="12ai")]) == estimate(request(), BYTEPLUS)


def test_rates_can_be_per_second_and_per_call() -> None:
    by_second = estimate(request(duration=8), DIALECTS["12ai"], [rate(gateway="12ai", price="0.5")])
    assert by_second is not None and by_second.low == by_second.high == Decimal(4)
    open_length = estimate(request(duration=None), DIALECTS["uniall"], [rate(gateway="uniall", price="0.5")])
    assert open_length is not None and (open_length.low, open_length.high) == (Decimal("2.5"), Decimal("7.5"))
    by_call = estimate(request(), DIALECTS["uniall"], [rate(gateway="uniall", per="call", price="3")])
    assert by_call is not None and by_call.low == by_call.high == Decimal(3)


def test_the_first_rate_whose_conditions_all_hold_applies() -> None:
    rates = [
        rate(gateway="evolink", options={"content_filter": False}, price="11", currency="credits"),
        rate(gateway="evolink", resolutions=["1080p"], price="20", currency="credits"),
        rate(gateway="evolink", models=["seedance-2.0-fast-text-to-video"], price="5", currency="credits"),
        rate(gateway="evolink", audio=False, price="8", currency="credits"),
        rate(gateway="evolink", price="10", currency="credits"),
    ]

    def price(**fields: Any) -> Decimal:
        found = estimate(request(duration=4, **fields), DIALECTS["evolink"], rates)
        assert found is not None
        return found.low / 4

    assert price() == 10
    assert price(gateway_options={"content_filter": False}) == 11
    assert price(gateway_options={"content_filter": True}) == 10
    assert price(resolution="1080p") == 20
    assert price(tier="fast") == 5
    assert price(audio=False) == 8
    assert price(audio=True) == 10


def test_a_reported_usage_gives_its_cost() -> None:
    found = cost_of_usage({"completion_tokens": 108_900, "total_tokens": 108_900}, request(), ARK)
    assert found is not None and (found.low, found.high) == (Decimal("5.0094"), Decimal("5.0094"))
    assert cost_of_usage({"credits_reserved": 50}, request(), ARK) is None
    assert cost_of_usage({"total_tokens": True}, request(), ARK) is None
    assert cost_of_usage({"total_tokens": 1}, request(), DIALECTS["12ai"]) is None


@pytest.mark.parametrize("fields", [{"price": "-1"}, {"per": "minute"}, {"currency": ""}, {"colour": "red"}])
def test_an_invalid_rate_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rate(gateway="ark", **fields)


def test_published_rates_are_for_models_that_exist() -> None:
    intl = ("dreamina-seedance-2-0-260128", "dreamina-seedance-2-0-fast-260128")
    known = {model for row in ARK.catalog.models.values() for model in row.models} | set(intl)
    assert all(set(found.models) <= known and found.gateway in DIALECTS for found in published_rates())


def test_pixels_have_about_the_area_of_their_resolution() -> None:
    for by_ratio in (by for name in bundled_models() for by in pixels_of(name).values()):
        wide, tall = by_ratio["16:9"], by_ratio["9:16"]
        assert wide == tall[::-1]
        for ratio, (width, height) in by_ratio.items():
            x, y = map(int, ratio.split(":"))
            assert width / height == pytest.approx(x / y, rel=0.03)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(data=st.data())
@settings(max_examples=60)
def test_an_estimate_is_a_range(dialect: Dialect, data: st.DataObject) -> None:
    drawn = data.draw(requests_for(dialect.capabilities()))
    if dialect.refusals(drawn):
        return
    tokens = token_range(drawn, dialect)
    assert tokens is None or 0 < tokens[0] <= tokens[1]
    found = estimate(drawn, dialect, [rate(gateway=dialect.name)])
    assert found is not None and 0 < found.low <= found.high

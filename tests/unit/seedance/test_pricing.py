"""Compare prices and estimates with published ones."""

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
from seedance.pricing import Estimate, Rate, cost_of_usage, estimate
from seedance.request import GenerationRequest, parse_request
from seedance.tokens import token_range
from tests.contract.strategies import requests_for

ARK = DIALECTS["ark"]
BYTEPLUS = Ark().with_models({}, base_url="https://ark.ap-southeast.bytepluses.com/api/v3")
RESELLER = Ark().with_models({}, base_url="https://api.reseller.example/seedance/api/v3")
VIDEO = ["https://example.com/a.mp4"]


def request(**fields: Any) -> GenerationRequest:
    return parse_request({"prompt": "a fox", "resolution": "720p", "ratio": "16:9", "duration": 5, **fields})


def priced(dialect: Dialect, **fields: Any) -> Estimate:
    found = estimate(request(**fields), dialect)
    assert found is not None
    return found


PRICES = [  # per million tokens: CNY and USD without a video, CNY and USD with one
    ("seedance-2.0", "480p", "46", "7.00", "28", "4.30"),
    ("seedance-2.0", "720p", "46", "7.00", "28", "4.30"),
    ("seedance-2.0", "1080p", "51", "7.70", "31", "4.70"),
    ("seedance-2.0", "4k", "26", "4.00", "16", "2.40"),
    ("seedance-2.0-fast", "720p", "37", "5.60", "22", "3.30"),
    ("seedance-2.0-mini", "720p", "23", "3.50", "14", "2.10"),
    ("seedance-2.5", "480p", "70", "10.70", "42", "6.40"),
    ("seedance-2.5", "720p", "70", "10.70", "42", "6.40"),
    ("seedance-2.5", "1080p", "77", "11.70", "46", "7.00"),
]


@pytest.mark.parametrize(("model", "resolution", *"abcd"), PRICES)
def test_every_list_price_is_as_published(model: str, resolution: str, a: str, b: str, c: str, d: str) -> None:
    for fields, yuan, dollars in (({}, a, b), ({"reference_videos": VIDEO, "ratio": "16:9"}, c, d)):
        found = priced(ARK, model=model, resolution=resolution, **fields)
        [other] = found.also
        assert found.tokens is not None
        for each, currency, price in ((found, "CNY", yuan), (other, "USD", dollars)):
            assert each.currency == currency
            assert (each.low, each.high) == tuple(Decimal(price) * count / 1_000_000 for count in found.tokens)
            assert not each.inferred


def test_a_platform_is_paid_in_its_currency_at_published_prices_and_a_reseller_is_not() -> None:
    at_ark, at_byteplus, resold = (priced(dialect) for dialect in (ARK, BYTEPLUS, RESELLER))
    assert (at_ark.low, at_ark.high, at_ark.currency, at_ark.basis) == (*[Decimal("5.0094")] * 2, "CNY", "published")
    assert (at_byteplus.low, at_byteplus.currency, at_byteplus.basis) == (Decimal("0.7623"), "USD", "published")
    assert [other.basis for other in (*at_ark.also, *at_byteplus.also)] == ["list", "list"]
    assert (resold.low, resold.currency, resold.basis) == (Decimal("5.0094"), "CNY", "list")
    by_its_name = Ark().with_models({"standard": "dreamina-seedance-2-0-260128"})
    assert priced(by_its_name).currency == "USD"


@pytest.mark.parametrize("name", sorted(set(DIALECTS) - {"ark"}))
def test_where_a_gateway_publishes_no_price_the_list_price_stands_in(name: str) -> None:
    dialect = DIALECTS[name]
    found = priced(dialect)
    assert found.basis == "list"
    assert {each.currency: each.high for each in (found, *found.also)} == {
        "CNY": Decimal("5.0094"),
        "USD": Decimal("0.7623"),
    }


@pytest.mark.parametrize(
    ("resolution", "dollars", "yuan"),
    [("480p", "0.690", "3.39059"), ("720p", "1.480", "7.623"), ("1080p", "3.695", "18.866925")],
)
def test_what_a_gateway_publishes_wins_in_its_currency(resolution: str, dollars: str, yuan: str) -> None:
    found = priced(DIALECTS["evolink"], model="seedance-2.5", resolution=resolution)
    assert (found.low, found.high, found.currency, found.basis) == (*[Decimal(dollars)] * 2, "USD", "published")
    assert [(other.high, other.currency, other.basis) for other in found.also] == [(Decimal(yuan), "CNY", "list")]


def test_what_is_not_published_of_4k_is_inferred_and_marked() -> None:
    found = priced(ARK, model="seedance-2.5", resolution="4k")
    assert found.tokens == (980_100, 980_100)
    assert [(each.currency, each.inferred) for each in (found, *found.also)] == [("CNY", True), ("USD", True)]
    assert found.as_dict()["inferred"] is found.as_dict()["also"]["USD"]["inferred"] is True
    assert estimate(request(model="seedance-2.5-flash"), BYTEPLUS) is None, "nothing is known of Flash"


def test_a_price_ends_by_itself() -> None:
    summer = {"price": "50.4", "per": "million_tokens", "from": "2026-08-01", "until": "2026-09-17", "gateway": "ark"}
    rates = [rate(**summer), rate(gateway="ark", price="70", per="million_tokens")]
    for month, number, price in ((7, 31, 70), (8, 1, 50.4), (9, 17, 50.4), (9, 18, 70)):
        day = date(2026, month, number)
        found = estimate(request(), ARK, rates, day=day)
        cost = cost_of_usage({"total_tokens": 1_000_000}, request(), ARK, rates, day=day)
        assert found is not None and cost is not None
        assert (float(found.low / Decimal(108_900) * 1_000_000), float(cost.low)) == (price, price)
    assert estimate(request(), ARK, rates[:1], day=date(2026, 10, 1)) == estimate(request(), ARK)


def test_an_account_may_have_rates_in_two_currencies() -> None:
    rates = [rate(gateway="ark", price="2", per="call"), rate(gateway="ark", price="1", per="call", currency="USD")]
    found = estimate(request(), ARK, [*rates, rate(gateway="ark", price="9", per="call")])
    assert found is not None
    assert [(each.low, each.currency, each.basis) for each in (found, *found.also)] == [
        (Decimal(2), "CNY", "own"),
        (Decimal(1), "USD", "own"),
    ]


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
    assert [(other.low, other.currency) for other in found.also] == [(Decimal("0.7623"), "USD")]
    assert cost_of_usage({"total_tokens": "108900"}, request(), ARK) == found, "some gateways report text"
    assert cost_of_usage({"credits_reserved": 50}, request(), ARK) is None
    assert cost_of_usage({"total_tokens": True}, request(), ARK) is None
    listed = cost_of_usage({"total_tokens": 1}, request(), DIALECTS["12ai"])
    assert listed is not None and listed.basis == "list"
    by_second = cost_of_usage({"total_tokens": 1}, request(model="seedance-2.5"), DIALECTS["evolink"])
    assert by_second is None, "it is billed by the second"


@pytest.mark.parametrize("fields", [{"price": "-1"}, {"per": "minute"}, {"currency": ""}, {"colour": "red"}])
def test_an_invalid_rate_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rate(gateway="ark", **fields)


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

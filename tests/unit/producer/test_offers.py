"""Which offers are found again, and for how long they are kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from producer.intake import offers
from producer.intake.intake import Row, prepare
from producer.intake.offers import KeptOffers, Offer
from seedance.pricing import today
from storage.settings import Settings

ACCOUNT = {"name": "main", "gateway": "ark", "api_key": "k"}
OTHER = {"name": "other", "gateway": "12ai", "api_key": "k"}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests for which an offer was found, and not known."""
    asked: list[Any] = []
    real: Callable[..., Offer] = offers._offer

    def count(*given: Any) -> Offer:
        asked.append(given[0])
        return real(*given)

    monkeypatch.setattr(offers, "_offer", count)
    return asked


def settings(*accounts: dict[str, Any]) -> Settings:
    return Settings.model_validate({"accounts": accounts or [ACCOUNT]})


def gateways(kept: KeptOffers, settings: Settings, tenant: str = "default", **fields: Any) -> list[str]:
    shared = kept.of(tenant, settings)
    [job] = prepare([Row("", {"prompt": "a fox", "duration": 5} | fields)], settings, None, shared).jobs
    return list(job.gateways)


def test_an_offer_is_found_once_for_one_kind_of_request(found: list[Any]) -> None:
    kept, known = KeptOffers(), settings()
    for number in range(3):
        assert gateways(kept, known, prompt=f"fox {number}", seed=number) == ["ark"]
    assert len(found) == 1
    gateways(kept, known, duration=6)
    assert len(found) == 2


def test_other_accounts_are_other_offers(found: list[Any]) -> None:
    kept = KeptOffers()
    assert gateways(kept, settings()) == ["ark"]
    assert gateways(kept, settings(OTHER)) == ["12ai"]
    assert gateways(kept, settings()) == ["ark"]
    assert len(found) == 3


def test_each_tenant_has_its_own(found: list[Any]) -> None:
    kept, one, two = KeptOffers(), settings(), settings(OTHER)
    for _ in range(2):
        assert gateways(kept, one) == ["ark"]
        assert gateways(kept, two, "shoes") == ["12ai"]
    assert len(found) == 2


def test_another_day_may_have_other_prices(found: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    kept, known = KeptOffers(), settings()
    tomorrow: date = today() + timedelta(days=1)
    gateways(kept, known)
    monkeypatch.setattr(offers, "today", lambda: tomorrow)
    gateways(kept, known)
    assert len(found) == 2


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offers, "MAX_OFFERS", 3)
    monkeypatch.setattr(offers, "MAX_TENANTS", 2)
    kept, known = KeptOffers(), settings()
    sizes = []
    for number in range(8):
        gateways(kept, known, duration=4 + number)
        sizes.append(len(kept.of("default", known)._known))
    assert max(sizes) <= 3
    for tenant in "abc":
        gateways(kept, known, tenant)
    assert len(kept._of) <= 2

"""Which tenant may use which account: no job runs on another tenant's money."""

from __future__ import annotations

from typing import Any

import pytest

from producer.intake.job_spec import parse_job
from producer.intake.quotes import estimates
from producer.intake.routing import fits
from seedance.account import Account
from seedance.problems import InvalidInput
from storage.admission.obstacles import Obstacles, able_accounts
from storage.configuration.account_book import AccountBook
from storage.settings import Settings


def account(name: str, *tenants: str) -> dict[str, Any]:
    return {"name": name, "gateway": "anyfast", "api_key": f"sk-{name}"} | ({"tenants": tenants} if tenants else {})


def settings(*accounts: dict[str, Any]) -> Settings:
    return Settings.model_validate({"accounts": accounts})


def stored(given: dict[str, Any], key_id: int = 1) -> Account:
    return Account.model_validate(given).with_key_id(key_id)


def used(found: Settings, tenant: str) -> list[str]:
    return [account.name for account in found.for_tenant(tenant).accounts]


@pytest.mark.parametrize(
    ("accounts", "acme", "beta", "default"),
    [
        ([account("a"), account("b")], ["a", "b"], ["a", "b"], ["a", "b"]),
        ([account("shared"), account("own", "acme")], ["own"], ["shared"], ["shared"]),
        ([account("shared", "*"), account("own", "acme")], ["own"], ["shared"], ["shared"]),
        ([account("shared", "*", "acme"), account("own", "acme")], ["shared", "own"], ["shared"], ["shared"]),
        ([account("both", "acme", "beta")], ["both"], ["both"], []),
        ([account("one", "acme"), account("two", "beta")], ["one"], ["two"], []),
    ],
)
def test_a_tenant_with_an_account_of_its_own_uses_no_other(
    accounts: list[dict[str, Any]], acme: list[str], beta: list[str], default: list[str]
) -> None:
    found = settings(*accounts)
    assert [used(found, tenant) for tenant in ("acme", "beta", "default")] == [acme, beta, default]
    for tenant in ("acme", "beta", "default"):
        assert [a.name for a in found.accounts if tenant in found.serves(a)] == used(found, tenant)
        view = found.for_tenant(tenant)
        assert [used(view, other) for other in ("acme", "beta")] == [acme, beta], "a view of a view is the tenant's"
        assert view.whole is found and found.whole is found


def test_a_tenant_whose_account_cannot_be_used_does_not_fall_back_on_a_shared_one() -> None:
    unusable = {"own": "no master key", "all": "no master key"}
    book = AccountBook(
        version=3, unusable=unusable, unusable_tenants={"own": ("acme",), "all": None}, tenants=frozenset({"acme"})
    )
    found = settings(account("shared")).with_book(book)
    assert (used(found, "acme"), used(found, "beta")) == ([], ["shared"])
    assert found.for_tenant("acme").unusable_accounts.keys() == {"own"}
    assert found.for_tenant("beta").unusable_accounts.keys() == {"all"}
    assert found.unusable_accounts.keys() == {"own", "all"}


def test_an_account_of_the_configuration_hides_one_of_the_database() -> None:
    mine, theirs = stored(account("main"), 7), stored(account("other"), 8)
    book = AccountBook(version=1, accounts=(mine, theirs), by_key={7: mine, 8: theirs, 6: stored(account("other"), 6)})
    found = settings(account("main")).with_book(book)
    assert [(a.name, a.key_id) for a in found.accounts] == [("main", None), ("other", 8)]
    task = found.account_with_key("main", 7)
    assert task is not None and task.key_id == 7, "a task keeps its key"
    for key_id, expected in ((6, 6), (8, 8), (99, 8), (None, 8), (7, 8)):
        got = found.account_with_key("other", key_id)
        assert got is not None and got.key_id == expected
    assert [a.key_id for a in found.accounts_named("other")] == [8, 6]


def test_a_changed_copy_keeps_no_older_view() -> None:
    found = settings(account("shared"), account("own", "acme"))
    assert found.for_tenant("acme").lease_seconds == 90
    assert found.model_copy(update={"lease_seconds": 60.0}).for_tenant("acme").lease_seconds == 60
    only = found.model_copy(update={"accounts": found.accounts[:1]})
    assert used(only, "acme") == ["shared"]


def test_another_tenants_account_is_answered_as_one_that_does_not_exist() -> None:
    view = settings(account("shared"), account("secret", "acme")).for_tenant("beta")
    spec = parse_job({"prompt": "a"})

    def refusal(name: str) -> str:
        with pytest.raises(InvalidInput) as caught:
            fits(spec, view, name)
        return str(caught.value).replace(name, "NAME")

    assert refusal("secret") == refusal("unknown")
    assert "secret" not in refusal("unknown")
    assert [row["account"] for row in estimates({"prompt": "a"}, view)["accounts"]] == ["shared"]
    for field in ("secret", "unknown"):
        with pytest.raises(InvalidInput):
            estimates({"prompt": "a", "account": field}, view)
    lane = "standard:720p"
    assert [a.name for a in able_accounts(view, None, ["anyfast"], lane)] == ["shared"]
    assert Obstacles(view, frozenset()).of("secret", ["anyfast"], lane) == "account_missing"
    assert Obstacles(view, frozenset()).of("unknown", ["anyfast"], lane) == "account_missing"


@pytest.mark.parametrize("tenants", [[], ["Acme"], ["a b"], ["acme", ""]])
def test_wrong_tenants_are_refused(tenants: list[str]) -> None:
    with pytest.raises(ValueError, match="tenants"):
        settings(account("a") | {"tenants": tenants})

"""Faults of accounts and gateways: what the database knows of them, and what one free call with the key shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import web

from producer.cli.setup.doctor import checks_of
from producer.health.findings import Level
from simulator.main import SimulatorOptions, running
from storage.accounts.changes import add_account
from storage.admission.circuit_breaker import Cause
from storage.database import connect
from storage.sealing import new_master_key
from storage.settings import Settings
from tests.claiming import close_account
from tests.contract.clients import account_url
from tests.integration.health.diagnosis import assert_found, assert_well, diagnose
from tests.store_door import Door

KEY = "sk-of-the-rehearsal"


def with_accounts(settings: Settings, *accounts: dict[str, Any], **more: Any) -> Settings:
    given = [{"gateway": "ark", "api_key": KEY, "base_url": "http://127.0.0.1:1/api/v3"} | one for one in accounts]
    return Settings.model_validate(settings.model_dump() | {"accounts": given} | more)


def test_no_account_and_an_account_without_a_key(settings: Settings) -> None:
    assert_found(diagnose(settings, "database"), "no_accounts", "none is configured")
    found = diagnose(with_accounts(settings, {"name": "a", "api_key": None, "api_key_env": "NOT_SET_KEY"}), "accounts")
    assert_found(found, "account_without_key", "NOT_SET_KEY")


@pytest.mark.parametrize(
    ("cause", "code", "advice"),
    [
        (Cause.ACCOUNT, "account_suspended", "top up the account or replace its key"),
        (Cause.ROUTE, "account_misrouted", "correct its base_url"),
        (Cause.OUTAGE, "account_outage", "status page"),
    ],
)
def test_an_account_that_the_database_knows_to_be_closed(
    settings: Settings, cause: Cause, code: str, advice: str
) -> None:
    ours = with_accounts(settings, {"name": "main"}, {"name": "spare"})
    with connect(ours.require_database_url()) as conn:
        close_account(conn, "main", cause, "insufficient balance")
    found = diagnose(ours, "database")
    finding = assert_found(found, code, advice, "insufficient balance", "`reelq accounts resume main`", " UTC")
    assert finding.part == "account main" and not [one for one in found if "spare" in one.message]


def test_a_paused_account_and_a_closed_model(settings: Settings) -> None:
    ours = with_accounts(settings, {"name": "main"}, {"name": "other"})
    with connect(ours.require_database_url()) as conn:
        close_account(conn, "other", Cause.MODEL, "ModelNotOpen", model="doubao-seedance-2-0-260128")
        conn.execute("INSERT INTO account_states (name, paused_at) VALUES ('main', now())")
    found = diagnose(ours, "database")
    assert_found(found, "account_paused", "main is paused", "`reelq accounts resume main`", level=Level.WARN)
    assert_found(found, "model_closed", "doubao-seedance-2-0-260128 of other", "ModelNotOpen", level=Level.WARN)


def test_stored_accounts_that_cannot_be_used(settings: Settings) -> None:
    ours = with_accounts(settings, master_key=new_master_key())
    fields = {"gateway": "ark", "base_url": "http://127.0.0.1:1/api/v3"}
    with connect(ours.require_database_url()) as conn:
        for name in ("one", "two"):
            add_account(conn, ours, name, fields, {"api_key": KEY})
        conn.execute("""UPDATE accounts SET settings = settings || '{"max_in_flight": -1}' WHERE name = 'two'""")
    assert_found(diagnose(ours, "database"), "account_unusable", "max_in_flight")
    hidden = with_accounts(ours, {"name": "one"})
    assert_found(diagnose(hidden, "database"), "account_hidden", "remove one of the two")
    sealed = diagnose(ours.model_copy(update={"master_key": None}), "database")
    assert_found(sealed, "account_sealed", "set REELQ_MASTER_KEY")


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, time="fixed", api_keys=frozenset({KEY}))) as url:
        yield account_url(url, "ark")


def test_a_key_that_works_and_one_that_is_refused(settings: Settings, gateway: str) -> None:
    ours = with_accounts(settings, {"name": "good", "base_url": gateway})
    assert_well(diagnose(ours, "accounts", gateways=True), "gateway good")
    ours = with_accounts(settings, {"name": "bad", "base_url": gateway, "api_key": "sk-wrong-word"})
    found = diagnose(ours, "accounts", gateways=True)
    assert_found(found, "gateway_key", "refuses the key", "`reelq accounts rekey bad`")
    assert not [one for one in diagnose(ours, "accounts") if one.part == "gateway bad"], "--no-gateways"


def test_no_gateway_is_asked_before_there_is_a_database(settings: Settings, gateway: str) -> None:
    ours = with_accounts(settings, {"name": "a", "base_url": gateway}, database_url=None)
    found = diagnose(ours, "accounts", gateways=True)
    assert_found(found, "gateway_not_asked", "no database is set", level=Level.SKIPPED)


def test_a_gateway_that_cannot_be_reached(settings: Settings, gateway: str, closed_port: int) -> None:
    ours = with_accounts(settings, {"name": "a", "base_url": f"http://127.0.0.1:{closed_port}/api/v3"})
    found = diagnose(ours, "accounts", gateways=True)
    assert_found(found, "gateway_unreachable", "cannot be reached directly", "check base_url, DNS, proxy")
    proxied = with_accounts(
        settings,
        {"name": "a", "base_url": "http://gateway.case.test"},
        proxy=f"http://me:hidden-word@127.0.0.1:{closed_port}",
    )
    found = diagnose(proxied, "accounts", gateways=True)
    finding = assert_found(found, "gateway_unreachable", f"through the proxy http://127.0.0.1:{closed_port}")
    assert "hidden-word" not in finding.message


class _Other(Door):
    answer: Callable[[], web.Response]

    async def serve(self, _request: web.Request) -> web.StreamResponse:
        return self.answer()


def a_page(status: int) -> Callable[[], web.Response]:
    return lambda: web.Response(status=status, text="<html>a shop</html>", content_type="text/html")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (a_page(404), "gateway_elsewhere"),
        (a_page(200), "gateway_elsewhere"),
        (lambda: web.Response(status=503, text="{}"), "gateway_fails"),
    ],
)
def test_another_program_at_the_address_of_a_gateway(
    settings: Settings, answer: Callable[[], web.Response], code: str
) -> None:
    door = _Other("")
    door.answer = answer
    with door.running() as url:
        found = diagnose(with_accounts(settings, {"name": "a", "base_url": url}), "accounts", gateways=True)
    assert_found(found, code, level=Level.WARN)


def test_every_gateway_is_asked_at_the_same_time_and_starts_nothing(settings: Settings, gateway: str) -> None:
    ours = with_accounts(settings, *({"name": f"a{number}", "base_url": gateway} for number in range(3)))
    found = [*checks_of(ours, Path("/nowhere"), gateways=True)["accounts"]()]
    assert [one.level for one in found if one.part.startswith("gateway ")] == [Level.OK] * 3
    with psycopg.connect(ours.require_database_url()) as conn:
        assert conn.execute("SELECT count(*) FROM attempts").fetchone() == (0,)
    assert KEY not in json.dumps([one.message for one in found])

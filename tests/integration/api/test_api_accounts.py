"""Accounts over HTTP, for two tenants and an operator: another tenant's account does not exist, and no key is shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from producer.client import Producer
from storage.actors import acting
from storage.database import connect
from storage.decisions import list_decisions
from storage.sealing import new_master_key
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving, with_account

KEY, LATER_KEY, TOKEN = "sk-very-secret-one", "sk-very-secret-two", "token-very-secret"
ACME = {"name": "acme.main", "gateway": "anyfast", "api_key": KEY}


@dataclass(frozen=True)
class Door:
    """The API as one key sees it. `seen`: every answer so far."""

    http: httpx.Client
    key: str
    seen: list[str]

    def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = self.http.request(method, path, json=body, headers=headers)
        self.seen.append(answer.text + str(dict(answer.headers)))
        return answer


@dataclass(frozen=True)
class Doors:
    operator: Door
    acme: Door
    beta: Door
    settings: Settings
    seen: list[str]


@pytest.fixture
def doors(settings: Settings) -> Iterator[Doors]:
    configured = with_account(settings).model_copy(update={"master_key": None})
    configured = Settings.model_validate(
        configured.model_dump() | {"master_key": new_master_key(), "accounts": configured.accounts}
    )
    with connect(settings.require_database_url()) as conn:
        made = {
            tenant: keys.new_key(conn, tenant, "k", ["admin", "read", "enqueue"])[0]
            for tenant in ("default", "acme", "beta")
        }
    seen: list[str] = []
    with serving(configured) as http:
        yield Doors(
            Door(http, made["default"], seen),
            Door(http, made["acme"], seen),
            Door(http, made["beta"], seen),
            configured,
            seen,
        )


def names(door: Door) -> list[str]:
    return [row["name"] for row in door("GET", "/v1/accounts").json()["accounts"]]


def test_an_admin_learns_nothing_about_a_tenant_whose_name_begins_with_its_own(doors: Doors) -> None:
    theirs = ACME | {"name": "acme.eu.main", "tenants": ["acme.eu"]}
    assert doors.operator("POST", "/v1/accounts", theirs).status_code == 201
    own = {name: value for name, value in theirs.items() if name != "tenants"}
    known, unknown = (doors.acme("POST", "/v1/accounts", own | {"name": f"acme.eu.{name}"}) for name in ("main", "x"))
    assert known.status_code == unknown.status_code == 422
    assert known.json()["errors"] == unknown.json()["errors"]


def test_an_admin_manages_only_the_accounts_of_its_tenant(doors: Doors) -> None:
    acme, beta, operator = doors.acme, doors.beta, doors.operator
    made = acme("POST", "/v1/accounts", ACME)
    assert made.status_code == 201, made.text
    assert (made.json()["tenants"], made.json()["kept_in"], made.json()["state"]) == (["acme"], "database", "ok")
    assert (names(acme), names(beta), names(operator)) == (["acme.main"], [], ["main", "acme.main"])
    assert operator("POST", "/v1/accounts", ACME | {"name": "b", "tenants": ["beta"]}).status_code == 201
    assert names(beta) == ["b"], "an operator gave it to them"
    for name in ("main", "acme.main", "unknown"):
        answers = [
            beta("GET", f"/v1/accounts/{name}"),
            beta("PATCH", f"/v1/accounts/{name}", {"max_in_flight": 1}),
            beta("POST", f"/v1/accounts/{name}/rekey", {"api_key": LATER_KEY}),
            beta("POST", f"/v1/accounts/{name}/pause"),
            beta("POST", f"/v1/accounts/{name}/resume"),
            beta("DELETE", f"/v1/accounts/{name}"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 6
        details = {answer.json()["detail"].replace(name, "NAME") for answer in answers}
        assert details == {"account: there is no account 'NAME'"}
    assert operator("GET", "/v1/accounts/acme.main").json()["max_in_flight"] == 10
    with connect(doors.settings.require_database_url()) as conn:
        scopes = keys.new_key(conn, "acme", "reader", ["read", "enqueue"])[0]
    reader = Door(doors.operator.http, scopes, doors.seen)
    assert [reader("GET", "/v1/accounts").status_code, reader("POST", "/v1/accounts", ACME).status_code] == [403, 403]


BEYOND: list[tuple[dict[str, Any], str]] = [
    ({"name": "main"}, "name"),
    ({"name": "beta.x"}, "name"),
    ({"base_url": "http://127.0.0.1:1"}, "base_url"),
    ({"tenants": ["beta"]}, "tenants"),
    ({"models": {"fast": "x"}}, "models"),
    ({"api_key_env": "REELQ_DATABASE_URL"}, "api_key_env"),
    ({"api_key": KEY + "\n"}, "api_key"),
    ({"api_key": 7}, "api_key"),
    ({"gateway": "nowhere"}, "gateway"),
    ({"max_in_flight": 0}, "max_in_flight"),
    ({"user_token": TOKEN}, "user_token"),
]


def test_a_tenant_s_admin_cannot_reach_further(doors: Doors) -> None:
    for changes, field in BEYOND:
        answer = doors.acme("POST", "/v1/accounts", ACME | changes)
        assert answer.status_code == 422, changes
        assert field in answer.text and KEY not in answer.text and TOKEN not in answer.text
    assert names(doors.operator) == ["main"]


def test_a_job_that_names_another_tenant_s_account_names_none(doors: Doors) -> None:
    acme, beta = doors.acme, doors.beta
    assert acme("POST", "/v1/accounts", ACME).status_code == 201
    for path in ("/v1/jobs", "/v1/estimate"):
        answers = [beta("POST", path, {"prompt": "a", "account": name}) for name in ("acme.main", "unknown")]
        assert [answer.status_code for answer in answers] == [422, 422]
        first, second = (answer.json()["detail"] for answer in answers)
        assert first.replace("acme.main", "NAME") == second.replace("unknown", "NAME")
    for tenant, expected in ((acme, ["acme.main"]), (beta, ["main"]), (doors.operator, ["main"])):
        found = tenant("GET", "/v1/capabilities").json()["accounts"]
        assert [row["name"] for row in found] == expected
        estimate = tenant("POST", "/v1/estimate", {"prompt": "a"}).json()
        assert [row["account"] for row in estimate["accounts"]] == expected
        video = tenant("POST", "/v1/videos", {"prompt": "a"})
        assert video.status_code == 200, video.text
    assert acme("POST", "/v1/jobs", {"prompt": "a", "account": "acme.main"}).status_code == 202
    assert acme("POST", "/v1/jobs", {"prompt": "a", "account": "main"}).status_code == 422
    plan = acme.http.post(
        "/v1/campaigns/plan",
        content=b'{"prompt": "x"}\n{"prompt": "y", "account": "main"}\n',
        headers={"Authorization": f"Bearer {acme.key}", "Content-Type": "application/x-ndjson"},
    ).json()
    assert (plan["good"], [row["row"] for row in plan["bad"]]) == (1, [2])


def test_no_answer_log_event_or_row_shows_a_key(doors: Doors, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    acme, operator = doors.acme, doors.operator
    own = ACME | {"name": "op", "gateway": "12ai", "webhook_secret": TOKEN}
    for door, path, body in (
        (acme, "/v1/accounts", ACME),
        (acme, "/v1/accounts", ACME),
        (operator, "/v1/accounts", own),
        (acme, "/v1/accounts/acme.main/rekey", {"api_key": LATER_KEY}),
        (acme, "/v1/accounts/acme.main/rekey", {"api_key": LATER_KEY, "user_token": TOKEN}),
        (acme, "/v1/accounts/acme.main/rekey", {"api_key": [LATER_KEY]}),
        (acme, "/v1/accounts/acme.main/pause", None),
        (acme, "/v1/accounts/acme.main/resume", None),
    ):
        door("POST", path, body)
    acme("PATCH", "/v1/accounts/acme.main", {"max_in_flight": 3, "requests_per_minute": 9})
    for path in ("/v1/accounts", "/v1/accounts/acme.main", "/v1/capabilities", "/metrics", "/accounts", "/"):
        operator("GET", path)
    with connect(doors.settings.require_database_url()) as conn:
        tables = [row[0] for row in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")]
        stored = "".join(str(conn.execute(f'SELECT t::text FROM "{name}" t').fetchall()) for name in tables)
        decided = [item.what for item in list_decisions(conn, "acme", "account:acme.main")]
        actors = {item.actor for item in list_decisions(conn, "acme", "account:acme.main")}
    assert decided == [f"account.{what}" for what in ("changed", "resumed", "paused", "rekeyed", "added")]
    assert all(actor is not None and actor.startswith("key ") for actor in actors), actors
    said = "\n".join([*doors.seen, caplog.text, stored, repr(doors.settings)])
    assert "acme.main" in said
    for secret in (KEY, LATER_KEY, TOKEN, "sk-secret-of-main"):
        assert secret not in said
    assert acme("DELETE", "/v1/accounts/acme.main").status_code == 204
    assert names(acme) == []


def test_a_producer_and_the_server_notice_without_a_restart(doors: Doors) -> None:
    with Producer(doors.settings, tenant="acme") as producer, acting("test"):
        assert [account.name for account in producer.settings.accounts] == ["main"]
        doors.acme("POST", "/v1/accounts", ACME)
        doors.acme("POST", "/v1/accounts/acme.main/pause")
        assert doors.acme("GET", "/v1/accounts/acme.main").json()["state"] == "paused"
        producer.live._checked_at = float("-inf")  # as seconds later
        assert [account.name for account in producer.settings.accounts] == ["acme.main"]
        job = producer.enqueue("a cat")
    answer = doors.acme("GET", f"/jobs/{job.id}")
    assert "acme.main is paused" in answer.text

"""Accounts, keys, webhooks and uploads from elsewhere, with two tenants: the same output as at the server."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from producer import Producer
from producer.operator_actions.tenants import create_key
from storage.jobs.states import JobState
from storage.sealing import new_master_key
from storage.settings import Settings
from tests.integration.api.api_server import bring, serving, with_account
from tests.integration.client.elsewhere import Run, both

Away = dict[str, str]


@pytest.fixture
def acme(api: httpx.Client, producer: Producer) -> Away:
    with producer.database.begin() as conn:
        key, _ = create_key(conn, "acme", "laptop", ["admin"], None)
    return {"REELQ_API_URL": str(api.base_url), "REELQ_API_KEY": key}


def test_keys_are_made_rotated_given_a_purse_and_revoked(run: Run, away: Away, acme: Away) -> None:
    code, out, err = run("keys", "create", "--name", "shop", "--scope", "read", "--json", **away)
    assert code == 0, err
    made = json.loads(out)
    assert (made["tenant"], made["scopes"]) == ("default", ["read"]) and made["key"].startswith("rq_")
    for arguments in (
        ("keys", "list", "--tenant", "default"),
        ("keys", "purse", made["id"]),
        ("keys", "purse", made["id"], "20 USD"),
        ("keys", "purse", made["key"], "--json"),
        ("keys", "purse", made["id"], "20"),
        ("keys", "purse", "nothing"),
        ("keys", "revoke", "nothing"),
    ):
        both(run, away, *arguments)
    code, _, err = run("keys", "create", "--name", "x", "--scope", "write", **away)
    assert code == 2 and "'admin'" in err
    assert run("keys", "purse", made["id"], **away)[1] == f"key {made['id']}: 20 USD, used 0.00, left 20.00\n"
    rotated = json.loads(run("keys", "rotate", made["key"], "--overlap-hours", "1", "--json", **away)[1])
    assert rotated["name"] == "shop" and rotated["id"] != made["id"]
    assert run("keys", "revoke", rotated["key"], **away)[:2] == (0, f"{rotated['id']} is revoked\n")
    # Another tenant's admin sees and changes none of them.
    listed = json.loads(run("keys", "list", "--json", **acme)[1])
    assert {key["tenant"] for key in listed} == {"acme"}
    code, _, err = run("keys", "revoke", made["id"], **acme)
    assert code == 2 and "no key" in err
    assert run("keys", "list", "--tenant", "default", **acme)[0] == 2


def test_webhooks_are_managed(run: Run, away: Away, acme: Away, producer: Producer) -> None:
    code, out, err = run("webhooks", "add", "https://shop.example/hook", "--event", "job.failed", "--json", **away)
    assert code == 0, err
    made = json.loads(out)
    assert made["events"] == ["job.failed"] and made["secret"].startswith("whsec_")
    job = producer.enqueue("a fox", webhook_url="https://shop.example/own")
    bring(producer, str(job.id), JobState.FAILED)
    for arguments in (
        ("webhooks", "list"),
        ("webhooks", "list", "--json"),
        ("webhooks", "list", "--state", "pending", "--job", str(job.id)[:13], "--json"),
        ("webhooks", "list", "--endpoint", made["id"][:18]),
        ("webhooks", "list", "--state", "lost"),
        ("webhooks", "secret"),
        ("webhooks", "add", "https://shop.example/hook"),
        ("webhooks", "replay", "msg_0"),
        ("webhooks", "remove", "zz"),
        ("webhooks", "disable", made["id"]),
        ("webhooks", "enable", made["id"]),
    ):
        both(run, away, *arguments)
    assert run("webhooks", "rotate", made["id"], **away)[1].startswith("whsec_")
    assert run("webhooks", "replay", "--dead", **away)[:2] == (0, "1 message will be sent again\n")
    assert json.loads(run("webhooks", "list", "--json", **acme)[1]) == {"endpoints": [], "messages": []}
    assert run("webhooks", "remove", made["id"], **acme)[0] == 2
    assert run("webhooks", "remove", made["id"], **away)[:2] == (0, f"{made['id']} is removed\n")


def test_accounts_are_managed_while_everything_runs(
    run: Run, settings: Settings, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = Settings.model_validate(with_account(settings).model_dump() | {"master_key": new_master_key()})
    keys = {}
    with producer.database.begin() as conn:
        for tenant in ("default", "acme"):
            keys[tenant], _ = create_key(conn, tenant, "laptop", ["admin"], None)
    with serving(configured) as api:
        away, acme = (
            {"REELQ_API_URL": str(api.base_url), "REELQ_API_KEY": keys[tenant]} for tenant in ("default", "acme")
        )
        add = ("accounts", "add", "second", "--gateway", "ark", "--key-env", "SECOND_KEY")
        monkeypatch.setenv("SECOND_KEY", "sk-second")
        code, out, err = run(*add, "--max-in-flight", "3", "--field", "callbacks=true", **away)
        assert (code, out) == (0, "second is added; it takes jobs within seconds\n"), err
        assert "sk-second" not in out + err
        assert run("accounts", "set", "second", "--max-in-flight", "5", **away)[:2] == (0, "second is changed\n")
        assert run("accounts", "pause", "second", **away)[0] == 0
        listed = {row["name"]: row for row in json.loads(run("accounts", "list", "--json", **away)[1])}
        assert (listed["second"]["max_in_flight"], listed["second"]["state"]) == (5, "paused")
        assert run("accounts", "resume", "second", **away)[:2] == (0, "second is resumed\n")
        assert run("accounts", "rekey", "second", "--key-env", "SECOND_KEY", "--revoked", **away)[0] == 0
        code, _, err = run("accounts", "set", "second", "--field", "nonsense=1", **away)
        assert code == 2 and "nonsense" in err
        # An admin of another tenant neither sees nor changes it.
        assert json.loads(run("accounts", "list", "--json", **acme)[1]) == []
        for arguments in (("pause", "second"), ("set", "second", "--max-in-flight", "1"), ("remove", "second")):
            code, _, err = run("accounts", *arguments, **acme)
            assert code == 2 and "second" in err, arguments
        assert run("accounts", "remove", "second", "--to-shared", **away)[0] == 2
        assert run("accounts", "remove", "second", **away)[:2] == (0, "second is removed\n")


def test_a_stored_login_names_what_works_at_the_server_only(
    run: Run, away: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = tmp_path / "login.json"
    login.write_text(json.dumps({"url": away["REELQ_API_URL"], "key": away["REELQ_API_KEY"]}))
    for arguments in (("db", "upgrade"), ("accounts", "reencrypt"), ("tenants", "set", "acme")):
        code, out, err = run(*arguments, REELQ_LOGIN_FILE=str(login))
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert f"`reelq {' '.join(arguments[:2])}` works only where the server's configuration is" in err
    # A directory that is named wins, and is the only thing that is wrong then.
    code, _, err = run("jobs", "list", "--data-dir", str(tmp_path / "none"), REELQ_LOGIN_FILE=str(login))
    assert code == 2 and "database" in err


@pytest.mark.parametrize("command", ["up", "demo", "simulator", "bench"])
def test_parts_of_the_system_run_here_in_any_case(run: Run, away: Away, command: str) -> None:
    code, _, err = run(command, "--help", **away)
    assert (code, "works only where" in err) == (0, False)

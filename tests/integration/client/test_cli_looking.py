"""Models, explanations, assets and tenants from elsewhere: the same as at the server."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from producer import Producer
from producer.operator_actions.tenants import create_key
from storage.uploads.tenant_assets import unknown_assets
from tests.integration.client.elsewhere import Run, both

Away = dict[str, str]


@pytest.fixture
def acme(api: httpx.Client, producer: Producer) -> Away:
    with producer.database.begin() as conn:
        key, _ = create_key(conn, "acme", "laptop", ["read", "admin"], None)
    return {"REELQ_API_URL": str(api.base_url), "REELQ_API_KEY": key}


def test_models_are_the_same(run: Run, away: Away) -> None:
    for arguments in (
        ("list",),
        ("list", "--json"),
        ("list", "--account", "main"),
        ("list", "--account", "other"),
        ("show", "seedance-2.0"),
        ("show", "fast", "--json"),
        ("show", "seedance-9"),
    ):
        both(run, away, "models", *arguments)
    code, _, err = run("models", "list", "--tenant", "acme", **away)
    assert code == 2 and "the key decides" in err


def test_explanations_are_the_same(run: Run, away: Away, tmp_path: Path) -> None:
    sheet = tmp_path / "lamps.csv"
    sheet.write_text("名称,prompt,duration\nx,a lamp,5\ny,a lamp,99\nz,,5\n", encoding="utf-8")
    for arguments in (
        ("a red fox",),
        ("a red fox", '{"prompt": "a hare", "duration": 5, "resolution": "4k"}', "--account", "main"),
        ('{"prompt": "a hare", "lenght": 5}',),
        ('{"prompt": "a hare",',),
        (sheet, "--map", "名称=metadata.name"),
        (sheet, "a hare"),
        (tmp_path / "none.csv",),
        ("a red fox", "--account", "other"),
    ):
        code, _ = both(run, away, "explain", *arguments)
        local, remote = (run("explain", *arguments, "--json", **how) for how in ({"here": True}, away))
        assert remote[0] == local[0] == code
        assert remote[1:] == local[1:] or json.loads(remote[1]) == json.loads(local[1])


def test_a_key_sees_its_own_tenant(run: Run, away: Away, acme: Away, producer: Producer) -> None:
    assert run("tenants", "set", "acme", "--weight", "3", "--budget", "20 USD", here=True)[0] == 0
    code, out, err = run("tenants", "list", **acme)
    assert (code, out) == (
        0,
        "NAME  WEIGHT  JOBS PER MINUTE  BUDGET\nacme  3       -                USD 20.00 · spent USD 0.00\n",
    )
    assert err.startswith("only acme, the tenant of this key, is shown")
    listed = json.loads(run("tenants", "list", "--json", here=True)[1])
    assert json.loads(run("tenants", "list", "--json", **acme)[1]) == [
        item for item in listed if item["name"] == "acme"
    ]
    assert json.loads(run("tenants", "list", "--json", **away)[1])[0]["name"] == "default"
    code, _, err = run("tenants", "set", "acme", "--weight", "9", **acme)
    assert code == 2 and "`reelq tenants set` works only where the server's configuration is" in err


def test_assets_are_listed_and_belong_to_accounts_that_the_key_manages(
    run: Run, away: Away, acme: Away, producer: Producer
) -> None:
    with producer.database.begin() as conn:
        for account, name in (("main", "a" * 64), ("acme.own", "b" * 64), ("gone", "c" * 64)):
            conn.execute(
                "INSERT INTO assets (account, sha256, modality, name, asset_id, status)"
                " VALUES (%s, %s, 'image', 'x', %s, 'active')",
                [account, name, f"asset-{account}"],
            )
    both(run, away, "assets", "list")
    for arguments in (("--account", "main"), ()):
        local, remote = (
            json.loads(run("assets", "list", *arguments, "--json", **how)[1]) for how in ({"here": True}, away)
        )
        ages = [item.pop("age_s") for item in [*local, *remote]]
        assert remote == local and all(age >= 0 for age in ages)
    assert len(remote) == 3
    assert json.loads(run("assets", "list", "--json", **acme)[1]) == [], "shared accounts are the operator's"
    both(run, away, "assets", "list", "--remote")
    both(run, away, "assets", "list", "--uploads")
    both(run, away, "assets", "upload", "none.png")
    with producer.database.begin() as conn:
        assert unknown_assets(conn, "acme", ["asset://asset-main"])

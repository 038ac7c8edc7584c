"""Assets from elsewhere: each file is billed once, and belongs to the accounts that a key manages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx
import pytest

from producer import Producer
from producer.operator_actions.tenants import create_key
from seedance.problems import InvalidInput
from simulator.main import SimulatorOptions, running
from storage.settings import Settings
from tests.integration.client.elsewhere import Run
from tests.media_files import picture

Away = dict[str, str]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, asset_seconds=1, median_seconds=60)) as url:
        yield url


@pytest.fixture
def configured(settings: Settings, gateway: str) -> Settings:
    """An account for all tenants, and one of the tenant acme."""
    shared = {"name": "main", "gateway": "anyfast", "api_key": "sk-test", "base_url": f"{gateway}/anyfast"}
    accounts = [shared, shared | {"name": "acme.own", "api_key": "sk-acme", "tenants": ["acme"]}]
    return Settings.model_validate(settings.model_dump() | {"accounts": accounts})


def of_tenant(api: httpx.Client, producer: Producer, tenant: str, *scopes: str) -> Away:
    with producer.database.begin() as conn:
        key, _ = create_key(conn, tenant, "laptop", list(scopes), None)
    return {"REELQ_API_URL": str(api.base_url), "REELQ_API_KEY": key}


def billed(gateway: str) -> int:
    return sum(httpx.get(f"{gateway}/_sim/ledger").json()["totals"]["asset_calls_billed"].values())


def test_a_file_is_uploaded_once_to_an_account_that_the_key_manages(
    run: Run, away: Away, api: httpx.Client, producer: Producer, tmp_path: Path, gateway: str
) -> None:
    hero = tmp_path / "hero.png"
    hero.write_bytes(picture())
    code, _, err = run("assets", "upload", hero, **away)
    assert code == 2 and "name an account that takes assets: main, acme.own" in err
    code, out, err = run("assets", "upload", hero, "--account", "main", "--group", "spring", "--json", **away)
    [first] = json.loads(out)
    assert (code, first["status"], first["is_new"], first["path"]) == (0, "active", True, str(hero)), err
    cost = billed(gateway)
    assert run("assets", "upload", hero, "--account", "main", **away)[:2] == (0, f"{first['asset']}  {hero}  (known)\n")
    assert billed(gateway) == cost
    assert first["asset"] in run("assets", "list", "--account", "main", "--remote", **away)[1]

    # An admin of another tenant: its own account alone, and an asset of its own.
    acme = of_tenant(api, producer, "acme", "read", "enqueue", "admin")
    code, _, err = run("assets", "upload", hero, "--account", "main", **acme)
    assert code == 2 and "'main' is not configured; there is acme.own" in err
    code, out, err = run("assets", "upload", hero, "--json", **acme)
    [own] = json.loads(out)
    assert (code, own["account"], own["is_new"]) == (0, "acme.own", True) and own["asset"] != first["asset"], err
    listed: list[dict[str, Any]] = json.loads(run("assets", "list", "--json", **acme)[1])
    assert [item["asset"] for item in listed] == [own["asset"]]
    job = producer.as_tenant("acme").enqueue("the lamp turns", first_frame=own["asset"])
    assert job.request["first_frame"] == own["asset"]
    with pytest.raises(InvalidInput):
        producer.as_tenant("acme").enqueue("the lamp turns", first_frame=first["asset"])
    reader = of_tenant(api, producer, "acme", "read", "enqueue")
    for arguments in (("list",), ("upload", hero)):
        code, out, err = run("assets", *arguments, **reader)
        assert (code, out) == (2, "") and "scope admin" in err


def test_what_is_no_asset_is_refused_with_the_name_of_the_file(
    run: Run, away: Away, api: httpx.Client, key: str, tmp_path: Path
) -> None:
    tiny = tmp_path / "tiny.png"
    tiny.write_bytes(picture(10, 10))
    code, _, err = run("assets", "upload", tiny, "--account", "main", **away)
    assert code == 2 and f"{tiny}: an asset must have sides of" in err
    for content, said in ((tiny.read_bytes(), "must have sides"), (b"no picture", "file"), (b"", "is empty")):
        answer = api.post(
            "/v1/assets",
            params={"account": "main"},
            content=content,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "image/png"},
        )
        assert answer.status_code == 422 and said in answer.json()["detail"], answer.text
        assert gettempdir() not in answer.text

"""The processes and the environment of a stack, and the checks before it starts."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from producer.local import preflight, stack
from producer.local.errors import StackError
from producer.local.plan import STOP_ORDER, Plan, environment
from producer.local.preflight import check
from producer.local.processes import commands
from producer.local.stack_file import StackFile
from seedance.problems import InvalidInput
from storage.settings import Settings, load_settings
from worker.ending import STOP_S, stop_limit_s

SECRET = "whsec_" + "A" * 43 + "="
ACCOUNT = {"name": "main", "gateway": "anyfast", "api_key": "sk-1"}


def _settings(**more: object) -> Settings:
    return Settings.model_validate({"database_url": "postgresql://u:p@127.0.0.1:1/d", **more})


def test_children_load_the_same_settings_from_their_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = _settings(
        broker_url="redis://127.0.0.1:1/0",
        s3_endpoint_url="http://127.0.0.1:1",
        s3_access_key_id="id",
        s3_secret_access_key="secret",
        poll_max_seconds=7.5,
        webhook_secret=SECRET,
    )
    environ = environment({"PATH": "/bin", "NO_PROXY": "example.com"}, tmp_path, settings, "http://127.0.0.1:9", None)
    read = load_settings(tmp_path / "elsewhere", environ)
    assert environ["PATH"] == "/bin"
    assert environ["NO_PROXY"] == "example.com,127.0.0.1,localhost"
    assert (read.database_url, read.broker_url) == (settings.database_url, settings.broker_url)
    assert read.s3_secret_access_key == settings.s3_secret_access_key
    assert read.webhook_secret == settings.webhook_secret
    assert [account.base_url for account in read.accounts] == ["http://127.0.0.1:9/anyfast"]
    assert read.allow_private_networks
    assert read.poll_max_seconds >= read.poll_min_seconds
    # A command reads the same settings from stack.json.
    StackFile(tmp_path, settings, "http://a", None, "http://127.0.0.1:9", None, 1, "rq_key").write()
    from_file = load_settings(tmp_path, {})
    assert (from_file.accounts, from_file.webhook_secret) == (read.accounts, read.webhook_secret)


def test_a_stack_without_an_account_and_without_the_simulator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda _name: None)
    with pytest.raises(StackError, match=r"accounts: none is configured.*pip install 'reelq\[simulator\]'"):
        check(Settings())
    check(Settings.model_validate({"accounts": [ACCOUNT]}))


def test_configured_accounts_need_no_simulator(tmp_path: Path) -> None:
    settings = _settings(accounts=[ACCOUNT])
    environ = environment({}, tmp_path, settings, None, tmp_path / "reelq.toml")
    assert "REELQ_ACCOUNTS" not in environ
    assert environ["REELQ_CONFIG"] == str(tmp_path / "reelq.toml")
    plan = Plan(tmp_path, environ, settings, 1, None, None)
    assert [spec.name for spec in plan.http_services()] == ["api"]
    assert (plan.flower, plan.simulator) == (None, None)


def test_every_process_is_in_the_stop_order(tmp_path: Path) -> None:
    plan = Plan(tmp_path, {}, _settings(submit_timeout_seconds=40.0), 1, 2, 3)
    specs = {spec.name: spec for spec in [*plan.http_services(), *plan.job_processes()]}
    placed = [name for group in STOP_ORDER for name in group]
    assert {*specs, "postgres", "valkey", "s3"} == set(placed)
    assert specs["worker-submit-poll"].stop_timeout_s > stop_limit_s(plan.settings, {"submit"}) > 40.0
    assert specs["worker-transfer"].stop_timeout_s > stop_limit_s(plan.settings, {"transfer"})
    assert specs["scheduler"].stop_timeout_s > STOP_S
    assert specs["scheduler"].command[1:] == commands.SCHEDULER[1:]


def test_stack_json_is_private_and_complete(tmp_path: Path) -> None:
    file = StackFile(
        tmp_path, _settings(), "http://api", "http://flower", None, tmp_path / "reelq.toml", 7, "rq_key", {"api": 9}
    )
    file.write()
    file.write()
    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "stack.json").read_text()) == {
        "api": "http://api",
        "flower": "http://flower",
        "api_key": "rq_key",
        "database_url": "postgresql://u:p@127.0.0.1:1/d",
        "broker_url": None,
        "broker_sentinel_master": None,
        "s3": {"endpoint_url": None, "bucket": "reelq", "access_key_id": None, "secret_access_key": None},
        "webhook_secret": None,
        "simulator": None,
        "config": str(tmp_path / "reelq.toml"),
        "supervisor": 7,
        "processes": {"api": 9},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["database_url", "broker_url", "s3_endpoint_url"])
def test_a_configured_server_that_does_not_answer_is_reported_by_its_setting(key: str, closed_port: int) -> None:
    scheme = {"database_url": "postgresql", "broker_url": "redis", "s3_endpoint_url": "http"}[key]
    settings = Settings.model_validate({key: f"{scheme}://user:hidden@127.0.0.1:{closed_port}/1"})
    with pytest.raises(
        StackError, match=rf"^{key}: no server answers at 127\.0\.0\.1:{closed_port} \(.*\); start that"
    ) as caught:
        check(settings)
    assert "hidden" not in str(caught.value)


def test_servers_that_answer_pass_the_check(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check(_settings(database_url=f"postgresql+psycopg://127.0.0.1:{port}/x", accounts=[ACCOUNT]))
    check(_settings(database_url="postgresql:///x?host=/run/postgresql"))


def test_a_missing_account_key_is_reported_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THE_KEY", raising=False)
    account = {"name": "main", "gateway": "anyfast", "api_key_env": "THE_KEY"}
    with pytest.raises(InvalidInput, match=r"accounts\.main\.api_key_env: THE_KEY is not set"):
        check(Settings.model_validate({"accounts": [account]}))


def test_celery_takes_nothing_of_other_applications_from_the_environment(tmp_path: Path) -> None:
    others = {"CELERY_BROKER_URL": "redis://other", "BROKER_URL": "redis://other", "CELERY_WORKDIR": "/nowhere"}
    found = environment({**others, "PATH": "/bin"}, tmp_path, _settings(accounts=[ACCOUNT]), None, None)
    assert not set(found) & set(others)
    assert found["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("given", "environ", "configured"),
    [
        ({}, {}, False),
        ({"s3_bucket": "videos"}, {}, False),
        ({"s3_endpoint_url": "http://s3:8333"}, {}, True),
        ({"s3_access_key_id": "AKIAEXAMPLE"}, {}, True),
        ({"s3_region": "eu-west-1"}, {}, True),
        ({"s3_bucket": "videos"}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}, True),
        ({}, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}, False),
    ],
)
def test_a_local_store_is_started_unless_one_is_configured(
    given: dict[str, str], environ: dict[str, str], configured: bool
) -> None:
    assert stack.has_store(Settings.model_validate(given), environ) is configured

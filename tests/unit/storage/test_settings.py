"""The configuration: its sources, and the errors for wrong values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seedance.problems import InvalidInput
from storage.settings import Settings, load_settings

ACCOUNT = '[[accounts]]\nname = "main"\ngateway = "anyfast"\napi_key = "sk-secret-value"\n'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> None:
    Path("reelq.toml").write_text(text, encoding="utf-8")


def test_the_environment_wins_over_the_file_and_the_file_over_the_stack(tmp_path: Path) -> None:
    stack = {"database_url": "postgresql://stack", "broker_url": "redis://stack", "s3": {"bucket": "from-stack"}}
    (tmp_path / "stack.json").write_text(json.dumps(stack))
    write('database_url = "postgresql://file"\nbroker_url = "redis://file"\n')
    settings = load_settings(tmp_path, {"REELQ_BROKER_URL": "redis://environment", "REELQ_LEASE_SECONDS": "120"})
    assert settings.database_url == "postgresql://file"
    assert settings.broker_url == "redis://environment"
    assert settings.s3_bucket == "from-stack"
    assert settings.lease_seconds == 120.0


def test_the_simulator_stands_in_until_an_account_is_configured(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps({"simulator": "http://127.0.0.1:9"}))
    assert [account.base_url for account in load_settings(tmp_path, {}).accounts] == ["http://127.0.0.1:9/anyfast"]
    write(ACCOUNT)
    assert [account.name for account in load_settings(tmp_path, {}).accounts] == ["main"]


def test_a_key_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    write('[[accounts]]\nname = "main"\ngateway = "anyfast"\napi_key_env = "MY_KEY"\n')
    (account,) = load_settings(environ={}).accounts
    with pytest.raises(InvalidInput, match="MY_KEY is not set"):
        account.key()
    monkeypatch.setenv("MY_KEY", "sk-1234")
    assert account.key() == "sk-1234"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lease_seconds = 'long'", "lease_seconds"),
        ("lease_seconds = 5\nsubmit_timeout_seconds = 10", "lease_seconds (5) must exceed submit_timeout_seconds (10)"),
        (
            "unconfirmed_grace_seconds = 5\nsubmit_timeout_seconds = 10",
            "unconfirmed_grace_seconds (5) must not be below submit_timeout_seconds (10)",
        ),
        (
            "unconfirmed_policy = 'resubmit'\nunconfirmed_grace_seconds = 60",
            "unconfirmed_grace_seconds (60) must not be below lease_seconds (90)",
        ),
        (
            "generation_timeout_seconds = 600\nunconfirmed_grace_seconds = 900",
            "generation_timeout_seconds (600) must not be below unconfirmed_grace_seconds (900)",
        ),
        ("poll_min_seconds = 9\npoll_max_seconds = 3", "poll_max_seconds (3) must not be below poll_min_seconds (9)"),
        ("poll_min_second = 9", "poll_min_second: is not a field we know"),
        ("unconfirmed_policy = 'ask'", "unconfirmed_policy: must be 'hold' or 'resubmit', not 'ask'"),
        (ACCOUNT.replace("anyfast", "slowfast"), "accounts[0].gateway"),
        (ACCOUNT + ACCOUNT, "the name 'main' is used twice"),
        (ACCOUNT.replace("api_key", "#"), "give exactly one of api_key and api_key_env"),
        ("public_url = 'reelq.example.com'", "public_url: must be http:// or https:// and a host, such as https://"),
        ("public_url = 'https://x/?a=b'", "public_url: must be http:// or https:// and a host"),
        (ACCOUNT + "base_url = 'ftp://x'", "accounts[0].base_url: must be an http(s) URL"),
        (ACCOUNT + "base_url = 'https://:443/v1'", "accounts[0].base_url: must be an http(s) URL"),
        (ACCOUNT + "base_url = 'https://x:port/v1'", "accounts[0].base_url: must be an http(s) URL"),
        (ACCOUNT + "base_url = 'https://u:p@x'", "accounts[0].base_url: must have no user and password"),
        (ACCOUNT + "base_url = 'https://x/v1?version=3'", "accounts[0].base_url: must end with its path"),
        (ACCOUNT + "max_in_flight = 0", "accounts[0].max_in_flight"),
        ("this is not TOML", "cannot be read"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(text: str, says: str) -> None:
    write(text)
    with pytest.raises(InvalidInput) as caught:
        load_settings(environ={})
    assert "reelq.toml" in str(caught.value)
    assert says in str(caught.value)
    assert "sk-secret-value" not in str(caught.value)


def test_defaults_give_way_to_what_is_set() -> None:
    write("lease_seconds = 12\npoll_max_seconds = 1\n")
    settings = load_settings(environ={})
    assert (settings.submit_timeout_seconds, settings.query_timeout_seconds) == (8.0, 6.0)
    assert settings.poll_min_seconds == 1.0
    assert load_settings(environ={"REELQ_LEASE_SECONDS": "600"}).submit_timeout_seconds == 60.0
    assert (
        load_settings(environ={"REELQ_POLL_MIN_SECONDS": "90", "REELQ_POLL_MAX_SECONDS": "90"}).poll_max_seconds == 90
    )
    assert load_settings(environ={"REELQ_UNCONFIRMED_GRACE_SECONDS": "2"}).submit_timeout_seconds == 2.0
    short = load_settings(environ={"REELQ_GENERATION_TIMEOUT_SECONDS": "30"})
    assert (short.unconfirmed_grace_seconds, short.submit_timeout_seconds) == (30.0, 8.0)


def test_a_file_of_a_windows_editor_is_read_or_says_how_to_save_it() -> None:
    Path("reelq.toml").write_text(ACCOUNT, encoding="utf-8-sig", newline="\r\n")
    assert [account.name for account in load_settings(environ={}).accounts] == ["main"]
    Path("key.txt").write_text("a-long-enough-api-key\n", encoding="utf-8-sig", newline="\r\n")
    key = load_settings(environ={"REELQ_API_KEY_FILE": "key.txt"}).api_key
    assert key is not None and key.get_secret_value() == "a-long-enough-api-key"
    Path("reelq.toml").write_text(ACCOUNT, encoding="utf-16")
    with pytest.raises(InvalidInput, match=r"reelq\.toml: is not UTF-8 text; save it as UTF-8"):
        load_settings(environ={})


def test_an_empty_variable_of_a_compose_file_sets_no_url() -> None:
    settings = load_settings(environ={"REELQ_PUBLIC_URL": "", "REELQ_FLOWER_URL": ""})
    assert (settings.public_url, settings.flower_url) == (None, None)
    assert not settings.keys_for_all, "programs on this machine need no key"


def test_a_wrong_value_in_the_environment_is_named_with_its_variable() -> None:
    with pytest.raises(InvalidInput, match="REELQ_POLL_MIN_SECONDS"):
        load_settings(environ={"REELQ_POLL_MIN_SECONDS": "often"})
    with pytest.raises(InvalidInput, match="REELQ_ACCOUNTS: is not JSON"):
        load_settings(environ={"REELQ_ACCOUNTS": "["})


def test_a_missing_value_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="database_url: is not set; start `reelq up`"):
        load_settings(environ={}).require_database_url()
    with pytest.raises(InvalidInput, match="REELQ_CONFIG: the file does not exist"):
        load_settings(environ={"REELQ_CONFIG": "nowhere.toml"})


@pytest.mark.parametrize(
    ("text", "means"), [("false", "off"), ('"off"', "off"), ("true", "auto"), ('"auto"', "auto"), ("'False'", "off")]
)
def test_prepared_statements_can_be_turned_off_in_several_words(text: str, means: str) -> None:
    write(f"database_prepared_statements = {text}")
    assert load_settings(environ={}).database_prepared_statements == means


@pytest.mark.parametrize(
    ("lease_s", "query_s", "expected"), [(90.0, 20.0, 40.0), (90.0, 0.1, 30.0), (90.0, 60.0, 90.0), (8.0, 2.0, 8.0)]
)
def test_a_poll_has_time_for_two_requests_and_for_its_wait_in_the_queue(
    lease_s: float, query_s: float, expected: float
) -> None:
    times = {"lease_seconds": lease_s, "query_timeout_seconds": query_s, "submit_timeout_seconds": 5.0}
    assert Settings.model_validate(times | {"unconfirmed_grace_seconds": 60.0}).poll_lease_seconds == expected

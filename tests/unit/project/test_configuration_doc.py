"""docs/configuration.md has every key of the configuration, as the settings are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from storage.settings import Settings
from tools.configuration import page
from tools.configuration.fields import Key, as_toml, keys_of

KEYS = {prefix + key.name: key for prefix, model in page.TABLES.items() for key in keys_of(model)}
WRITTEN = page.PAGE.read_text(encoding="utf-8")


def entry(name: str) -> str:
    return WRITTEN.partition(f"\n### `{name}`\n")[2].partition("\n#")[0]


def test_the_page_is_what_the_settings_say() -> None:
    assert page.page() == WRITTEN, "run `make docs`"


def test_the_example_is_a_valid_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(page.EXAMPLE.parent)
    given = tomllib.loads(page.EXAMPLE.read_text(encoding="utf-8"))
    settings = Settings.model_validate(given | {"smtp_password": "not in the file"})
    assert {account.gateway for account in settings.accounts} == {"anyfast", "ark", "fal", "kie"}


@pytest.mark.parametrize(("name", "key"), KEYS.items(), ids=KEYS)
def test_every_key_has_a_text_and_an_example(name: str, key: Key) -> None:
    assert key.text, f"write a text below `{key.name}` in {key.owner.__name__}"
    has_section = name in ("accounts", "accounts.rates", "allowed_networks")
    in_the_rate = name in ("accounts.rates.gateway", "accounts.rates.inferred")  # the account has the gateway
    if not has_section and not in_the_rate and not (key.secret and name.startswith("accounts.")):
        assert "\nExample: `" in entry(name), f"examples/reelq.toml has no example of `{name}`"


def test_no_example_is_a_secret() -> None:
    text = page.EXAMPLE.read_text(encoding="utf-8")
    assert not [key.name for key in KEYS.values() if key.secret and f"\n{key.name} =" in text]


def test_every_release_names_keys_that_exist() -> None:
    releases = tomllib.loads(page.SINCE.read_text(encoding="utf-8"))
    assert {name for names in releases.values() for name in names} <= KEYS.keys()
    changelog = (page.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert all(f"## [{release}] - " in changelog for release in releases)


def test_types_limits_and_units_are_those_of_the_field() -> None:
    lease = KEYS["lease_seconds"]
    assert (lease.type, lease.default, lease.limits, lease.unit) == ("number", "90", "≥ 1, ≤ 86 400", "seconds")
    assert KEYS["unconfirmed_policy"].type == "one of `hold`, `resubmit`"
    assert KEYS["keep_jobs_days"].limits == "≥ 2, ≤ 36 500"
    assert KEYS["api_key"].limits == "at least 20 characters"
    assert KEYS["api_key"].secret
    assert KEYS["trusted_proxies"].type == "list of texts"
    assert KEYS["accounts.name"].required
    assert "REELQ_API_KEY_FILE=/run/secrets/api_key" in entry("api_key")


@pytest.mark.parametrize(
    "value", [True, 3, 2.5, 'say "it"\\', ["a", "b"], {"a": 1, "b": ["c"]}, {"s3": {"x": False}}], ids=repr
)
def test_examples_are_toml(value: object) -> None:
    assert tomllib.loads(f"key = {as_toml(value)}") == {"key": value}


def test_readme_and_index_lead_to_it() -> None:
    for name in ("README.md", "docs/README.md"):
        assert "configuration.md)" in (Path(page.ROOT) / name).read_text(encoding="utf-8")

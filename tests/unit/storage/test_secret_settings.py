"""Passwords beside their URLs, secrets in files, and URLs that a password broke."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seedance.account import Account
from seedance.problems import InvalidInput
from storage.broker_url import parse_broker_url
from storage.database_url import UnusableUrl, parse_database_url
from storage.settings import load_settings

PASSWORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def load(tmp_path: Path, **environ: str) -> Any:
    return load_settings(tmp_path, environ)


@given(password=PASSWORDS)
@example(password="a/b?c#d@e:f%g h'\\ü$")
def test_a_password_may_hold_any_character(password: str) -> None:
    for url in ("postgresql://reelq@db:5432/reelq?sslmode=disable", "host=db port=5432 user=reelq dbname=reelq"):
        found = load_settings(Path("/nowhere"), {"REELQ_DATABASE_URL": url, "REELQ_DATABASE_PASSWORD": password})
        read = parse_database_url(found.require_database_url())
        assert (read.parameters["password"], read.parameters["user"], read.where) == (
            password,
            "reelq",
            "db:5432/reelq",
        )
    for url in ("redis://valkey:6379/3", "redis://reelq@valkey:6379/3"):
        found = load_settings(Path("/nowhere"), {"REELQ_BROKER_URL": url, "REELQ_BROKER_PASSWORD": password})
        broker = found.require_broker()
        assert (broker.password, broker.where, broker.db) == (password, "valkey:6379", 3)


def test_a_password_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="database_url has a password, and database_password is set too"):
        load(tmp_path, REELQ_DATABASE_URL="postgresql://a:b@c/d", REELQ_DATABASE_PASSWORD="e")


@pytest.mark.parametrize(
    "url",
    ["postgresql://reelq:se/cret@db:5432/reelq", "postgresql://reelq:se?cret@db/reelq", "postgresql://a:se@cret@db/c"],
)
def test_a_url_that_its_password_breaks_shows_no_part_of_it(url: str) -> None:
    with pytest.raises(UnusableUrl, match="set database_password") as failed:
        parse_database_url(url)
    with pytest.raises(ValueError, match="set broker_password") as broker_failed:
        parse_broker_url(url.replace("postgresql", "redis"))
    for message in (str(failed.value), str(broker_failed.value)):
        assert "se" not in message.replace("set ", "").replace("these", "").split() and "cret" not in message


@pytest.mark.parametrize(
    "url", ["redis://cache?password=a@b", "redis://[::1]:6379?password=a@b", "redis+socket:///run/a@b.sock"]
)
def test_an_at_sign_elsewhere_breaks_nothing(url: str) -> None:
    parse_broker_url(url)


def test_every_setting_can_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "database"
    secret.write_text("p/w\n")
    key = tmp_path / "key"
    key.write_text("an-api-key-of-more-than-20\r\n")
    found = load(
        tmp_path,
        REELQ_DATABASE_URL="postgresql://reelq@db/reelq",
        REELQ_DATABASE_PASSWORD_FILE=str(secret),
        REELQ_API_KEY_FILE=str(key),
        REELQ_S3_BUCKET_FILE="",
    )
    assert parse_database_url(found.database_url).parameters["password"] == "p/w"
    assert found.api_key.get_secret_value() == "an-api-key-of-more-than-20"


def test_a_setting_that_names_a_file_is_no_secret_in_one(tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    models.write_text("")
    assert load(tmp_path, REELQ_MODELS_FILE=str(models)).models_file == models


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read: No such file"), (b"", "is empty"), (b"\xff", "is not UTF-8 text")]
)
def test_a_file_that_has_no_secret_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=f"REELQ_API_KEY_FILE: .*{says}"):
        load(tmp_path, REELQ_API_KEY_FILE=str(path))
    with pytest.raises(InvalidInput, match="REELQ_API_KEY_FILE: and REELQ_API_KEY are both set"):
        load(tmp_path, REELQ_API_KEY_FILE=str(path), REELQ_API_KEY="x" * 20)


def test_an_accounts_key_can_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(name="main", gateway="anyfast", api_key_env="ANYFAST_KEY")
    monkeypatch.delenv("ANYFAST_KEY", raising=False)
    with pytest.raises(InvalidInput, match="ANYFAST_KEY is not set in the environment, nor ANYFAST_KEY_FILE"):
        account.key()
    monkeypatch.setenv("ANYFAST_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(InvalidInput, match=r"ANYFAST_KEY_FILE: .* cannot be read: No such file"):
        account.key()
    (tmp_path / "key").write_text("sk-1\n")
    assert account.key() == "sk-1"

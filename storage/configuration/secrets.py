"""Secrets that come apart from the rest: passwords beside their URLs, and values in files (`REELQ_…_FILE`).

A password in a URL must be percent-encoded, and an orchestrator hands secrets over as files; both are here, so that the
rest of the program knows neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, SecretStr, model_validator

from seedance.problems import InvalidInput, Problem
from storage.addresses.url_authority import split_authority

SUFFIX = "_FILE"
MAX_BYTES = 1 << 20
_PASSWORD_OF = {"database_url": "database_password", "broker_url": "broker_password"}


class SecretSettings(BaseModel):
    """What `Settings` has about passwords."""

    database_password: SecretStr | None = None
    """The password for `database_url`, as it is: no character needs an escape."""
    broker_password: SecretStr | None = None
    """The password for `broker_url`, as it is."""

    @model_validator(mode="before")
    @classmethod
    def _put_passwords_into_urls(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        joined = dict(given)
        for url_key, password_key in _PASSWORD_OF.items():
            url, password = joined.get(url_key), joined.get(password_key)
            if isinstance(password, SecretStr):
                password = password.get_secret_value()
            if isinstance(url, str) and url and isinstance(password, str) and password:
                joined[url_key] = _with_password(url, password, url_key, password_key)
                joined[password_key] = None  # the URL has it now: one place
        return joined


def _with_password(url: str, password: str, url_key: str, password_key: str) -> str:
    """The URL (or libpq's `key=value` text) with the password in it.

    Raises:
        ValueError: the URL has a password of its own.
    """
    if "://" not in url:
        escaped = password.replace("\\", "\\\\").replace("'", "\\'")
        return f"{url} password='{escaped}'"
    scheme, _, rest = url.partition("://")
    authority, slash, tail = split_authority(rest)
    user, at, hosts = authority.rpartition("@")
    if ":" in user:
        raise ValueError(f"{url_key} has a password, and {password_key} is set too; give it once")
    return f"{scheme}://{user}:{quote(password, safe='')}@{hosts if at else authority}{slash}{tail}"


def with_secret_files(environ: Mapping[str, str], known: Iterable[str], prefix: str) -> dict[str, str]:
    """The environment, with each `REELQ_X_FILE=PATH` replaced by `REELQ_X` and the file's text. One line end at the end
    of the file does not count. `known`: the settings, in lower case; `X_FILE` that is itself a setting stays.

    Raises:
        InvalidInput: the file cannot be read, or `REELQ_X` is set too.
    """
    found = dict(environ)
    settings = set(known)
    for name, path in environ.items():
        key = name.removeprefix(prefix).lower()
        base = key.removesuffix(SUFFIX.lower())
        if not name.startswith(prefix) or not key.endswith(SUFFIX.lower()) or key in settings or base not in settings:
            continue
        del found[name]
        if not path:
            continue
        target = name.removesuffix(SUFFIX)
        if environ.get(target):
            raise InvalidInput([Problem(name, f"and {target} are both set; give one of them")])
        found[target] = read_secret(path, name)
    return found


def read_secret(path: str, name: str) -> str:
    """The text of a secret's file, without one line end at its end. `name` is the setting, for messages.

    Raises:
        InvalidInput: it cannot be read, is empty, too large or not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as exc:
        raise InvalidInput([Problem(name, f"{path} cannot be read: {exc.strerror or exc}")]) from exc
    except UnicodeDecodeError:
        raise InvalidInput([Problem(name, f"{path} is not UTF-8 text")]) from None
    if len(content) > MAX_BYTES:
        raise InvalidInput([Problem(name, f"{path} is larger than {MAX_BYTES >> 20} MiB, too large for a secret")])
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InvalidInput([Problem(name, f"{path} is empty")])
    return text

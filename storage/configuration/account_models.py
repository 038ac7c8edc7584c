"""Settings about models that concern every account: the default model, and a file with more models."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from seedance.account import Account
from seedance.gateways.registry import GATEWAY_NAMES
from seedance.problems import shorten


def with_default_model(accounts: tuple[Account, ...], name: str | None) -> tuple[Account, ...]:
    """The accounts with that default, where they have none of their own.

    Raises:
        PydanticCustomError: none of them sells it.
    """
    if name is None or not accounts:
        return accounts
    sold = {model for account in accounts for model in account.dialect.catalog.models}
    if name not in sold:
        raise _wrong("default_model", f"must be one of {', '.join(sorted(sold))}, not {shorten(name)}")
    return tuple(account.with_default_model(name) for account in accounts)


def with_models_file(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are given, with the models of `models_file` in each account of their gateway. What an account
    says itself wins.

    Raises:
        PydanticCustomError: the file cannot be read, or names no gateway.
    """
    path = Path(str(given["models_file"]))
    try:
        by_gateway = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as exc:
        raise _wrong("models_file", f"{path} cannot be read: {exc}") from exc
    if unknown := sorted(by_gateway.keys() - GATEWAY_NAMES):
        names = ", ".join(sorted(GATEWAY_NAMES))
        raise _wrong("models_file", f"{path}: {shorten(unknown[0])} is not a gateway; known are {names}")
    return {**given, "accounts": [_with_models(account, by_gateway) for account in given.get("accounts", ())]}


def _with_models(account: Any, by_gateway: Mapping[str, Any]) -> Any:
    if not isinstance(account, Mapping):
        return account
    own = account.get("models") or {}
    return {**account, "models": {**by_gateway.get(str(account.get("gateway")), {}), **own}}


def _wrong(field: str, message: str) -> PydanticCustomError:
    return PydanticCustomError("reelq_field", "{message}", {"field": field, "message": message})

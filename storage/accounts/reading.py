"""Read the accounts of the database into a book."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from pydantic import SecretStr, ValidationError

from seedance.account import Account
from seedance.problems import InvalidInput, Problem
from seedance.request import problems_of
from storage.accounts.keys import opened, stored_keys
from storage.configuration.account_book import AccountBook
from storage.configuration.account_models import with_models_file
from storage.database import Connection
from storage.sealing import CannotOpen
from storage.settings import Settings

_VERSION: LiteralString = "SELECT version FROM accounts_version"
_ACCOUNTS: LiteralString = "SELECT name, settings, key_id, removing_at FROM accounts ORDER BY created_at, name"
_PAUSED: LiteralString = "SELECT name FROM account_states WHERE paused_at IS NOT NULL"


def version_of(conn: Connection) -> int:
    """The present version of the accounts."""
    row = conn.execute(_VERSION).fetchone()
    return 0 if row is None else int(row[0])


def read_book(conn: Connection, settings: Settings) -> AccountBook:
    """What the database says about accounts now. Keys are decrypted with the master key of the settings.

    The version is read first: a change in between makes the book newer than its version, and it is read again.
    """
    version = version_of(conn)
    rows = conn.execute(_ACCOUNTS).fetchall()
    paused = {row[0] for row in conn.execute(_PAUSED)}
    keys = stored_keys(conn) if rows else []
    sealer = settings.sealer()
    accounts: list[Account] = []
    by_key: dict[int, Account] = {}
    unusable: dict[str, str] = {}
    tenants: set[str] = set()
    tenants_of = {
        name: None if fields.get("tenants") is None else tuple(fields["tenants"]) for name, fields, *_ in rows
    }
    removing = {row[0] for row in rows if row[3] is not None}
    for name, fields, key_id, _ in rows:
        tenants |= set(fields.get("tenants") or ()) - {"*"}
        for key in keys:
            if key.account != name:
                continue
            try:
                account = account_of(settings, name, fields, opened(sealer, key)).with_key_id(key.id)
            except CannotOpen as exc:
                if key.id == key_id:
                    unusable[name] = f"its key cannot be decrypted: {exc}; set REELQ_MASTER_KEY to the key that did"
                continue
            except InvalidInput as exc:
                unusable[name] = str(exc)
                continue
            by_key[key.id] = account
            if key.id == key_id:
                accounts.append(account)
    return AccountBook(
        version,
        tuple(accounts),
        by_key,
        frozenset(paused | removing),
        frozenset(removing),
        unusable,
        {name: tenants_of[name] for name in unusable},
        frozenset(tenants),
        any(key.retired_at is not None for key in keys),
    )


def account_of(settings: Settings, name: str, fields: Mapping[str, Any], secrets: Mapping[str, str]) -> Account:
    """The account of these fields, with what the settings say about every account.

    Raises:
        InvalidInput: they break a rule. The message contains no secret.
    """
    given: dict[str, Any] = {**fields, "name": name, **{field: SecretStr(value) for field, value in secrets.items()}}
    try:
        if settings.models_file is not None:
            [given] = with_models_file({"models_file": settings.models_file, "accounts": [given]})["accounts"]
        account = Account.model_validate(given)
    except ValidationError as exc:
        raise InvalidInput([_named(name, problem) for problem in problems_of(exc)]) from None
    account.key()
    account.user()
    account.callback_secret()
    return account if settings.default_model is None else account.with_default_model(settings.default_model)


def _named(name: str, problem: Problem) -> Problem:
    field = problem.field.removeprefix(f"accounts.{name}.")
    return Problem(f"accounts.{name}.{field}" if field else f"accounts.{name}", problem.message)

"""How `reelq accounts` changes accounts: in the database, or through the API."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from producer.cli.doors.choice import api_client
from producer.cli.shared.access import settings_of
from seedance.problems import InvalidInput, Problem
from storage.accounts import changes
from storage.accounts.live import with_accounts
from storage.database import connect
from storage.settings import Settings

if TYPE_CHECKING:
    from reelq_client import Reelq

SIMULATOR = "simulator"


class AccountsDoor(Protocol):
    """Every method raises `InvalidInput` for what cannot be done."""

    def add(self, name: str, fields: Mapping[str, Any], secrets: Mapping[str, str]) -> bool:
        """Add an account; returns whether the simulator takes jobs beside it."""
        ...

    def change(self, name: str, fields: Mapping[str, Any], *, to_shared: bool) -> None:
        """Change fields; None removes one."""

    def rekey(self, name: str, secrets: Mapping[str, str], *, revoked: bool, other_project: bool) -> None:
        """Give an account new secrets."""

    def pause(self, name: str) -> None:
        """Submit nothing more to an account."""

    def resume(self, name: str) -> None:
        """Use an account again."""

    def remove(self, name: str, *, drain: bool, to_shared: bool) -> bool:
        """Remove an account; returns whether it is gone now."""
        ...


def open_accounts(ctx: typer.Context, given: Path | None) -> AccountsDoor:
    """The way that this command goes.

    Raises:
        InvalidInput: the configuration cannot be used.
    """
    reelq = api_client(ctx, given)
    return _Database(settings_of(ctx, given)) if reelq is None else _Api(reelq)


class _Database:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.require_database_url()

    def add(self, name: str, fields: Mapping[str, Any], secrets: Mapping[str, str]) -> bool:
        with connect(self._url) as conn:
            changes.add_account(conn, with_accounts(conn, self._settings), name, fields, secrets)
        return any(account.name == SIMULATOR for account in self._settings.accounts)

    def change(self, name: str, fields: Mapping[str, Any], *, to_shared: bool) -> None:
        with connect(self._url) as conn:
            changes.set_account(conn, with_accounts(conn, self._settings), name, fields, to_shared=to_shared)

    def rekey(self, name: str, secrets: Mapping[str, str], *, revoked: bool, other_project: bool) -> None:
        with connect(self._url) as conn:
            known = with_accounts(conn, self._settings)
            changes.rekey_account(conn, known, name, secrets, revoked=revoked, other_project=other_project)

    def pause(self, name: str) -> None:
        with connect(self._url) as conn:
            changes.pause_account(conn, name, changes.tenants_named(conn, self._settings, name))

    def resume(self, name: str) -> None:
        with connect(self._url) as conn:
            changes.resume_account(conn, name, changes.tenants_named(conn, self._settings, name))

    def remove(self, name: str, *, drain: bool, to_shared: bool) -> bool:
        with connect(self._url) as conn:
            known = with_accounts(conn, self._settings)
            return changes.remove_account(conn, known, name, drain=drain, to_shared=to_shared)


class _Api:
    def __init__(self, reelq: Reelq) -> None:
        # Imported here: the client takes long, and a command at the server does without.
        from producer.cli.doors.there.translated import translated

        self._reelq = reelq
        self._translated = partial(translated, in_use=True)

    def add(self, name: str, fields: Mapping[str, Any], secrets: Mapping[str, str]) -> bool:
        with self._translated():
            # Every field goes as it is: the API names those that it does not take.
            self._reelq.request("POST", "/v1/accounts", json={"name": name, **fields, **secrets})
            return any(account.name == SIMULATOR for account in self._reelq.accounts.list().accounts)

    def change(self, name: str, fields: Mapping[str, Any], *, to_shared: bool) -> None:
        _refuse(to_shared)
        with self._translated():
            self._reelq.accounts.update(name, fields)

    def rekey(self, name: str, secrets: Mapping[str, str], *, revoked: bool, other_project: bool) -> None:
        with self._translated():
            self._reelq.accounts.rekey(name, **secrets, revoked=revoked, other_project=other_project)

    def pause(self, name: str) -> None:
        with self._translated():
            self._reelq.accounts.pause(name)

    def resume(self, name: str) -> None:
        with self._translated():
            self._reelq.accounts.resume(name)

    def remove(self, name: str, *, drain: bool, to_shared: bool) -> bool:
        _refuse(to_shared)
        with self._translated():
            self._reelq.accounts.delete(name, drain=drain)
            return not drain or name not in {account.name for account in self._reelq.accounts.list().accounts}


def _refuse(to_shared: bool) -> None:
    if to_shared:
        raise InvalidInput([Problem("--to-shared", "works only where the server's configuration is")])

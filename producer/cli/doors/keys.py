"""How `reelq keys` reads and changes keys: in the database, or through the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import typer

from producer.cli.doors.choice import api_client
from producer.cli.doors.here.names import check_tenant
from producer.cli.shared.access import settings_of
from producer.operator_actions.tenants import create_key, purse_of_key, revoke_key, rotate_key, set_purse
from seedance.problems import InvalidInput, Problem
from storage.database import connect
from storage.tenants import keys
from storage.tenants.keys import ApiKey
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from reelq_client import Reelq

PurseNow = Mapping[str, Any] | None
"""A purse as JSON; None: the key has none."""


class KeysDoor(Protocol):
    """Keys are named by their ids, or are given whole. Methods raise `KeyNotFound` and `InvalidInput`."""

    def create(
        self, tenant: str | None, name: str, scopes: Sequence[str], expires_in_s: float | None
    ) -> tuple[str, ApiKey]:
        """Create a key; returns it with what may be shown of it. `tenant` None: the usual one."""
        ...

    def rotate(self, key: str, overlap_s: float, expires_in_s: float | None) -> tuple[str, ApiKey]:
        """Create a key in place of another."""
        ...

    def list(self, tenant: str | None) -> Sequence[ApiKey]:
        """Every key, oldest first."""
        ...

    def revoke(self, key: str) -> str:
        """Revoke a key; returns its id."""
        ...

    def purse(self, key: str, amount: str | None) -> PurseNow:
        """Show a key's purse, or set it first."""
        ...


def open_keys(ctx: typer.Context, given: Path | None) -> KeysDoor:
    """The way that this command goes.

    Raises:
        InvalidInput: the configuration cannot be used.
    """
    reelq = api_client(ctx, given)
    return _Database(settings_of(ctx, given).require_database_url()) if reelq is None else _Api(reelq)


class _Database:
    def __init__(self, url: str) -> None:
        self._url = url

    def create(
        self, tenant: str | None, name: str, scopes: Sequence[str], expires_in_s: float | None
    ) -> tuple[str, ApiKey]:
        with connect(self._url) as conn:
            return create_key(conn, tenant or DEFAULT_TENANT, name, scopes, expires_in_s)

    def rotate(self, key: str, overlap_s: float, expires_in_s: float | None) -> tuple[str, ApiKey]:
        with connect(self._url) as conn:
            return rotate_key(conn, key, overlap_s, expires_in_s=expires_in_s)

    def list(self, tenant: str | None) -> Sequence[ApiKey]:
        with connect(self._url) as conn:
            found = keys.list_keys(conn, tenant)
            if not found:
                check_tenant(conn, tenant)
            return found

    def revoke(self, key: str) -> str:
        with connect(self._url) as conn:
            return revoke_key(conn, key)

    def purse(self, key: str, amount: str | None) -> PurseNow:
        with connect(self._url) as conn:
            found = purse_of_key(conn, key) if amount is None else set_purse(conn, key, amount)
        return None if found is None else found.as_dict()


class _Api:
    """The secret of a key never goes into a URL: only its id does."""

    def __init__(self, reelq: Reelq) -> None:
        # Imported here: the client takes long, and a command at the server does without.
        from producer.cli.doors.there.translated import translated

        self._reelq = reelq
        self._translated = translated

    def create(
        self, tenant: str | None, name: str, scopes: Sequence[str], expires_in_s: float | None
    ) -> tuple[str, ApiKey]:
        with self._translated():
            made = self._reelq.keys.create(
                name, scopes=cast(Any, scopes), expires_in_seconds=_whole(expires_in_s), tenant=tenant
            )
        return made.key, _shown(made)

    def rotate(self, key: str, overlap_s: float, expires_in_s: float | None) -> tuple[str, ApiKey]:
        public = keys.key_id(key) or key
        with self._translated(public):
            made = self._reelq.keys.rotate(public, overlap_seconds=overlap_s, expires_in_seconds=_whole(expires_in_s))
        return made.key, _shown(made)

    def list(self, tenant: str | None) -> Sequence[ApiKey]:
        with self._translated():
            if tenant not in (None, self._reelq.tenant.get().name):
                raise InvalidInput([Problem("--tenant", "must be the key's own, through the API")])
            return [_shown(key) for key in self._reelq.keys.list()]

    def revoke(self, key: str) -> str:
        public = keys.key_id(key) or key
        with self._translated(public):
            self._reelq.keys.revoke(public)
        return public

    def purse(self, key: str, amount: str | None) -> PurseNow:
        public = keys.key_id(key) or key
        with self._translated(public):
            asked = self._reelq.keys
            found = asked.purse(public) if amount is None else asked.set_purse(public, amount)
        return None if found is None else {name: getattr(found, name) for name in type(found).model_fields}


def _shown(key: Any) -> ApiKey:
    return ApiKey(**{name: getattr(key, name) for name in ApiKey.__dataclass_fields__})


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)

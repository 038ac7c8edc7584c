"""The keys that this process has seen lately, so that a busy client does not cost a query per request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from producer.http.doors.auth import LOCAL, Principal, is_same, unauthorized
from storage.actors import Kind, actor_of_key
from storage.database import Database, DatabaseUnavailable
from storage.tenants import keys, sessions, tenants
from storage.tenants.keys import ALL_SCOPES, FoundKey
from storage.tenants.sessions import FoundSession
from storage.tenants.tenants import DEFAULT_TENANT

log = logging.getLogger("reelq.api")
T = TypeVar("T")

FRESH_S, STALE_S = 2.0, 4.0
"""An answer is used for 2 s, then for 2 s more while it is refreshed: a revoked key stops working within seconds."""
MAX_KEPT = 10_000
CONFIGURED = "configured"
"""The id of the operator's own key, which is not in the database."""


class KeyRing:
    """Finds the principal of a key. `configured` is the operator's own key, None: there is none."""

    def __init__(self, database: Database, configured: str | None = None) -> None:
        self._database = database
        self.configured = configured
        self._keys: _Remembered[FoundKey | None] = _Remembered(self._find)
        self._sessions: _Remembered[FoundSession | None] = _Remembered(self._find_session)
        self._limits: _Remembered[int | None] = _Remembered(self._limit)
        self._shared: _Remembered[bool] = _Remembered(self._has_others)
        self._was_shared: bool | None = None

    async def principal(self, key: str) -> Principal | None:
        """The principal of a key, None if it is unknown or revoked, or has expired.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        if is_same(key, self.configured):
            limit = await self._limits.get(DEFAULT_TENANT)
            return Principal(DEFAULT_TENANT, ALL_SCOPES, CONFIGURED, limit, Kind.SETTINGS_KEY.value)
        public = keys.key_id(key)
        found = None if public is None else await self._keys.get(public)
        if found is None or not found.matches(key):
            return None
        scopes = keys.effective_scopes(found.scopes, found.tenant)
        return Principal(found.tenant, scopes, found.id, found.jobs_per_minute, actor_of_key(found.name, found.id))

    async def of_session(self, session: str) -> Principal | None:
        """The principal of a session, None if it has ended.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        found = await self._sessions.get(sessions.hash_of(session))
        if found is None:
            return None
        if found.key_id is None or found.tenant is None:
            if self.configured is None or found.configured_hash != keys.hash_of(self.configured):
                return None
            limit = await self._limits.get(DEFAULT_TENANT)
            return Principal(DEFAULT_TENANT, ALL_SCOPES, CONFIGURED, limit, Kind.SETTINGS_SESSION.value)
        scopes = keys.effective_scopes(found.scopes or (), found.tenant)
        actor = actor_of_key(found.key_name or "", found.key_id, session=True)
        return Principal(found.tenant, scopes, found.key_id, found.jobs_per_minute, actor)

    async def open_session(self, key: str) -> str | None:
        """Open a session of a key and return its id; None if the key may not be used.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        principal = await self.principal(key)
        if principal is None:
            return None
        own = principal.key_id == CONFIGURED

        def store() -> str:
            with self._database.begin() as conn:
                if own:
                    return sessions.open_session(conn, configured_hash=keys.hash_of(key))
                return sessions.open_session(conn, key_id=principal.key_id)

        return await asyncio.to_thread(store)

    async def end_session(self, session: str) -> None:
        """End a session for good.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        id_hash = sessions.hash_of(session)

        def end() -> None:
            with self._database.begin() as conn:
                sessions.end_session(conn, id_hash)

        await asyncio.to_thread(end)
        self._sessions.forget(id_hash)

    async def local(self) -> Principal:
        """A program on this machine that sends no key. If the database does not answer now, its last answer counts.

        Raises:
            ApiProblem: there are other tenants, so every caller needs a key.
            DatabaseUnavailable: the database has not answered yet.
        """
        try:
            self._was_shared = await self._shared.get("")
            limit = await self._limits.get(DEFAULT_TENANT)
        except DatabaseUnavailable:
            if self._was_shared is None:
                raise
            limit = None
        if self._was_shared:
            raise unauthorized(f"a key is required, because there are tenants other than {DEFAULT_TENANT}")
        return LOCAL if limit is None else Principal(LOCAL.tenant, LOCAL.scopes, None, limit)

    def _find(self, public: str) -> FoundKey | None:
        with self._database.begin() as conn:
            return keys.find(conn, public)

    def _find_session(self, id_hash: str) -> FoundSession | None:
        with self._database.begin() as conn:
            return sessions.find_session(conn, id_hash)

    def _has_others(self, _: str) -> bool:
        with self._database.begin() as conn:
            return tenants.any_other(conn)

    def _limit(self, tenant: str) -> int | None:
        with self._database.begin() as conn:
            return keys.jobs_per_minute(conn, tenant)


@dataclass(slots=True)
class _Entry(Generic[T]):
    asked_at: float
    value: T
    again: asyncio.Task[None] | None = None


class _Remembered(Generic[T]):
    """Answers of the database: one query at a time for each, refreshed in the background before they are too old."""

    def __init__(self, ask: Callable[[str], T]) -> None:
        self._ask = ask
        self._entries: dict[str, _Entry[T]] = {}
        self._asking: dict[str, asyncio.Task[T]] = {}

    async def get(self, name: str) -> T:
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(name)
        if entry is None or now - entry.asked_at > STALE_S:
            return await self._asked(name)
        if now - entry.asked_at > FRESH_S and (entry.again is None or entry.again.done()):
            entry.again = asyncio.create_task(self._ask_again(name))
        return entry.value

    def forget(self, name: str) -> None:
        """Ask again at the next `get`."""
        self._entries.pop(name, None)

    def _asked(self, name: str) -> Awaitable[T]:
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._fetch(name))
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return asyncio.shield(task)  # other requests wait for it too

    async def _fetch(self, name: str) -> T:
        asked_at = asyncio.get_running_loop().time()
        value = await asyncio.to_thread(self._ask, name)
        if len(self._entries) >= MAX_KEPT:  # a client is guessing keys; those in use come back
            self._entries.clear()
        self._entries[name] = _Entry(asked_at, value)
        return value

    async def _ask_again(self, name: str) -> None:
        try:
            await self._asked(name)
        except DatabaseUnavailable as exc:
            log.warning("api.key_not_checked %s", exc)

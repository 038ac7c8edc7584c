"""Whether a callback is the gateway's own: by the account's secret, or by the keys that the gateway publishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from seedance.account import Account
from seedance.gateways.base import Callback, CallbackProof
from seedance.gateways.signatures import WRONG, keys_of_jwks
from seedance.network.outbound import Outbound
from seedance.network.sessions import failure_text, open_session
from seedance.problems import InvalidInput
from storage.settings import Settings

KEYS_LIFE_S = 24 * 3600.0
"""fal's page: "cache them for at most 24 hours"."""
FRESH_S = 300.0
"""Keys younger than that are not fetched again because a signature does not match: anyone can send a wrong one."""
FETCH_S = 5.0
AGAIN_S = 10.0
"""After a failed fetch, callbacks are answered without another one for so long: they would wait for each other."""
MAX_KEYS_BYTES = 64 * 1024


class KeysUnavailable(Exception):
    """The gateway's keys could not be fetched, so nothing can be said about a signature."""


@dataclass(slots=True)
class _Keys:
    keys: tuple[str, ...]
    fetched_at: float


class CallbackProofs:
    """Checks signatures for the accounts of now. Use it on one event loop."""

    def __init__(self, settings: Callable[[], Settings], outbound: Outbound) -> None:
        self._outbound = outbound
        self._settings = settings
        self._published: dict[str, _Keys] = {}
        self._failed: dict[str, tuple[KeysUnavailable, float]] = {}
        self._fetching = asyncio.Lock()

    async def forgery(self, account_name: str, callback: Callback) -> str | None:
        """Why a callback to this account's attempt is not the gateway's own; None if it is, or if nothing proves it:
        then the token in its URL suffices.

        Raises:
            KeysUnavailable: the gateway's keys could not be fetched, or the account's secret is not in the environment.
        """
        known = self._settings().accounts_named(account_name)
        account = known[0] if known else None
        if account is None or account.dialect.callback_proof is CallbackProof.NONE:
            return None
        if account.dialect.callback_proof is CallbackProof.SECRET:
            # A task that was submitted before the account got another secret is signed with the one before.
            secrets = [secret for secret in map(_secret, known) if secret is not None]
            return account.dialect.callback_forgery(callback, secrets, time.time()) if secrets else None
        url = account.callback_keys_url
        return None if url is None else await self._against_published(account, url, callback)

    async def _against_published(self, account: Account, url: str, callback: Callback) -> str | None:
        keys = await self._keys(url, KEYS_LIFE_S)
        why = account.dialect.callback_forgery(callback, keys, time.time())
        if why != WRONG:
            return why
        again = await self._keys(url, FRESH_S)  # they may have been replaced
        return why if again == keys else account.dialect.callback_forgery(callback, again, time.time())

    async def _keys(self, url: str, life_s: float) -> tuple[str, ...]:
        async with self._fetching:
            known = self._published.get(url)
            if known is not None and time.monotonic() - known.fetched_at <= life_s:
                return known.keys
            failed, failed_at = self._failed.get(url, (None, 0.0))
            if failed is not None and time.monotonic() - failed_at < AGAIN_S:
                raise KeysUnavailable(str(failed))
            try:
                keys = await self._fetch(url)
            except KeysUnavailable as exc:
                self._failed[url] = (exc, time.monotonic())
                raise
            self._published[url] = _Keys(keys, time.monotonic())
            return keys

    async def _fetch(self, url: str) -> tuple[str, ...]:
        body = bytearray()
        try:
            async with (
                open_session(self._outbound, timeout=aiohttp.ClientTimeout(total=FETCH_S)) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                async for part in response.content.iter_any():
                    body += part
                    if len(body) > MAX_KEYS_BYTES:
                        raise KeysUnavailable(f"the keys at {url} have more than {MAX_KEYS_BYTES} bytes")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise KeysUnavailable(f"cannot fetch the keys at {url}: {failure_text(exc)}") from exc
        keys = keys_of_jwks(bytes(body))
        if response.status != 200 or not keys:
            raise KeysUnavailable(f"no Ed25519 keys at {url} (HTTP {response.status})")
        return keys


def _secret(account: Account) -> str | None:
    try:
        return account.callback_secret()
    except InvalidInput as exc:
        raise KeysUnavailable(str(exc)) from exc

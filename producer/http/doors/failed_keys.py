"""Slow down clients that show wrong keys, by the address that they come from.

Keys of the database cannot be guessed, but the operator's own key may be shorter, and each wrong key costs a query.
Waiting comes before the check, so that a right guess is no faster. Others behind the same address are not locked out:
a key that was right before does not wait, the operator's own only from where it was right.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from producer.http.problems import ApiProblem

log = logging.getLogger("reelq.api")

FREE = 30.0
"""Wrong keys of one address before it has to wait."""
FORGIVEN_PER_S = 0.5
WAIT_S = 1.0
MAX_WAITING = 8
"""Requests of one address that wait at once: with `WAIT_S`, how many keys it can try per second."""
MAX_ADDRESSES = 10_000
MAX_RIGHT = 10_000
"""Keys and sessions that are remembered because they were right, those that were used last."""


@dataclass(slots=True)
class _Address:
    level: float = 0.0
    at: float = 0.0
    waiting: int = 0


class FailedKeys:
    """Counts them for the addresses that failed last. One per process; use it on the event loop."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Address] = OrderedDict()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    async def wait(self, address: str, secret: str) -> None:
        """Wait before a key or session from this address is checked, if the address has shown many wrong ones and this
        one was not right before.

        Raises:
            ApiProblem: too many of its requests wait already (429).
        """
        found = self._addresses.get(_network(address))
        if found is None or _level(found) < FREE or any(mark in self._right for mark in _marks(address, secret)):
            return
        if found.waiting >= MAX_WAITING:
            detail = "too many wrong keys came from your address"
            raise ApiProblem(429, "too_many_wrong_keys", detail, advice="Retry later.", headers={"Retry-After": "2"})
        found.waiting += 1
        try:
            await asyncio.sleep(WAIT_S)
        finally:
            found.waiting -= 1

    def was_right(self, address: str, secret: str, *, guessable: bool) -> None:
        """Remember a key or session that may be used. `guessable`: only from this address."""
        mark = _marks(address, secret)[guessable]
        self._right[mark] = None
        self._right.move_to_end(mark)
        if len(self._right) > MAX_RIGHT:
            self._right.popitem(last=False)

    def note(self, address: str, path: str, secret: str, key_id: str | None) -> None:
        """Count and log a wrong key, or a session that has ended. `key_id`: its public part, None if it has none."""
        for mark in _marks(address, secret):
            self._right.pop(mark, None)
        name = _network(address)
        found = self._addresses.setdefault(name, _Address())
        self._addresses.move_to_end(name)
        found.level, found.at = _level(found) + 1, time.monotonic()
        if len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        log.warning("api.wrong_key peer=%s path=%r key_id=%s lately=%d", address, path[:200], key_id, found.level)


def _level(found: _Address) -> float:
    return max(0.0, found.level - (time.monotonic() - found.at) * FORGIVEN_PER_S)


def _marks(address: str, secret: str) -> tuple[bytes, bytes]:
    """What stands for a key from anywhere, and from this address."""
    digest = hashlib.sha256(secret.encode()).digest()
    return digest, digest + _network(address).encode()


def _network(address: str) -> str:
    """The address, or of IPv6 the network, which usually belongs to one client."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)

"""Which client asks about which tasks: a task keeps the key that it was submitted with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from seedance.client import GatewayClient
from storage.database import Connection
from worker.runtime import Runtime


class Keyed(Protocol):
    """Something that was submitted with a key. None: with that of the configuration."""

    @property
    def key_id(self) -> int | None: ...


K = TypeVar("K", bound=Keyed)


def clients_of(
    runtime: Runtime, conn: Connection, account: str, items: Sequence[K]
) -> list[tuple[GatewayClient | None, list[K]]]:
    """The items of one account by client; None: there is no such account.

    The accounts are read again if one of the keys is not known yet: it is newer than this process's settings.
    """
    known = runtime.settings.book.by_key
    if any(item.key_id is not None and item.key_id not in known for item in items):
        runtime.live.refresh(conn)
    by_key: dict[int | None, list[K]] = {}
    for item in items:
        found = runtime.settings.account_with_key(account, item.key_id)
        by_key.setdefault(None if found is None else found.key_id, []).append(item)
    return [(runtime.client(account, key_id), same) for key_id, same in by_key.items()]

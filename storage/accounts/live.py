"""Settings that follow the accounts in the database while a process runs."""

from __future__ import annotations

import logging
import threading
import time

from storage.accounts.reading import read_book, version_of
from storage.database import Connection, Database, DatabaseUnavailable
from storage.settings import Settings

log = logging.getLogger("reelq.accounts")

EVERY_S = 2.0
"""How old an answer about the version may be for a process that has nothing else to ask the database for."""


class LiveSettings:
    """The settings of one process. `current` never waits; a caller with a connection refreshes it."""

    def __init__(self, settings: Settings) -> None:
        self._current = settings
        self._loaded = False
        self._checked_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def current(self) -> Settings:
        """The settings as they were read last."""
        return self._current

    @property
    def version(self) -> int:
        """The version of the accounts in `current`."""
        return self._current.book.version

    def refresh(self, conn: Connection) -> Settings:
        """The settings as they are now; only the version is read if nothing has changed."""
        with self._lock:
            if not self._loaded or version_of(conn) != self.version:
                self._load(conn)
            self._checked_at = time.monotonic()
            return self._current

    def ensure(self, conn: Connection) -> Settings:
        """The settings; the accounts of the database are read if they never were."""
        return self._current if self._loaded else self.refresh(conn)

    def fresh(self, database: Database) -> Settings:
        """The settings as they were at most `EVERY_S` ago; older ones while the database does not answer.

        Raises:
            DatabaseUnavailable: the accounts of the database were never read.
        """
        if time.monotonic() - self._checked_at > EVERY_S:
            if self._loaded:
                self._checked_at = time.monotonic()  # other threads go on with what is known
            try:
                with database.begin() as conn:
                    self.refresh(conn)
            except DatabaseUnavailable:
                if not self._loaded:
                    raise
        return self._current

    def _load(self, conn: Connection) -> None:
        before = self._current.book
        book = read_book(conn, self._current)
        self._current = self._current.with_book(book)
        hidden = {account.name for account in book.accounts} & {a.name for a in self._current.configured_accounts}
        for name in sorted(hidden):
            log.warning("account.hidden account=%s: the one in reelq.toml is used, not that of the database", name)
        for name, why in book.unusable.items():
            if before.unusable.get(name) != why:
                log.error("account.unusable account=%s %s", name, why)
        if self._loaded:
            log.info("accounts.changed version=%d accounts=%d", book.version, len(self._current.accounts))
        self._loaded = True


def with_accounts(conn: Connection, settings: Settings) -> Settings:
    """The settings with the accounts of the database, read once."""
    return LiveSettings(settings).refresh(conn)

"""The database that the settings name; its transactions hint the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Collection

from storage.database import Database
from storage.settings import Settings
from storage.waking.hints import Hints


class ConfiguredDatabase(Database):
    """The database of `settings`."""

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        size: int,
        wait_s: float = 30.0,
        on_due: Callable[[Collection[str]], None] | None = None,
    ) -> None:
        """
        Raises:
            InvalidInput: `database_url` is missing.
            DatabaseUnavailable: it cannot be read.
        """
        super().__init__(
            settings.require_database_url(),
            name=name,
            size=size,
            wait_s=wait_s,
            prepared=settings.database_prepared_statements,
            on_due=on_due,
        )


class HintingDatabase(ConfiguredDatabase):
    """The same; after each commit that made work due, the scheduler gets a hint, if a broker is configured."""

    def __init__(self, settings: Settings, *, name: str, size: int, wait_s: float = 30.0) -> None:
        """
        Raises:
            InvalidInput, DatabaseUnavailable: as above; or `broker_url` cannot be used.
        """
        self._hints = None if settings.broker_url is None else Hints(settings.require_broker())
        on_due = None if self._hints is None else self._hints.give
        super().__init__(settings, name=name, size=size, wait_s=wait_s, on_due=on_due)

    def close(self) -> None:
        super().close()
        if self._hints is not None:
            self._hints.close()

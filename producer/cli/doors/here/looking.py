"""Models, explanations and tenants at the server: of its configuration and its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from producer.campaigns.reading.options import ReadingOptions
from producer.explanation import Explanation
from producer.explanation import explain as explain_jobs
from producer.model_catalog import model_catalog
from storage.admission.spending import budgets
from storage.database import connect
from storage.settings import Settings
from storage.tenants import tenants


class LookingHere:
    """A door on the configuration."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def models(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """As `LookingDoor`."""
        return list(model_catalog(self._settings, account))

    def explain(
        self,
        texts: Sequence[str],
        account: str | None,
        options: ReadingOptions,
        mapped: Sequence[str],
        note: Callable[[str], None],
    ) -> Iterator[Explanation]:
        """As `LookingDoor`."""
        return explain_jobs(texts, self._settings, account, options, note)

    def tenants(self) -> Sequence[Mapping[str, Any]]:
        """As `LookingDoor`."""
        with connect(self._settings.require_database_url()) as conn:
            found = [
                (item, next(iter(budgets.budgets_of(conn, item.name)), None)) for item in tenants.list_tenants(conn)
            ]
        return [asdict(item) | {"budget": None if budget is None else budget.as_dict()} for item, budget in found]

"""Rows of campaigns at the server: of its database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from producer.campaigns.decisions.carry_out import carried_out, carry_out, preview
from producer.campaigns.decisions.choice import Choice
from producer.campaigns.decisions.verdicts import Terms, Verb
from producer.campaigns.overview import overview_of
from producer.cli.doors.preview import Preview
from producer.client import Producer


class RowsHere:
    """A door on a producer."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def overview(self, name: str) -> Mapping[str, Any]:
        """As `RowsDoor`."""
        with self._producer.database.begin() as conn:
            return overview_of(conn, self._producer.settings, self._producer.tenant, name).as_dict()

    def carried_out(
        self, name: str, verb: Verb, choice: Choice, terms: Terms, operation: str
    ) -> Mapping[str, Any] | None:
        """As `RowsDoor`."""
        before = carried_out(self._producer, name, verb, choice, terms, operation)
        return None if before is None else before.document

    def preview(self, name: str, verb: Verb, choice: Choice, terms: Terms) -> Preview:
        """As `RowsDoor`."""
        decision = preview(self._producer, name, verb, choice, terms)
        return Preview(decision.as_dict(), [act.row.id for act in decision.acts])

    def carry_out(
        self, name: str, verb: Verb, choice: Choice, terms: Terms, operation: str | None
    ) -> tuple[Mapping[str, Any], bool]:
        """As `RowsDoor`."""
        done = carry_out(self._producer, name, verb, choice, terms, operation)
        return done.document, done.known

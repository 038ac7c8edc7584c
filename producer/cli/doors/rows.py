"""What `reelq campaign status`, `approve`, `reject` and the other decisions ask: of the database, or of the API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import typer

from producer.campaigns.decisions.choice import Choice
from producer.campaigns.decisions.verdicts import Terms, Verb
from producer.cli.doors.choice import api_client
from producer.cli.doors.preview import Preview


class RowsDoor(Protocol):
    """Every method raises `CampaignNotFound`, and `InvalidInput` for a choice or a field that is not valid."""

    def overview(self, name: str) -> Mapping[str, Any]:
        """The campaign by its rows, as JSON (`Overview.as_dict`)."""
        ...

    def carried_out(
        self, name: str, verb: Verb, choice: Choice, terms: Terms, operation: str
    ) -> Mapping[str, Any] | None:
        """What an operation did when it was carried out, as JSON; None: it was not."""
        ...

    def preview(self, name: str, verb: Verb, choice: Choice, terms: Terms) -> Preview:
        """What a decision would do now."""
        ...

    def carry_out(
        self, name: str, verb: Verb, choice: Choice, terms: Terms, operation: str | None
    ) -> tuple[Mapping[str, Any], bool]:
        """Decide; returns what was done as JSON (`Done.document`), and whether the operation was carried out before."""
        ...


def open_rows(ctx: typer.Context, given: Path | None, tenant: str) -> RowsDoor:
    """The way that this command goes.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
        DatabaseUnavailable: the database does not answer or is not up to date.
    """
    # Imported here, as below: each way needs what the other does not, and all of it takes long.
    if (reelq := api_client(ctx, given, tenant)) is None:
        from producer.cli.doors.here.rows import RowsHere
        from producer.cli.shared.producers import open_producer

        return RowsHere(ctx.with_resource(open_producer(ctx, given, tenant)))
    from producer.cli.doors.there.rows import RowsThere

    return RowsThere(reelq)

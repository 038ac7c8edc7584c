"""What `reelq models`, `explain` and `tenants list` ask: of the configuration and the database, or of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import typer

from producer.campaigns.reading.options import ReadingOptions
from producer.cli.doors.choice import api_client
from producer.explanation import Explanation


class LookingDoor(Protocol):
    """Every method raises `InvalidInput` for what there is not."""

    def models(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """The models of each account, as JSON (`model_catalog`)."""
        ...

    def explain(
        self,
        texts: Sequence[str],
        account: str | None,
        options: ReadingOptions,
        mapped: Sequence[str],
        note: Callable[[str], None],
    ) -> Iterator[Explanation]:
        """What each account would be sent for files of jobs, jobs and prompts."""
        ...

    def tenants(self) -> Sequence[Mapping[str, Any]]:
        """The tenants, as JSON."""
        ...


def open_looking(ctx: typer.Context, given: Path | None, tenant: str | None) -> LookingDoor:
    """The way that this command goes. `tenant`: as whom it looks; None: as the operator.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
    """
    # Imported here: each way needs what the other does not, and all of it takes long.
    if (reelq := api_client(ctx, given, tenant)) is None:
        from producer.cli.doors.here.looking import LookingHere
        from producer.cli.shared.access import accounts_of

        settings = accounts_of(ctx, given)
        return LookingHere(settings if tenant is None else settings.for_tenant(tenant))
    from producer.cli.doors.there.looking import LookingThere

    return LookingThere(reelq)

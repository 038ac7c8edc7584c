"""What `reelq campaign export|sheet|download|share` ask and decide: of the database and the bucket, or of the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import typer

from producer.cli.doors.choice import api_client
from producer.cli.doors.wanted import Wanted
from producer.cli.shared.data_dir import directory
from storage.campaigns.shares import Share
from storage.settings import data_dir as data_directory
from storage.settings import read_stack

if TYPE_CHECKING:
    from producer.campaigns.results.download import Videos
    from producer.campaigns.results.results import Result


class ResultsDoor(Protocol):
    """Every method raises `CampaignNotFound`, and `InvalidInput` for a file that cannot be written."""

    def lines(self, wanted: Wanted) -> Iterator[bytes]:
        """The rows as JSONL."""
        ...

    def export(self, wanted: Wanted, to: Path, posters: bool | None) -> int:
        """Write the sheet as the suffix of the file says; returns how many rows it has. `posters` None: up to 2,000
        rows."""
        ...

    def sheet(self, wanted: Wanted, to: Path) -> None:
        """Write the page with all videos."""

    def results(self, wanted: Wanted) -> tuple[Sequence[str], Sequence[Result]]:
        """The names of the columns, and the rows."""
        ...

    def videos(self) -> Videos:
        """Where the videos are."""
        ...

    def share(self, name: str, days: float, *, approved_only: bool) -> tuple[Share, str]:
        """Make a link; returns it and its URL, which is relative if the address of the API is not known."""
        ...

    def shares(self, name: str) -> Sequence[Share]:
        """The links, newest first."""
        ...

    def revoke_share(self, name: str, share_id: UUID) -> bool:
        """End a link; False: there is none."""
        ...


def open_results(ctx: typer.Context, given: Path | None, tenant: str) -> ResultsDoor:
    """The way that this command goes.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
    """
    reelq = api_client(ctx, given, tenant)
    if reelq is None:
        from producer.cli.doors.here.results import ResultsHere
        from producer.cli.shared.access import settings_of

        settings = settings_of(ctx, given)
        base = settings.public_url or read_stack(data_directory(directory(ctx, given))).get("api")
        return ctx.with_resource(ResultsHere(settings, tenant, base))
    from producer.cli.doors.there.results import ResultsThere

    return ResultsThere(reelq)

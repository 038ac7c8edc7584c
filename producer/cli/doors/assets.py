"""What `reelq assets list` and `upload` ask: of the database and the gateway, or of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import typer

from producer.cli.doors.choice import api_client
from producer.intake.asset_uploads import LocalAsset, Uploaded


class AssetsDoor(Protocol):
    """Every method raises `InvalidInput` if no account, or more than one, is meant, and `GatewayError`."""

    def known(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """The assets that reelq uploaded."""
        ...

    def remote(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """The assets that the gateway lists."""
        ...

    def files(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """The files of the tenant in the bucket, newest first."""
        ...

    def upload(
        self, files: Sequence[LocalAsset], account: str | None, group: str, timeout_s: float
    ) -> Iterator[Uploaded]:
        """Upload files as assets, and wait until they can be used."""
        ...


def open_assets(ctx: typer.Context, given: Path | None, tenant: str) -> AssetsDoor:
    """The way that this command goes.

    Raises:
        InvalidInput: the configuration cannot be used, or `--tenant` is given although the key decides.
    """
    # Imported here: each way needs what the other does not, and all of it takes long.
    if (reelq := api_client(ctx, given, tenant)) is None:
        from producer.cli.doors.here.assets import AssetsHere
        from producer.cli.shared.access import accounts_of

        return AssetsHere(accounts_of(ctx, given), tenant)
    from producer.cli.doors.there.assets import AssetsThere

    return AssetsThere(reelq)

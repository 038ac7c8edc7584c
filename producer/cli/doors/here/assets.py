"""Assets at the server: of its database, and of the gateways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from producer.cli.doors.here.names import check_tenant
from producer.intake.asset_uploads import LocalAsset, Uploaded, account_for_assets, upload_all
from producer.operator_actions.assets import known_assets
from storage.database import Database, connect
from storage.settings import Settings
from storage.uploads.records import list_uploads


class AssetsHere:
    """A door on the configuration."""

    def __init__(self, settings: Settings, tenant: str) -> None:
        self._settings, self._tenant = settings, tenant

    def known(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """As `AssetsDoor`."""
        with connect(self._settings.require_database_url()) as conn:
            return known_assets(conn, account, self._settings.accounts, others=True)

    def remote(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """As `AssetsDoor`."""
        # Imported here: the HTTP client would be a third of the time of this command without --remote.
        from producer.operator_actions.remote_assets import remote_assets

        return remote_assets(self._settings, account_for_assets(self._settings.accounts, account))

    def files(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """As `AssetsDoor`."""
        with connect(self._settings.require_database_url()) as conn:
            found = list_uploads(conn, self._tenant, limit=limit)
            if not found:
                check_tenant(conn, self._tenant)
        return [asdict(view) | {"url": view.reference} for view in found]

    def upload(
        self, files: Sequence[LocalAsset], account: str | None, group: str, timeout_s: float
    ) -> Iterator[Uploaded]:
        """As `AssetsDoor`."""
        settings = self._settings.for_tenant(self._tenant)
        chosen = account_for_assets(settings.accounts, account)
        with closing(Database(settings.require_database_url(), name="reelq assets", size=1)) as database:
            yield from upload_all(database, settings, chosen, files, group, timeout_s)

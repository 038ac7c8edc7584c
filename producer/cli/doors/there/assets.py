"""Assets from elsewhere: of the API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from reelq_client import Reelq

from producer.cli.doors.there.translated import translated
from producer.intake.asset_uploads import PAUSE_S, LocalAsset, Uploaded

_OF_GATEWAY = {"account", "status", "asset", "group_id", "name", "error"}
_OF_FILE = {"id", "size_bytes", "name", "created_at", "in_use", "url"}
_WAIT_S = 30.0
"""How long one request waits until an asset can be used."""


class AssetsThere:
    """A door on a client."""

    def __init__(self, reelq: Reelq) -> None:
        self._reelq = reelq

    def known(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """As `AssetsDoor`."""
        with translated():
            found = self._reelq.assets.list(account=account)
        return [item.model_dump(include=set(type(item).model_fields)) for item in found]

    def remote(self, account: str | None) -> Sequence[Mapping[str, Any]]:
        """As `AssetsDoor`."""
        with translated():
            found = self._reelq.assets.list(account=account, remote=True)
        return [item.model_dump(include=_OF_GATEWAY) for item in found]

    def files(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """As `AssetsDoor`."""
        with translated():
            found = list(islice(self._reelq.uploads.iterate(), limit))
        return [item.model_dump(include=_OF_FILE) | {"reference": item.url} for item in found]

    def upload(
        self, files: Sequence[LocalAsset], account: str | None, group: str, timeout_s: float
    ) -> Iterator[Uploaded]:
        """As `AssetsDoor`."""
        for file in files:
            until = time.monotonic() + timeout_s
            done = self._once(file, account, group, until)
            is_new = done.is_new
            while done.status == "processing" and time.monotonic() < until:
                time.sleep(PAUSE_S)
                done = self._once(file, account, group, until)
                is_new = is_new or done.is_new
            yield replace(done, is_new=is_new)

    def _once(self, file: LocalAsset, account: str | None, group: str, until: float) -> Uploaded:
        wait = max(min(until - time.monotonic(), _WAIT_S), 0.0)
        with translated():
            done = self._reelq.assets.upload(file.path, account=account, group=group, wait=wait)
        return Uploaded(file.path, done.account, done.sha256, done.status, done.asset, done.is_new, done.error)

"""Files that gateways keep for accounts."""

from __future__ import annotations

from typing import Literal

from reelq_client.models.base import Model, Open


class AssetResource(Model):
    """An asset; jobs name it by `asset`, asset://ID. What only reelq's database knows is None with `remote`."""

    account: str
    status: str
    asset: str | None
    name: str
    group_id: str | None
    error: str | None
    modality: str | None = None
    sha256: str | None = None
    asset_id: str | None = None
    age_s: float | None = None


class AssetList(Model):
    """Every asset of the accounts that the key manages, oldest first."""

    data: list[AssetResource]


class AssetUpload(Model):
    """The result of an upload. `processing`: not usable yet; `unknown`: it may exist; either way, upload it again.
    `is_new` False: the account had it already."""

    account: str
    sha256: str
    status: Open[Literal["active", "processing", "failed", "unknown"]]
    asset: str | None
    is_new: bool
    error: str | None

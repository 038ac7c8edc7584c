"""How a stored file reaches a gateway: as an asset, as a link, or inside the request."""

from __future__ import annotations

from enum import StrEnum

from seedance.account import Account
from seedance.media import MediaKind
from seedance.models.rows import ModelRow
from seedance.request import Modality


class Delivery(StrEnum):
    """The form in which a stored file is sent."""

    ASSET = "asset"  # uploaded once per account, then asset://ID
    LINK = "link"  # a presigned URL of our bucket
    INLINE = "inline"  # a data URI


def delivery_of(account: Account, row: ModelRow, modality: Modality, *, reachable: bool) -> Delivery | None:
    """How to send a file to an account's gateway; None when there is no way.

    `row`: of the model that serves the request; `reachable`: whether the gateway can fetch links to our bucket.
    """
    kinds = row.media[modality].kinds
    if uses_assets(account) and MediaKind.ASSET in kinds:
        return Delivery.ASSET
    return delivery_without_asset(row, modality, reachable=reachable)


def delivery_without_asset(row: ModelRow, modality: Modality, *, reachable: bool) -> Delivery | None:
    """The same for an account whose key may not create assets."""
    kinds = row.media[modality].kinds
    if reachable and MediaKind.URL in kinds:
        return Delivery.LINK
    return Delivery.INLINE if MediaKind.DATA in kinds else None


def uses_assets(account: Account) -> bool:
    """Whether an account's files become assets, according to the configuration."""
    return account.assets is not False and account.dialect.capabilities().assets

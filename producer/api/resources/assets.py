"""Assets of gateways, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetResource:
    """A file that an account's gateway keeps. What the gateway itself does not list is null with `remote`."""

    account: str
    status: str
    asset: Annotated[str | None, Field(description="As jobs name it: asset://ID. Null: it does not exist yet.")]
    name: str
    group_id: str | None
    error: str | None
    modality: Annotated[str | None, Field(description="image, video or audio.")] = None
    sha256: str | None = None
    asset_id: str | None = None
    age_s: Annotated[float | None, Field(description="Since it was uploaded, in seconds.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetList:
    """Every asset of the accounts that the key manages, oldest first."""

    data: list[AssetResource]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetUpload:
    """The result of an upload."""

    account: str
    sha256: str
    status: Annotated[
        Literal["active", "processing", "failed", "unknown"],
        Field(
            description="`processing`: not usable yet; send the same again. `unknown`: the asset may exist; send the "
            "same again, which looks first."
        ),
    ]
    asset: Annotated[str | None, Field(description="As jobs name it: asset://ID. Null: it cannot be used.")]
    is_new: Annotated[bool, Field(description="False: the account had it already, and nothing was billed.")]
    error: str | None

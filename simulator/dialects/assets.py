"""Asset groups and their assets: content, owner, and whether a generation may use them yet."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simulator.dialects.base import random_id

Kind = Literal["image", "video", "audio"]
Status = Literal["Processing", "Active", "Failed"]


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    account: str
    name: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Asset:
    id: str
    account: str
    group_id: str
    name: str
    kind: Kind
    url: str
    """The address it was created from; empty for inline data."""
    sha256: str
    """SHA-256 of inline data, else empty."""
    size: int
    created_at: float
    ready_at: float
    fails: bool

    def status(self, now: float) -> Status:
        if now < self.ready_at:
            return "Processing"
        return "Failed" if self.fails else "Active"


class AssetStore:
    """The assets of all accounts; each account sees its own only."""

    def __init__(self, clock: Callable[[], float] = time.time, seconds: float = 1.0) -> None:
        self.clock = clock
        self.seconds = seconds
        """Time from creation to Active or Failed."""
        self.groups: dict[str, Group] = {}
        self.assets: dict[str, Asset] = {}
        self.billed: Counter[str] = Counter()
        """Number of billed calls per billing model."""
        self._owners: dict[str, int] = {}
        self._numbers = itertools.count(1001)

    def owner(self, account: str) -> int:
        """The small number of an account in the isolation prefix."""
        if account not in self._owners:
            self._owners[account] = next(self._numbers)
        return self._owners[account]

    def create_group(self, account: str, name: str) -> Group:
        group = Group(self._id("group"), account, name, self.clock())
        self.groups[group.id] = group
        return group

    def create(
        self, account: str, group_id: str, name: str, kind: Kind, *, url: str, sha256: str, size: int, fails: bool
    ) -> Asset:
        now = self.clock()
        asset = Asset(
            self._id("asset"), account, group_id, name, kind, url, sha256, size, now, now + self.seconds, fails
        )
        self.assets[asset.id] = asset
        return asset

    def refusal_reason(self, account: str, asset_id: str, kind: str, *, strict: bool) -> str | None:
        """Why a generation may not use an asset; None when it may. Unknown ids pass unless `strict`."""
        asset = self.assets.get(asset_id)
        if asset is None:
            return f"asset {asset_id} does not exist" if strict else None
        if asset.account != account:
            return f"asset {asset_id} does not exist"
        if asset.kind != kind:
            return f"asset {asset_id} is {asset.kind}, not {kind}"
        status = asset.status(self.clock())
        return None if status == "Active" else f"asset {asset_id} is {status}, not Active"

    def clear(self) -> None:
        self.groups.clear()
        self.assets.clear()
        self.billed.clear()

    def _id(self, kind: str) -> str:
        return f"{kind}-{time.strftime('%Y%m%d%H%M%S', time.gmtime(self.clock()))}-{random_id(5)}"

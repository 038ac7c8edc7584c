"""Asset groups and their assets: content, owner, and whether a generation may use them yet."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

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

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        seconds: float = 1.0,
        note: Callable[[Mapping[str, Any]], None] = lambda record: None,
    ) -> None:
        self.clock = clock
        self._note = note
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

    def create_group(self, account: str, name: str, model: str) -> Group:
        """Make a group, billed as that model."""
        group = Group(self._id("group"), account, name, self.clock())
        self._keep(group, model)
        self._note({"model": model, "group": asdict(group)})
        return group

    def create(
        self,
        account: str,
        group_id: str,
        name: str,
        kind: Kind,
        *,
        url: str,
        sha256: str,
        size: int,
        fails: bool,
        model: str,
    ) -> Asset:
        """Make an asset, billed as that model."""
        now = self.clock()
        asset = Asset(
            self._id("asset"), account, group_id, name, kind, url, sha256, size, now, now + self.seconds, fails
        )
        self._keep(asset, model)
        self._note({"model": model, "asset": asdict(asset)})
        return asset

    def restore(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take what an earlier run had noted, in its order."""
        for record in records:
            made = Group(**record["group"]) if "group" in record else Asset(**record["asset"])
            self._keep(made, record["model"])

    def _keep(self, made: Group | Asset, model: str) -> None:
        self.owner(made.account)
        if isinstance(made, Group):
            self.groups[made.id] = made
        else:
            self.assets[made.id] = made
        self.billed[model] += 1

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

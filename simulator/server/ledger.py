"""The ledger: every request and its outcome, so that a rehearsal can be verified."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from simulator.dialects.assets import AssetStore
from simulator.tasks.engine import Engine
from simulator.tasks.task import Phase, Task

MAX_REFUSALS = 20_000
_LONG_TEXT = 4096
# Two creates of one job may differ in these fields, so the comparison ignores them.
_NOT_IDENTITY = frozenset({"seed", "callback_url", "callBackUrl", "webhook_url", "execution_expires_after"})


class Ledger:
    """Refusals and totals. The tasks are the engine's."""

    def __init__(self, engine: Engine, assets: AssetStore) -> None:
        self._engine = engine
        self._assets = assets
        self._refusals: deque[dict[str, Any]] = deque(maxlen=MAX_REFUSALS)
        self._refused: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def refuse(self, gateway: str, account: str, status: int, reason: str) -> None:
        """Record a refused create."""
        self._refused[reason.partition(":")[0]] += 1
        moment = self._engine.clock()
        refusal = {"at": moment, "gateway": gateway, "account_key_hash": account, "status": status, "reason": reason}
        self._refusals.append(refusal)

    def clear(self) -> None:
        self._refusals.clear()
        self._refused.clear()
        self.counts.clear()

    def summary(self) -> dict[str, Any]:
        """The totals only; cheap enough to read every second."""
        now = self._engine.clock()
        tasks = list(self._engine.tasks.values())
        phases = Counter(str(task.phase(now)) for task in tasks)
        groups = Counter(request_hash(task.gateway, task.order.body) for task in tasks)
        return {
            "tasks": len(tasks),
            "by_status": dict(phases),
            "by_gateway": dict(Counter(task.gateway for task in tasks)),
            "polls": sum(task.polls for task in tasks),
            "fetches": sum(task.fetches for task in tasks),
            "complete_fetches": sum(task.complete_fetches for task in tasks),
            "bytes_served": sum(task.bytes_served for task in tasks),
            "tokens_billed": sum(task.tokens for task in tasks if task.phase(now) is Phase.SUCCEEDED),
            "duplicate_requests": sum(1 for count in groups.values() if count > 1),
            "duplicate_tasks": sum(count - 1 for count in groups.values()),
            "refused": sum(self._refused.values()),
            "refused_by_reason": dict(self._refused),
            "requests": dict(self.counts),
            "assets": len(self._assets.assets),
            "asset_calls_billed": dict(self._assets.billed),
        }

    def details(self) -> dict[str, Any]:
        """The totals, every task and every refusal."""
        now = self._engine.clock()
        tasks = list(self._engine.tasks.values())
        hashes = [request_hash(task.gateway, task.order.body) for task in tasks]
        same = Counter(hashes)
        members: dict[str, list[str]] = {}
        for task, key in zip(tasks, hashes, strict=True):
            if same[key] > 1:
                members.setdefault(key, []).append(task.id)
        return {
            "now": now,
            "totals": self.summary(),
            "tasks": [_entry(task, key, same[key], now) for task, key in zip(tasks, hashes, strict=True)],
            "duplicates": [{"request_hash": key, "count": same[key], "ids": ids} for key, ids in members.items()],
            "assets": [asdict(asset) | {"status": asset.status(now)} for asset in self._assets.assets.values()],
            "refused": list(self._refusals),
        }


def request_hash(gateway: str, body: Mapping[str, Any]) -> str:
    """A hash that ignores seeds, expiries and callback addresses: two creates of one request have the same hash."""
    canonical = orjson.dumps([gateway, _identity(body)], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=12).hexdigest()


def shortened(value: Any) -> Any:
    """The same JSON with long strings (inline media) replaced by their length and hash."""
    if isinstance(value, str) and len(value) > _LONG_TEXT:
        return f"{value[:64]}… ({len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()})"
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    return value


def _identity(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _identity(item) for name, item in value.items() if name not in _NOT_IDENTITY}
    return value


def _entry(task: Task, key: str, submissions: int, now: float) -> dict[str, Any]:
    return {
        "id": task.id,
        "upstream_id": task.upstream_id,
        "number": task.number,
        "gateway": task.gateway,
        "account_key_hash": task.account,
        "model": task.order.model,
        "prompt": task.order.prompt,
        "body": task.order.body,
        "request_hash": key,
        "submissions": submissions,
        "created_at": task.created_at,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(task.created_at)),
        "generation_s": task.total_s,
        "status": str(task.phase(now)),
        "fate": task.fate.ending,
        "deleted": task.deleted,
        "polls": task.polls,
        "ends_at": task.ends_at,
        "told_at": task.told_at,
        "fetches": task.fetches,
        "complete_fetches": task.complete_fetches,
        "bytes_served": task.bytes_served,
        "callbacks": task.callbacks,
        "callbacks_taken": task.callbacks_taken,
        "seed": task.seed,
        "tokens": task.tokens,
        "sha256": task.sha256,
        "size": task.size,
    }

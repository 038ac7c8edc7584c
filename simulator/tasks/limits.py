"""The limits of an account, and of each of its models: creates per minute and unfinished tasks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

WINDOW_S = 60.0
Limit = Literal["requests_per_minute", "max_in_flight"]


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """None: no limit."""

    requests_per_minute: int | None = None
    max_in_flight: int | None = None


NO_LIMITS = AccountLimits()


@dataclass(frozen=True, slots=True)
class Scope:
    """What one limit counts: its key, its limits, and the unfinished tasks in it."""

    key: tuple[str, ...]
    limits: AccountLimits
    in_flight: int


def lane_of(model: str, resolution: str) -> str:
    """What counts together at one account: the tasks of a model, and its 4K tasks apart."""
    return f"{model}@4k" if resolution == "4k" else model


class Limiter:
    """Counts the creates of each scope in a sliding minute."""

    def __init__(self, default: AccountLimits) -> None:
        self.default = default
        self.by_account: dict[str, AccountLimits] = {}
        self.by_lane: dict[str, AccountLimits] = {}
        """By model, as `lane_of` names them; they win over the limits of the dialect."""
        self._recent: dict[tuple[str, ...], deque[float]] = {}

    def of(self, account: str) -> AccountLimits:
        return self.by_account.get(account, self.default)

    def admit(self, scopes: Sequence[Scope], now: float) -> tuple[Limit, AccountLimits] | None:
        """Count one create in every scope. Returns the limit that it exceeds and the limits of that scope, or None. A
        create refused by a rate is not counted."""
        paced = [(self._recent_of(scope.key, now), scope.limits) for scope in scopes]
        for recent, limits in paced:
            if limits.requests_per_minute is not None and len(recent) >= limits.requests_per_minute:
                return "requests_per_minute", limits
        for recent, limits in paced:
            if limits.requests_per_minute is not None:
                recent.append(now)
        for scope in scopes:
            if scope.limits.max_in_flight is not None and scope.in_flight >= scope.limits.max_in_flight:
                return "max_in_flight", scope.limits
        return None

    def clear(self) -> None:
        self._recent.clear()

    def _recent_of(self, key: tuple[str, ...], now: float) -> deque[float]:
        recent = self._recent.setdefault(key, deque())
        while recent and recent[0] <= now - WINDOW_S:
            recent.popleft()
        return recent

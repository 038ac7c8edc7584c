"""The limits of an account: creates per minute and unfinished tasks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

WINDOW_S = 60.0
Limit = Literal["requests_per_minute", "max_in_flight"]


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """None: no limit."""

    requests_per_minute: int | None = None
    max_in_flight: int | None = None


class Limiter:
    """Counts the creates of each account in a sliding minute."""

    def __init__(self, default: AccountLimits) -> None:
        self.default = default
        self.by_account: dict[str, AccountLimits] = {}
        self._recent: dict[tuple[str, str], deque[float]] = {}

    def of(self, account: str) -> AccountLimits:
        return self.by_account.get(account, self.default)

    def admit(self, gateway: str, account: str, now: float, in_flight: int) -> Limit | None:
        """Count one create. Returns the limit that it exceeds, or None. A create refused by the rate is not counted."""
        limits = self.of(account)
        if limits.requests_per_minute is not None:
            recent = self._recent.setdefault((gateway, account), deque())
            while recent and recent[0] <= now - WINDOW_S:
                recent.popleft()
            if len(recent) >= limits.requests_per_minute:
                return "requests_per_minute"
            recent.append(now)
        if limits.max_in_flight is not None and in_flight >= limits.max_in_flight:
            return "max_in_flight"
        return None

    def clear(self) -> None:
        self._recent.clear()

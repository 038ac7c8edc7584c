"""Which generation times are recorded, so that the few that are kept tell of a whole generation's time.

Many tasks that began together end together, the quick ones first. If all were recorded, those kept would be of one
moment, and alike.
"""

from __future__ import annotations

import time

from storage.jobs.durations import KEPT, Kind

AT_ONCE = 16.0
"""How many of one moment are recorded, where few are in flight."""
MOST_KINDS = 500


class Thinning:
    """Takes as many times of a kind, evenly, as are kept of it while one generation takes place."""

    def __init__(self) -> None:
        self._left: dict[Kind, tuple[float, float]] = {}
        """How many may be taken at once, and when that was so."""

    def take(self, kind: Kind, seconds: float, now: float | None = None) -> bool:
        """Whether to record a generation that took this long. `now`: on the monotonic clock."""
        now = time.monotonic() if now is None else now
        left, at = self._left.get(kind, (AT_ONCE, now))
        left = min(AT_ONCE, left + (now - at) * KEPT / max(seconds, 0.1))
        if taken := left >= 1.0:
            left -= 1.0
        if len(self._left) >= MOST_KINDS and kind not in self._left:
            self._left.clear()
        self._left[kind] = (left, now)
        return taken

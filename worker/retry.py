"""How long to wait before the next try: every backoff policy of the workers, by name.

Polls of a task that is still generating are not retries: `worker.polling.pacing` plans those.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow with each failure in a row, up to a cap, with a random spread so that jobs do not retry together.

    Times are in seconds. `spread` is the range of the random factor.
    """

    first_s: float
    cap_s: float
    growth: float = 2.0
    spread: tuple[float, float] = (0.5, 1.0)

    def wait_s(self, failures: int, rng: random.Random | None = None) -> float:
        """Seconds to wait after the n-th failure in a row (n ≥ 1)."""
        whole_s = min(self.cap_s, self.first_s * self.growth ** min(max(failures, 1) - 1, 60))
        return whole_s * (rng or random).uniform(*self.spread)


# --- one job ---

NOT_SENT = Backoff(1.0, 20.0)
"""A POST that was never sent, because the gateway could not be reached. In an outage the account is paused instead."""
THROTTLED = Backoff(1.0, 15.0)
"""A POST that the gateway refused with "too many" without naming a time."""
NOT_SERVED = Backoff(1.0, 120.0)
"""A POST to a URL without a gateway. The cap equals the longest pause of the account: if a proxy gives this answer
after the gateway accepted the job, each try costs a generation."""
INPUT_NOT_READY = Backoff(1.0, 60.0)
"""A POST refused because the gateway could not fetch or use one of its files yet."""
REQUEUED = Backoff(1.0, 20.0)
"""A job whose account or model failed: that one is paused, and the job is free for another account."""
CANCEL = Backoff(0.5, 10.0)
"""The request to cancel a task that is still queued: it may begin at any moment."""
TRANSFER = Backoff(0.5, 60.0)
TRANSFER_EARLY = Backoff(0.5, 20.0)
"""A copy in the first minutes after the generation: use a store or host soon again after an outage of a minute."""
MAKE_WAY = Backoff(6.0, 6.0)
"""A copy that was not begun because its host has its full share of the slots."""
LAST_FRAME = Backoff(0.5, 60.0)
PLAYABLE = Backoff(60.0, 600.0)
"""A copy that every browser plays: it takes much CPU, and is seldom urgent."""

# --- a process ---

JOURNAL = Backoff(1.0, 10.0)
"""Entries of the journal that the store did not take."""

# --- an account or a model; no spread, because only one row waits ---

OUTAGE = Backoff(1.0, 15.0, 1.25, (1.0, 1.0))
"""The gateway is down and clearly accepts nothing: a try costs nothing."""
DOUBTFUL_OUTAGE = Backoff(5.0, 120.0, 2.0, (1.0, 1.0))
"""The gateway is down and leaves each outcome open: a try may cost a generation that a person must look for."""
REFUSED_ACCOUNT = Backoff(10.0, 900.0, 2.0, (1.0, 1.0))
"""The gateway refuses the key or the credit."""
REFUSED_MODEL = Backoff(10.0, 900.0, 2.0, (1.0, 1.0))
"""The gateway refuses one model to this key."""
MISROUTED = Backoff(5.0, 120.0, 2.0, (1.0, 1.0))
"""The URL does not lead to the gateway's API. If a proxy gives this answer after the gateway accepted the job, a try
costs a generation."""
TOO_MANY = Backoff(1.0, 15.0, 1.3, (1.0, 1.0))
"""The gateway said "too many" and named no time."""

# --- connections ---

WEBHOOK = Backoff(5.0, 6 * 3600.0, 3.0, (0.8, 1.2))
STORE_REQUEST = Backoff(1.0, 60.0)
DOWNLOAD_RESUME = Backoff(0.4, 60.0, 2.0, (1.0, 1.0))
STORE_DOWN = Backoff(1.0, 15.0, 2.0, (1.0, 1.0))
"""The object store accepts no objects: the pause before the next probe."""
DATABASE_WRITE = Backoff(0.1, 2.0, 2.0, (1.0, 1.0))


def poll_failed(least_s: float, most_s: float) -> Backoff:
    """The backoff of a failed query, within the bounds of the poll schedule."""
    return Backoff(least_s, most_s)

"""How long to wait before the next try: every policy of the workers, by name.

Polls of a task that goes on as expected are no retries: `worker.polling.pacing` plans those.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow with each failure in a row, up to a cap, spread at random so that jobs do not come back together.

    Times are in seconds. `spread` is the range of the factor that a wait is multiplied by.
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
"""A POST that never left us, because the gateway could not be reached. Where that is an outage, the account waits."""
THROTTLED = Backoff(1.0, 15.0)
"""A POST that the gateway refused with "too many" and without a time of its own."""
NOT_SERVED = Backoff(1.0, 120.0)
"""A job that met no gateway at the URL. No longer than the account rests in the end, and no shorter: where a proxy says
so after the gateway took the job, each try costs a generation."""
INPUT_NOT_READY = Backoff(1.0, 60.0)
"""A POST refused because the gateway could not fetch or use one of its files yet."""
REQUEUED = Backoff(1.0, 20.0)
"""A job whose account or model failed: what failed rests, and the job is free for another account."""
CANCEL = Backoff(0.5, 10.0)
"""A task that is to be cancelled and still waits: it may begin at any moment."""
TRANSFER = Backoff(0.5, 60.0)
TRANSFER_EARLY = Backoff(0.5, 20.0)
"""In the first minutes after the generation: a store or a host that was away for a minute is used again soon."""
MAKE_WAY = Backoff(6.0, 6.0)
"""A copy that was not begun, because its host has all places that it may have."""
LAST_FRAME = Backoff(0.5, 60.0)

# --- an account or a model; no spread, because one row is waited for ---

OUTAGE = Backoff(1.0, 15.0, 1.25, (1.0, 1.0))
"""The gateway is away and refuses clearly: a try costs nothing."""
DOUBTFUL_OUTAGE = Backoff(5.0, 120.0, 2.0, (1.0, 1.0))
"""The gateway is away and leaves each outcome open: a try may cost a generation that a person must look for."""
REFUSED_ACCOUNT = Backoff(10.0, 900.0, 2.0, (1.0, 1.0))
"""The gateway refuses the key or the credit."""
REFUSED_MODEL = Backoff(10.0, 900.0, 2.0, (1.0, 1.0))
"""The gateway refuses one model to this key."""
MISROUTED = Backoff(5.0, 120.0, 2.0, (1.0, 1.0))
"""The URL does not lead to the gateway's API. If a proxy says that after the gateway took the job, a try costs a
generation."""
TOO_MANY = Backoff(1.0, 15.0, 1.3, (1.0, 1.0))
"""The gateway said "too many" and named no time."""

# --- connections ---

WEBHOOK = Backoff(5.0, 6 * 3600.0, 3.0, (0.8, 1.2))
STORE_REQUEST = Backoff(1.0, 60.0)
DOWNLOAD_RESUME = Backoff(0.4, 60.0, 2.0, (1.0, 1.0))
STORE_DOWN = Backoff(1.0, 15.0, 2.0, (1.0, 1.0))
"""The object store does not take objects: when one is tried again."""
DATABASE_WRITE = Backoff(0.1, 2.0, 2.0, (1.0, 1.0))


def poll_failed(least_s: float, most_s: float) -> Backoff:
    """A query that failed, within the bounds of the poll schedule."""
    return Backoff(least_s, most_s)

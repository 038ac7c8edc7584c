"""How many requests a tenant may send per minute to this process, whatever they ask for.

A bucket of tokens for each tenant: it holds a tenth of a minute's requests, so that short bursts pass. Programs on this
machine without a key have no limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from producer.http.problems import ApiProblem

BURST_S = 6.0
"""How many seconds' requests may come at once."""
LEAST_BURST = 10.0


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RequestRates:
    """Counts the requests of tenants. `per_minute` None: no limit. Use it on one event loop."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = None if per_minute is None else per_minute / 60.0
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def count(self, tenant: str) -> None:
        """Count a request of a tenant.

        Raises:
            ApiProblem: it has sent too many (429, with `Retry-After`).
        """
        if self._per_s is None:
            return
        most, now = max(LEAST_BURST, self._per_s * BURST_S), self._clock()
        bucket = self._buckets.setdefault(tenant, _Bucket(most, now))
        bucket.left = min(most, bucket.left + (now - bucket.at) * self._per_s)
        bucket.at = now
        if bucket.left >= 1.0:
            bucket.left -= 1.0
            return
        waits_s = max(1, math.ceil((1.0 - bucket.left) / self._per_s))
        detail = f"tenant {tenant} may send {self._per_s * 60:g} requests per minute; retry in {waits_s} s"
        advice = "Retry after `Retry-After`; send many jobs in one `POST /v1/jobs/batch`, and wait with `?wait=`."
        raise ApiProblem(429, "too_many_requests", detail, advice=advice, headers={"Retry-After": str(waits_s)})

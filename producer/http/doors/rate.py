"""How many jobs a tenant may enqueue per minute, over all API processes.

The count is one number in the broker, changed by a script (the generic cell rate algorithm): the time at which all
admitted jobs would have arrived at an even pace. It need not survive. While the broker does not answer, each process
counts on its own: jobs are still accepted, because storing them needs only the database.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass
from typing import cast

from redis.exceptions import RedisError

from producer.http.problems import ApiProblem
from producer.wording import plural
from storage import broker
from storage.broker_url import BrokerUrl

log = logging.getLogger("reelq.api")

WINDOW_S = 60.0
ANSWER_S = 0.5
_QUIET_S = 5.0
"""After a failure, how long the broker is not asked."""

_SCRIPT = """
local now = redis.call('TIME')
local at = now[1] + now[2] / 1e6
local paced = math.max(tonumber(redis.call('GET', KEYS[1]) or at), at) - at + ARGV[1] * ARGV[2]
if paced <= ARGV[3] + 1e-6 then
    redis.call('SET', KEYS[1], string.format('%.6f', at + paced), 'PX', math.ceil(paced * 1000) + 1000)
end
return string.format('%.6f', paced)
"""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The rest of the limit after jobs were admitted."""

    limit: int
    left: int
    full_again_s: float

    def headers(self) -> dict[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"jobs";q={self.limit};w={WINDOW_S:.0f}',
            "RateLimit": f'"jobs";r={self.left};t={math.ceil(self.full_again_s)}',
        }


class Rates:
    """Counts the jobs that tenants enqueue. Threads may share it."""

    def __init__(self, target: BrokerUrl) -> None:
        self._broker = broker.client(target, ANSWER_S)
        self._script = self._broker.register_script(_SCRIPT)
        self._lock = threading.Lock()
        self._own: dict[str, float] = {}
        self._alone_until = 0.0

    def take(self, tenant: str, limit: int, count: int = 1) -> Admitted:
        """Admit `count` jobs of a tenant that may enqueue `limit` per minute, all or none.

        Raises:
            ApiProblem: it has enqueued too many (429, with `Retry-After`), or `count` is more than the limit itself.
        """
        if count > limit:
            detail = f"tenant {tenant} may enqueue {plural(limit, 'job')} per minute; the request has {count}"
            raise ApiProblem(
                422, "too_many_at_once", detail, advice="Send the jobs in smaller requests, a minute apart."
            )
        paced = self._paced(tenant, count, WINDOW_S / limit)
        if paced > WINDOW_S + 1e-6:
            waits_s = max(1, math.ceil(paced - WINDOW_S))
            before_s = paced - count * WINDOW_S / limit
            headers = _admitted(limit, before_s).headers() | {"Retry-After": str(waits_s)}
            detail = f"tenant {tenant} may enqueue {plural(limit, 'job')} per minute; retry in {waits_s} s"
            advice = "Retry after `Retry-After`. Nothing was stored."
            raise ApiProblem(429, "rate_limited", detail, advice=advice, headers=headers)
        return _admitted(limit, paced)

    def _paced(self, tenant: str, count: int, interval_s: float) -> float:
        """How far ahead of an even pace the tenant is with these jobs, in seconds; too far: they are not counted."""
        if time.monotonic() >= self._alone_until:
            try:
                return float(cast(bytes, self._script([f"reelq:rate:{tenant}"], [count, interval_s, WINDOW_S])))
            except (RedisError, OSError) as exc:
                log.warning("api.rate_counted_alone %s", exc)
                self._alone_until = time.monotonic() + _QUIET_S
        with self._lock:
            now = time.monotonic()
            paced = max(self._own.get(tenant, now), now) - now + count * interval_s
            if paced <= WINDOW_S + 1e-6:
                self._own[tenant] = now + paced
            return paced

    def close(self) -> None:
        """Give the connections back."""
        self._broker.close()


def _admitted(limit: int, paced_s: float) -> Admitted:
    left = math.floor((WINDOW_S - paced_s) * limit / WINDOW_S + 1e-6)
    return Admitted(limit, max(left, 0), max(paced_s, 0.0))

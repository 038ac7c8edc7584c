"""Places that tenants share, such as those for uploads: one tenant alone can never take all of them.

A tenant gets another place while it has fewer than are free. Alone it gets half of them; two busy ones get a third
each, and n of them 1/(n + 1): the next one always finds a free place. No number has to be configured for each.
This is the dynamic threshold of Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet
switches" (IEEE/ACM Transactions on Networking, 1998).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from producer.http.problems import ApiProblem, busy
from producer.http.sharing.sender import current_sender


class Places:
    """A number of places. Use it on one event loop."""

    def __init__(self, total: int, what: str, retry_after_s: float = 1.0) -> None:
        """`what` is in the message to clients: "too many uploads at once"."""
        self._total = total
        self._what = what
        self._retry_after_s = retry_after_s
        self._taken = Counter[str]()
        self._free = total

    @property
    def taken(self) -> int:
        """How many are in use."""
        return self._total - self._free

    def has_room(self, tenant: str) -> bool:
        """Whether a tenant may take one more."""
        return self._taken[tenant] < self._free

    def check(self) -> None:
        """Check that the sender of this request may take one more.

        Raises:
            ApiProblem: its tenant has too many (429), or none is free (503).
        """
        if self.has_room(current_sender()):
            return
        if not self._free:
            raise busy(self._what, self._retry_after_s)
        headers = {"Retry-After": f"{max(1, round(self._retry_after_s))}"}
        detail = f"{self._what} by your tenant; retry in a moment"
        advice = "Retry after `Retry-After`, or send fewer requests at the same time."
        raise ApiProblem(429, "tenant_busy", detail, advice=advice, headers=headers)

    def take(self) -> str:
        """Take a place for the sender of this request; returns whose it is, for `give_back`.

        Raises:
            ApiProblem: as `check`.
        """
        self.check()
        return self.take_for(current_sender())

    def take_for(self, tenant: str) -> str:
        """Take a place for a tenant that has room."""
        self._taken[tenant] += 1
        self._free -= 1
        return tenant

    def give_back(self, tenant: str) -> None:
        """Give a place back."""
        self._free += 1
        self._taken[tenant] -= 1
        if not self._taken[tenant]:
            del self._taken[tenant]

    @contextmanager
    def hold(self) -> Iterator[None]:
        """A place for the sender of this request.

        Raises:
            ApiProblem: as `check`.
        """
        tenant = self.take()
        try:
            yield
        finally:
            self.give_back(tenant)

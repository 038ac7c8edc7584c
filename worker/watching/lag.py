"""How long a message waited: from the scheduler's claim to the worker that takes it."""

from __future__ import annotations

from collections.abc import Sequence

from storage.database import Connection
from storage.metrics.families import QUEUE_LAG
from storage.metrics.measures import Measures


def lag_of(queue: str, left: Sequence[float], lease_s: float) -> Measures:
    """Observe the lag of one message, from what is left of the leases in it, which last `lease_s` from their claim.

    The database's clock measures both, so clocks of hosts may differ. A message whose leases have all ended is not
    observed: its jobs are claimed again.
    """
    measures = Measures()
    if left:
        measures.observe(QUEUE_LAG, lease_s - min(left), queue)
    return measures


def count_lag(conn: Connection, queue: str, left: Sequence[float], lease_s: float) -> None:
    """Observe and write it at once, where nothing else of the batch is sure to be written."""
    lag_of(queue, left, lease_s).write(conn)

"""The state of the whole system in numbers, for `/metrics`: read-only, a few grouped counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from storage.admission.circuit_breaker import breakers
from storage.admission.grants import code_of
from storage.admission.usage import slots_in_use, total
from storage.database import Connection
from storage.webhooks.messages import message_counts

_JOBS: LiteralString = "SELECT state, count(*) FROM jobs GROUP BY state"
_WAITING: LiteralString = """
SELECT state, coalesce(reason, 'enqueued'), count(*) FROM jobs WHERE due_at IS NOT NULL GROUP BY 1, 2
"""
_LATE: LiteralString = """
SELECT state, extract(epoch FROM now() - min(greatest(due_at, created_at)))::float8
FROM jobs WHERE due_at <= now() GROUP BY state
"""
_VIDEOS: LiteralString = """
SELECT expiry_alarm, count(*), extract(epoch FROM min(video_expires_at) - now())::float8
FROM jobs WHERE state = 'transferring' GROUP BY expiry_alarm
"""
_SEEN: LiteralString = """
SELECT component, extract(epoch FROM now() - max(seen_at))::float8 FROM heartbeats
WHERE component <> 'probe' GROUP BY component
"""
_DOUBLE_CHARGES: LiteralString = """
SELECT a.account, count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id
WHERE a.surplus AND j.gateway_task_id IS NOT NULL GROUP BY a.account
"""


@dataclass(frozen=True, slots=True)
class Gauges:
    """One reading. Keys are label values; times are in seconds by the database's clock."""

    jobs: dict[str, int]
    waiting: dict[tuple[str, str], int]
    """By state and reason; a reason says why a job waits, such as `status_unknown` or `held`."""
    late_s: dict[str, float]
    """How long the most overdue job of each state has been due."""
    expiring: dict[int, int]
    """Videos not yet copied, by their last alarm: 0, 50, 75 or 90 % of the URL's life is over."""
    least_life_s: float | None
    """Until the next URL expires; None when no video waits to be copied."""
    in_flight: dict[str, int]
    """Slots in use by account, as admission counts them."""
    paused: dict[tuple[str, str, str], int]
    """1 for each breaker that is open or half open, by account, model (empty: the whole account) and reason."""
    double_charges: dict[str, int]
    """Accepted attempts that their job does not use, by account, of all jobs still stored."""
    unseen_s: dict[str, float]
    """How long ago each component was last seen."""
    webhooks: dict[str, int]
    """Messages by state, of those not yet swept."""
    webhook_age_s: float | None
    """Age of the oldest message that is neither delivered nor dead; None when there is none."""


def read_gauges(conn: Connection, grace_s: float) -> Gauges:
    """Read all gauges. `grace_s`: see `slots_in_use`."""
    videos = conn.execute(_VIDEOS).fetchall()
    webhooks, webhook_age_s = message_counts(conn)
    return Gauges(
        jobs=dict(conn.execute(_JOBS).fetchall()),
        waiting={(state, reason): number for state, reason, number in conn.execute(_WAITING)},
        late_s=dict(conn.execute(_LATE).fetchall()),
        expiring={level: number for level, number, _ in videos},
        least_life_s=min((left for _, _, left in videos if left is not None), default=None),
        in_flight={name: total(lanes).in_flight for name, lanes in slots_in_use(conn, grace_s).items()},
        paused={(item.account, item.model, code_of(item)): 1 for item in breakers(conn).values()},
        double_charges=dict(conn.execute(_DOUBLE_CHARGES).fetchall()),
        unseen_s=dict(conn.execute(_SEEN).fetchall()),
        webhooks=webhooks,
        webhook_age_s=webhook_age_s,
    )

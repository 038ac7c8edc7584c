"""The state of the whole system in numbers, for `/metrics`: read-only, from kept counts and by index."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import LiteralString

from storage.admission.circuit_breaker import breakers
from storage.admission.grants import code_of
from storage.admission.queue.places import KEY, ORDER, PLACE
from storage.admission.usage import slots_in_use, total
from storage.database import Connection
from storage.heartbeats import API, instances
from storage.jobs.claims import HOST
from storage.reporting.job_counts import all_counts
from storage.webhooks.messages import message_counts

PLACES = 5_000
"""How many places of the queue are looked at for the most overdue job."""
# The first job of each state by index. Queued jobs are walked from share to share: the first of each is the oldest. A
# final comes before its time, so of it the time of its enqueue counts.
_LATE: LiteralString = f"""
WITH RECURSIVE places AS (
    SELECT p.priority, f.* FROM generate_series(0, 9) AS p(priority) CROSS JOIN LATERAL (
        SELECT {PLACE}, tenant, due_at, created_at FROM jobs WHERE state = 'queued' AND priority = p.priority
        {ORDER}) f
    UNION ALL
    SELECT w.priority, n.* FROM places w CROSS JOIN LATERAL (
        SELECT {PLACE}, tenant, due_at, created_at FROM jobs WHERE state = 'queued' AND priority = w.priority
          AND ({KEY}) > (w.tenant, w.campaign, w.pin, w.lane, w.route)
        {ORDER}) n
), first AS (
    SELECT 'queued' AS state, min(greatest(due_at, created_at)) AS at FROM (SELECT * FROM places LIMIT {PLACES}) p
    WHERE due_at <= now()
    UNION ALL
    SELECT s.state, (SELECT min(due_at) FROM jobs j WHERE j.state = s.state AND j.due_at <= now()
                     AND j.state IN ('submitting', 'unconfirmed', 'generating', 'transferring'))
    FROM unnest(ARRAY['submitting', 'unconfirmed', 'generating', 'transferring']) AS s(state)
)
SELECT state, date_part('epoch', now()) - date_part('epoch', at) FROM first WHERE at IS NOT NULL
"""  # noqa: S608 - put together from constants
_ALARMED: LiteralString = """
SELECT expiry_alarm, count(*) FROM jobs WHERE state = 'transferring' AND expiry_alarm > 0 GROUP BY expiry_alarm
"""
_FIRST_EXPIRY: LiteralString = f"""
WITH RECURSIVE hosts AS (
    (SELECT {HOST} AS host, video_expires_at AS ends_at FROM jobs WHERE state = 'transferring'
     ORDER BY {HOST}, video_expires_at LIMIT 1)
    UNION ALL
    SELECT n.* FROM hosts h CROSS JOIN LATERAL (
        SELECT {HOST}, video_expires_at FROM jobs WHERE state = 'transferring' AND {HOST} > h.host
        ORDER BY {HOST}, video_expires_at LIMIT 1) n
)
SELECT date_part('epoch', min(ends_at)) - date_part('epoch', now()) FROM hosts
"""  # noqa: S608 - as above
_SEEN: LiteralString = """
SELECT component, extract(epoch FROM now() - max(seen_at))::float8 FROM heartbeats
WHERE component <> 'probe' GROUP BY component
"""
# The present number of unconfirmed jobs limits what is read, not the number of jobs.
_HELD: LiteralString = """
SELECT width_bucket(coalesce(date_part('epoch', now()) - date_part('epoch', submitted_at), 0),
                    '{3600,21600,86400}'::float8[]), count(*)
FROM jobs WHERE state = 'unconfirmed' AND reason = 'held' GROUP BY 1
"""
HELD_AGES = ("under_1h", "1h_to_6h", "6h_to_24h", "over_24h")
_DOUBLE_CHARGES: LiteralString = """
SELECT a.account, count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id
WHERE a.surplus AND j.gateway_task_id IS NOT NULL GROUP BY a.account
"""

FRESH_S = 30.0
"""A process that was not seen for this long does not count as alive: three beats of an API, ten of a worker."""
PARTS = ("scheduler", "submit", "poll", "transfer", "notify", API)
"""What every system needs at least one process of."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """One reading. Keys are label values; times are in seconds by the database's clock."""

    jobs: dict[str, int]
    waiting: dict[tuple[str, str], int]
    """By state and reason; a reason says why a job waits, such as `status_unknown` or `held`."""
    late_s: dict[str, float]
    """How long the most overdue job of each state has been due; of very many shares of the queue, of `PLACES`."""
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
    held: dict[str, int]
    """Jobs that are held for a decision, by the time since their POST; each of `HELD_AGES` is there."""
    instances: dict[tuple[str, str], int]
    """Processes seen within the last `FRESH_S`, by component and version. A part without any has the version ""."""
    webhooks: dict[str, int]
    """Messages by state, of those not yet swept."""
    webhook_age_s: float | None
    """Age of the oldest message that is neither delivered nor dead; None when there is none."""


def read_gauges(conn: Connection, grace_s: float) -> Gauges:
    """Read all gauges. `grace_s`: see `slots_in_use`."""
    counts = all_counts(conn)
    jobs = Counter[str]()
    for (state, _), number in counts.items():
        jobs[state] += number
    alarmed: dict[int, int] = dict(conn.execute(_ALARMED).fetchall())
    if quiet := jobs["transferring"] - sum(alarmed.values()):
        alarmed[0] = quiet
    first = conn.execute(_FIRST_EXPIRY).fetchone()
    webhooks, webhook_age_s = message_counts(conn)
    return Gauges(
        jobs={state: number for state, number in jobs.items() if number},
        waiting={(state, reason): number for (state, reason), number in counts.items() if reason},
        late_s=dict(conn.execute(_LATE).fetchall()),
        expiring=alarmed,
        least_life_s=None if first is None else first[0],
        in_flight={name: total(lanes).in_flight for name, lanes in slots_in_use(conn, grace_s).items()},
        paused={(item.account, item.model, code_of(item)): 1 for item in breakers(conn).values()},
        double_charges=dict(conn.execute(_DOUBLE_CHARGES).fetchall()),
        unseen_s=dict(conn.execute(_SEEN).fetchall()),
        held=_held(conn),
        instances=_instances(conn),
        webhooks=webhooks,
        webhook_age_s=webhook_age_s,
    )


def _held(conn: Connection) -> dict[str, int]:
    found: dict[int, int] = dict(conn.execute(_HELD).fetchall())
    return {age: found.get(place, 0) for place, age in enumerate(HELD_AGES)}


def _instances(conn: Connection) -> dict[tuple[str, str], int]:
    found = Counter((item.component, item.version) for item in instances(conn, FRESH_S))
    seen = {component for component, _ in found}
    return {**found, **{(part, ""): 0 for part in PARTS if part not in seen}}

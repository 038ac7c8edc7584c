"""Generation times learnt from polls: a small sample of the latest for each kind of video at each account."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from storage.database import Connection

KEPT = 48
# A video that the first poll finds finished may have finished long before. Recording this share of its age moves the
# first poll earlier, for as long as it keeps finding finished videos.
FIRST_LOOK = 0.85

Kind = tuple[str, str, str, str]
"""Account, tier (after the model, if the job names one), resolution and duration of the request; empty where the
request has none."""

# The video finished between the last poll that found it unfinished and the one that found it finished; every time in
# between is equally likely.
_RECORD: LiteralString = """
INSERT INTO durations AS d (account, tier, resolution, duration, seconds)
SELECT account, concat_ws('/', request ->> 'model', request ->> 'tier'), coalesce(request ->> 'resolution', ''),
       coalesce(request ->> 'duration', ''),
       (array_agg((CASE WHEN polled_at > submitted_at AND polled_at <= generated_at
           THEN extract(epoch FROM polled_at - submitted_at) + random() * extract(epoch FROM generated_at - polled_at)
           ELSE extract(epoch FROM generated_at - submitted_at) * %(first_look)s END)::real))[1:%(kept)s]
FROM jobs WHERE id = ANY(%(ids)s) AND generated_at >= submitted_at AND isfinite(submitted_at)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (account, tier, resolution, duration) DO UPDATE
SET seconds = (excluded.seconds || d.seconds)[1:%(kept)s], updated_at = now()
"""
_SAMPLES: LiteralString = "SELECT account, tier, resolution, duration, seconds FROM durations"


def kind_of(account: str, request: Mapping[str, Any]) -> Kind:
    """The kind of a job; account, model and tier determine which model serves it."""
    resolution, duration = request.get("resolution"), request.get("duration")
    named = "/".join(str(request[name]) for name in ("model", "tier") if request.get(name))
    return account, named, str(resolution or ""), "" if duration is None else str(duration)


def record(conn: Connection, ids: Sequence[UUID]) -> None:
    """Record the generation times of jobs that were just found finished, in the transaction that moves them."""
    if ids:
        conn.execute(_RECORD, {"ids": list(ids), "kept": KEPT, "first_look": FIRST_LOOK})


def samples(conn: Connection) -> dict[Kind, tuple[float, ...]]:
    """The latest generation times in seconds, at most `KEPT` of each kind, newest first."""
    return {(row[0], row[1], row[2], row[3]): tuple(filter(math.isfinite, row[4])) for row in conn.execute(_SAMPLES)}

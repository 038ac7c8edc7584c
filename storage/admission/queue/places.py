"""The places of the queue: queued jobs of one priority, tenant, campaign, pin, lane and route, as an index orders them.

The whole order of that index is asked for, also where its beginning would do: of jobs that are all queued at one
priority, PostgreSQL may read any other index of tenants instead, and with it all jobs for each priority that has none.
"""

from __future__ import annotations

from typing import LiteralString

from storage.jobs.claims import ROUTE
from storage.jobs.prices import NO_CAMPAIGN

PIN: LiteralString = "coalesce(account_pin, ''::text)"
SHARE: LiteralString = f"{NO_CAMPAIGN}, {PIN}"
ORDER: LiteralString = f"ORDER BY priority DESC, tenant, {SHARE}, lane, {ROUTE}, due_at, id LIMIT 1"
"""The first job of some."""
PLACE: LiteralString = f"{NO_CAMPAIGN} AS campaign, {PIN} AS pin, lane, {ROUTE} AS route"
KEY: LiteralString = f"tenant, {SHARE}, lane, {ROUTE}"
"""A place at its priority."""

"""Accounts at simulators, with a scheduler and a worker that do one round at a time: what a test waits for in life is
set to now."""

from __future__ import annotations

from collections import Counter
from typing import Any

from producer.client import Producer
from producer.operator_actions.account_status import account_statuses
from storage.database import connect
from storage.jobs import claims
from storage.leases import Claimed
from storage.settings import Settings
from worker.polling.poll import poll_batch
from worker.runtime import Runtime
from worker.scheduling.admission import claim_for, grants
from worker.scheduling.maintenance import MAINTENANCE
from worker.submitting.submit import submit_batch

QUICK = {"lease_seconds": 20.0, "submit_timeout_seconds": 5.0, "query_timeout_seconds": 5.0}


class World:
    """Accounts at simulators, and a scheduler and a worker that do one round at a time."""

    def __init__(self, settings: Settings, **accounts: dict[str, Any]) -> None:
        told = [{"name": name, "api_key": f"sk-{name}", "max_in_flight": 100} | of for name, of in accounts.items()]
        self.settings = Settings.model_validate(settings.model_dump() | QUICK | {"accounts": told})
        self.producer = Producer(self.settings)
        self.runtime = Runtime(self.settings)
        self.url = self.settings.require_database_url()

    def close(self) -> None:
        self.producer.close()
        self.runtime.close()

    def enqueue(self, count: int, prompt: str = "a cat", **fields: Any) -> list[Any]:
        rows = [{"prompt": f"{prompt} {number}"} | fields for number in range(count)]
        return [job.id for job in self.producer.enqueue_many(rows)]

    def claim(self, limit: int = 50) -> list[Claimed]:
        with connect(self.url) as conn:
            return [job for grant in grants(conn, self.settings) for job in claim_for(conn, grant, limit, 20.0)]

    def submit(self, claimed: list[Claimed]) -> None:
        for account in self.settings.accounts:
            mine = [(item.id, item.claim) for item in claimed if item.account == account.name]
            submit_batch(self.runtime, account.name, mine)

    def round(self, limit: int = 50) -> int:
        """Everything that waits only for its time is due; one tick, and what it sent is done."""
        with connect(self.url) as conn:
            conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'queued' AND account IS NULL")
            for duty in MAINTENANCE:
                duty(conn, self.settings)
        claimed = self.claim(limit)
        self.submit(claimed)
        return len(claimed)

    def rest_ends(self) -> None:
        """The rest is over; what came before it stays before it."""
        with connect(self.url) as conn:
            conn.execute("UPDATE attempts SET started_at = started_at - interval '1 h'")
            conn.execute(
                "UPDATE account_states SET suspended_until = now() - interval '1 ms' WHERE suspended_until > now()"
            )

    def pause_ends(self) -> None:
        """It may be sent jobs again; what came before stays before."""
        with connect(self.url) as conn:
            conn.execute("UPDATE attempts SET started_at = started_at - interval '1 min'")
            conn.execute(
                "UPDATE account_states SET throttled_until = now() - interval '1 ms' WHERE throttled_until > now()"
            )

    def poll(self) -> None:
        """Ask about everything that generates."""
        with connect(self.url) as conn:
            conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'generating'")
            claimed = claims.claim_polls(conn, 500, 20.0)
        for account in self.settings.accounts:
            poll_batch(
                self.runtime, account.name, [(item.id, item.claim) for item in claimed if item.account == account.name]
            )

    def states(self) -> Counter[str]:
        with connect(self.url) as conn:
            return Counter(dict(conn.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()))

    def attempts(self) -> int:
        return self._number("SELECT count(*) FROM attempts")

    def account(self, name: str = "main") -> dict[str, Any]:
        with connect(self.url) as conn:
            return next(row for row in account_statuses(conn, self.settings) if row["name"] == name)

    def rests(self, name: str = "main") -> int:
        return self._number("SELECT suspensions FROM account_states WHERE name = %s", name)

    def rest_s(self) -> int:
        return self._number("SELECT round(extract(epoch FROM suspended_until - updated_at))::int FROM account_states")

    def _number(self, sql: Any, *values: Any) -> int:
        with connect(self.url) as conn:
            row = conn.execute(sql, values).fetchone()
        assert row is not None
        return int(row[0])

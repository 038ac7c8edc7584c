"""Accounts at simulators, with a scheduler and a worker that do one round at a time: due times are set to now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from producer.client import Producer
from producer.operator_actions.account_status import account_statuses
from storage.admission.circuit_breaker import Breaker, breakers
from storage.admission.grants import grants
from storage.database import DEFAULT_LIMITS, Connection, Database
from storage.jobs import callbacks, claims
from storage.leases import Claimed
from storage.settings import Settings
from tests.waiting import PATIENCE_S
from worker.polling.look_back import look_back_batch
from worker.polling.poll import poll_batch
from worker.polling.reconcile import reconcile_batch
from worker.runtime import Runtime
from worker.scheduling.admission import claim_for
from worker.scheduling.maintenance import due_tasks
from worker.submitting.submit import submit_batch
from worker.transferring.transfer import transfer_batch

LEASE_S = 300.0
LIMITS = {"lease_seconds": LEASE_S, "submit_timeout_seconds": PATIENCE_S, "query_timeout_seconds": PATIENCE_S}
HELD = timedelta(hours=1)
"""Added to the open time of a breaker, so that it ends when the test says so, and not in the middle of it."""
_LATER = """
UPDATE jobs SET (submitted_at, generated_at, polled_at, missing_since, deadline_at, draft_ends_at) = (
    SELECT submitted_at - i.passed, generated_at - i.passed, polled_at - i.passed, missing_since - i.passed,
           deadline_at - i.passed, draft_ends_at - i.passed
    FROM (SELECT make_interval(secs => %(seconds)s) AS passed) i)
"""


class World:
    """Accounts at simulators, and a scheduler and a worker that do one round at a time."""

    def __init__(self, settings: Settings, **accounts: dict[str, Any]) -> None:
        given = [{"name": name, "api_key": f"sk-{name}", "max_in_flight": 100} | of for name, of in accounts.items()]
        self.settings = Settings.model_validate(settings.model_dump() | LIMITS | {"accounts": given})
        self.producer = Producer(self.settings)
        self.runtime = Runtime(self.settings)
        self.url = self.settings.require_database_url()
        self._database = Database(self.url, name="test", size=4, wait_s=PATIENCE_S, limits=DEFAULT_LIMITS)

    def close(self) -> None:
        self.producer.close()
        self.runtime.close()
        self._database.close()

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction on a connection that is kept. A new one for each step of a round costs the server ten times the
        CPU of the step: it has to read the catalog first."""
        return self._database.begin()

    def enqueue(self, count: int, prompt: str = "a cat", **fields: Any) -> list[Any]:
        rows = [{"prompt": f"{prompt} {number}"} | fields for number in range(count)]
        return [job.id for job in self.producer.enqueue_many(rows)]

    def claim(self, limit: int = 50) -> list[Claimed]:
        with self.begin() as conn:
            return [job for grant in grants(conn, self.settings) for job in claim_for(conn, [grant], limit, LEASE_S)]

    def submit(self, claimed: list[Claimed]) -> None:
        for account in self.settings.accounts:
            mine = [(item.id, item.claim) for item in claimed if item.account == account.name]
            submit_batch(self.runtime, account.name, mine)
        with self.begin() as conn:
            conn.execute(
                """UPDATE circuit_breakers SET open_until = open_until + %(held)s
                   WHERE open_until > opened_at AND open_until < opened_at + %(held)s""",
                {"held": HELD},
            )

    def round(self, limit: int = 50) -> int:
        """Make all queued jobs due, then run one tick and the submits it claims; returns how many."""
        with self.begin() as conn:
            conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'queued' AND account IS NULL")
            for maintain in due_tasks(conn):
                maintain(conn, self.settings)
        claimed = self.claim(limit)
        self.submit(claimed)
        return len(claimed)

    def rest_ends(self) -> None:
        """Make every open breaker half open now; earlier attempts stay before its opening."""
        with self.begin() as conn:
            ended = conn.execute(
                """UPDATE circuit_breakers
                   SET open_until = now() - interval '1 ms', opened_at = opened_at - interval '1 h',
                       tried_from = tried_from - interval '1 h'
                   WHERE open_until > now()"""
            )
            conn.execute("UPDATE model_limits SET since = since - interval '1 min'")
            if ended.rowcount:
                conn.execute("UPDATE attempts SET started_at = started_at - interval '1 h'")

    def poll(self, within_s: float = 86_400.0) -> int:
        """Poll all generating jobs that are due within `within_s` seconds; returns how many."""
        with self.begin() as conn:
            conn.execute(
                """UPDATE jobs SET due_at = now()
                   WHERE state = 'generating' AND due_at <= now() + make_interval(secs => %s)""",
                [within_s],
            )
            claimed = claims.claim_polls(conn, 500, LEASE_S)
        for account in self.settings.accounts:
            poll_batch(
                self.runtime, account.name, [(item.id, item.claim) for item in claimed if item.account == account.name]
            )
        return len(claimed)

    def reconcile(self) -> None:
        """Look for the tasks of all unconfirmed jobs."""
        with self.begin() as conn:
            conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'unconfirmed'")
            claimed = claims.claim_unconfirmed(conn, 500, self.settings.lease_seconds)
        for name, items in self._by_account(claimed):
            reconcile_batch(self.runtime, name, items)

    def look_back(self) -> None:
        """Query all tasks that were reported for attempts whose jobs no longer wait for them."""
        with self.begin() as conn:
            claimed = callbacks.claim_looks(conn, 500, self.settings.lease_seconds)
        for name, items in self._by_account(claimed):
            look_back_batch(self.runtime, name, items)

    def _by_account(self, claimed: list[Claimed]) -> Iterator[tuple[str, list[tuple[UUID, int]]]]:
        for account in self.settings.accounts:
            if mine := [(item.id, item.claim) for item in claimed if item.account == account.name]:
                yield account.name, mine

    def age(self, seconds: float) -> None:
        """Let all attempts begin this many seconds earlier."""
        with self.begin() as conn:
            conn.execute(
                """UPDATE attempts SET started_at = started_at - i.passed, finished_at = finished_at - i.passed
                   FROM (SELECT make_interval(secs => %s) AS passed) i""",
                [seconds],
            )

    def jobs(self) -> list[dict[str, Any]]:
        """The rows of all jobs, oldest first, with their prompts."""
        return self.rows("SELECT *, request ->> 'prompt' AS prompt FROM jobs ORDER BY id")

    def rows(self, sql: Any, *values: Any) -> list[dict[str, Any]]:
        with self.begin() as conn, conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(sql, values).fetchall()

    def transfer(self) -> None:
        """Copy every generated video."""
        with self.begin() as conn:
            conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'transferring'")
            claimed = claims.claim_transfers(conn, 500, LEASE_S)
        transfer_batch(self.runtime, [(item.id, item.claim) for item in claimed])

    def later(self, seconds: float) -> None:
        """Let this many seconds pass for the jobs; links, which have dates of their own, do not change."""
        with self.begin() as conn:
            conn.execute(_LATER, {"seconds": seconds})

    def states(self) -> Counter[str]:
        with self.begin() as conn:
            return Counter(dict(conn.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall()))

    def attempts(self) -> int:
        return self._number("SELECT count(*) FROM attempts")

    def account(self, name: str = "main") -> dict[str, Any]:
        with self.begin() as conn:
            return next(row for row in account_statuses(conn, self.settings) if row["name"] == name)

    def breaker(self, name: str = "main", model: str = "") -> Breaker | None:
        with self.begin() as conn:
            return breakers(conn).get((name, model))

    def rest_s(self, name: str = "main", model: str = "") -> int:
        """For how many seconds the breaker was opened last."""
        found = self.breaker(name, model)
        assert found is not None
        return round((found.open_until - found.opened_at - HELD).total_seconds())

    def _number(self, sql: Any, *values: Any) -> int:
        with self.begin() as conn:
            row = conn.execute(sql, values).fetchone()
        assert row is not None
        return int(row[0])

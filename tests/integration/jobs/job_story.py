"""The contents of the tables for all jobs, and the conditions that must hold after every step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import dict_row

from storage.counted.ahead import KEPT_COUNTS
from storage.database import Connection
from storage.jobs.states import TERMINAL, TRANSITIONS, JobState
from tests.integration.submitting.held_gateway import HeldGateway

S = JobState
Row = dict[str, Any]
# What TRUNCATE … CASCADE of the first tables would empty. It makes new files for each of these tables and indexes, and
# makes every prepared statement be planned again: 0.1 s, and more than the steps of an example.
_TABLES = """
WITH RECURSIVE emptied AS (
    SELECT unnest('{jobs,account_states,circuit_breakers,model_limits}'::regclass[])::oid AS oid
    UNION SELECT c.conrelid FROM pg_constraint c JOIN emptied e ON c.confrelid = e.oid WHERE c.contype = 'f'
)
SELECT c.relname FROM emptied JOIN pg_class c USING (oid) WHERE NOT c.relispartition ORDER BY c.relname
"""


@dataclass(frozen=True, slots=True)
class Story:
    """The rows, events and attempts by job."""

    rows: dict[UUID, Row]
    events: dict[UUID, list[Row]]
    attempts: dict[UUID, list[Row]]

    def check(self, prompts: Mapping[UUID, str], gateway: HeldGateway, ended: dict[UUID, Row]) -> None:
        """Fail if the tables contradict themselves, the gateway, or the rows that `ended` before; updates `ended`."""
        assert self.rows.keys() == prompts.keys(), "a job has no row"
        holders: dict[str, UUID] = {}
        for job_id, row in self.rows.items():
            state = S(row["state"])
            assert (row["due_at"] is None) == (state in TERMINAL), row
            self._check_timeline(row)
            if state in TERMINAL:
                assert ended.setdefault(job_id, row) == row, "an ended job was changed"
            else:
                assert job_id not in ended, "an ended job continues"
            if state in (S.GENERATING, S.TRANSFERRING, S.SUCCEEDED):
                task_id = row["gateway_task_id"]
                assert task_id in [post.task_id for post in gateway.of(prompts[job_id]) if post.accepted]
                assert holders.setdefault(task_id, job_id) == job_id, "two jobs have the same task"
                used = [
                    item["gateway_task_id"]
                    for item in self.attempts[job_id]
                    if item["outcome"] == "accepted" and not item["surplus"]
                ]
                assert used == [task_id], "a double charge is not noted"
        attempts = [attempt for those in self.attempts.values() for attempt in those]
        noted = {item["gateway_task_id"] for item in [*attempts, *self.rows.values()]}
        noted |= {item["reported_task_id"] for item in attempts}  # a second task of one attempt
        assert {post.task_id for post in gateway.tasks() if post.known} <= noted, "a task id was forgotten"

    def _check_timeline(self, row: Row) -> None:
        state = None
        for event in self.events[row["id"]]:
            assert event["source"] == state
            assert state in (None, event["target"]) or S(event["target"]) in TRANSITIONS[S(state)]
            state = event["target"]
        assert state == row["state"]
        moves = [
            event for event in self.events[row["id"]] if event["source"] != event["target"]
        ]  # notes stay in a state
        submits = sum(event["target"] == "submitting" for event in moves)
        assert submits == len(self.attempts[row["id"]]) == row["attempt"]


def empty_tables(conn: Connection) -> None:
    """Remove all jobs, what belongs to them, what was learned of accounts, and the counts of all that."""
    tables = [*(row[0] for row in conn.execute(_TABLES)), *(kept.table for kept in KEPT_COUNTS)]
    conn.execute("SET LOCAL session_replication_role = replica")  # no trigger counts, and no foreign key is checked
    for table in tables:
        conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def read_story(conn: Connection) -> Story:
    """Read all tables in one transaction."""
    events: dict[UUID, list[Row]] = defaultdict(list)
    attempts: dict[UUID, list[Row]] = defaultdict(list)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = {row["id"]: row for row in cursor.execute("SELECT * FROM jobs")}
        for event in cursor.execute("SELECT job_id, source, target FROM job_events ORDER BY id"):
            events[event["job_id"]].append(event)
        for attempt in cursor.execute("SELECT * FROM attempts ORDER BY number"):
            attempts[attempt["job_id"]].append(attempt)
    return Story(rows, events, attempts)

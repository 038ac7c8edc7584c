"""Each migration keeps the rules for large tables; CONTRIBUTING.md explains them."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event

from storage import revisions
from tests.integration.jobs.migrations.migration_rules import offences

SINCE = "0042"
"""Migrations up to this one were written before the rules."""


def test_every_migration_keeps_the_rules(empty_postgres_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(revisions.MIGRATIONS))
    steps = list(reversed(list(ScriptDirectory.from_config(config).walk_revisions())))
    engine = create_engine(empty_postgres_url.replace("://", "+psycopg://", 1))
    ran: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: ran.append(statement))
    old = max(step.revision for step in steps if step.revision <= SINCE)
    found: list[str] = []
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, old)
        for step in steps:
            if step.revision > old:
                ran.clear()
                command.upgrade(config, step.revision)
                unused_since = getattr(step.module, "unused_since", None)
                found += offences(step.revision, ran, unused_since)
                oldest = getattr(step.module, "oldest_program", None)
                if oldest is None:
                    found.append(f"{step.revision}: say in `oldest_program` which programs can work on its schema")
                elif unused_since is not None and oldest < unused_since:
                    found.append(f"{step.revision}: {oldest} still uses what it removes")
    engine.dispose()
    assert found == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX jobs_new_idx ON jobs (state)",
        "CREATE UNIQUE INDEX IF NOT EXISTS x ON attempts\n (account)",
        "ALTER TABLE jobs ADD CONSTRAINT jobs_new_check CHECK (priority > 0)",
        "ALTER TABLE jobs ADD CONSTRAINT c FOREIGN KEY (draft_of) REFERENCES jobs (id)",
        "ALTER TABLE job_events ADD CONSTRAINT c UNIQUE (id)",
        "ALTER TABLE jobs ALTER COLUMN attempt TYPE bigint",
        "ALTER TABLE jobs ALTER COLUMN lane SET NOT NULL",
        "ALTER TABLE jobs ADD COLUMN colour text NOT NULL",
        "ALTER TABLE jobs ADD COLUMN token uuid DEFAULT gen_random_uuid() NOT NULL",
        "UPDATE jobs SET lane = 'x'",
        "DELETE FROM webhook_messages",
        "INSERT INTO counts SELECT state, count(*) FROM jobs GROUP BY 1",
        "ALTER TABLE jobs DROP COLUMN lane",
        "ALTER TABLE jobs RENAME COLUMN lane TO track",
    ],
)
def test_what_would_hold_up_writers_is_found(statement: str) -> None:
    assert len(offences("9999", [statement])) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE jobs ADD COLUMN colour text",
        "ALTER TABLE jobs ADD COLUMN colour text DEFAULT '' NOT NULL",
        "ALTER TABLE jobs ADD CONSTRAINT jobs_new_check CHECK (priority > 0) NOT VALID",
        "ALTER TABLE jobs VALIDATE CONSTRAINT jobs_new_check",
        "ALTER TABLE job_events_default ADD PRIMARY KEY USING INDEX x",
        "ALTER TABLE jobs SET (fillfactor = 85)",
        "CREATE INDEX x ON campaigns (tenant)",
        "UPDATE campaigns SET name = 'x'",
    ],
)
def test_what_holds_up_no_writer_is_allowed(statement: str) -> None:
    assert offences("9999", [statement]) == []


def test_what_is_removed_names_the_revision_that_stopped_using_it() -> None:
    assert offences("9999", ["ALTER TABLE jobs DROP COLUMN lane"], "0040") == []


def test_a_scan_of_a_table_holds_no_other_lock() -> None:
    both = ["ALTER TABLE jobs ADD COLUMN x text", "ALTER TABLE jobs VALIDATE CONSTRAINT c"]
    assert len(offences("9999", both)) == 1

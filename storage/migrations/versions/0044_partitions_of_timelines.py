"""timelines in partitions, which retention drops whole; all rows so far stay where they are, in the default partition"""

from __future__ import annotations

from alembic import op

from storage.large_indexes import create_statements

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None
# An older program writes and reads the same table; until a newer one runs, all rows go to the default partition.
oldest_program = "0037"

_COLUMNS = "id, job_id, at, source, target, reason, detail, actor, celery_task"
_TABLE = """
CREATE TABLE job_events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    job_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    source text,
    target text NOT NULL,
    reason text NOT NULL,
    detail jsonb,
    actor text,
    celery_task uuid,
    CONSTRAINT job_events_pkey PRIMARY KEY ({key}),
    CONSTRAINT job_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE
){partitions}
"""


def upgrade() -> None:
    # In the order of the writers, and as strongly as it will be needed, so that none of them and this wait for each
    # other: what attaches the partition drops triggers of the foreign key on `jobs`. Nothing below reads a row.
    op.execute("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
    op.execute("LOCK TABLE job_events IN ACCESS EXCLUSIVE MODE")
    for statement in create_statements(revision):
        op.execute(statement)
    for statement in (
        "ALTER TABLE job_events DROP CONSTRAINT job_events_pkey",
        "DROP INDEX job_events_job_idx",
        "ALTER TABLE job_events RENAME CONSTRAINT job_events_job_id_fkey TO job_events_default_job_id_fkey",
        "ALTER TABLE job_events RENAME TO job_events_default",
        "ALTER TABLE job_events_default ADD PRIMARY KEY USING INDEX job_events_default_pkey",
        "ALTER SEQUENCE job_events_id_seq RENAME TO job_events_default_id_seq",
        _TABLE.format(key="job_id, id", partitions=" PARTITION BY RANGE (job_id)"),
        "CREATE INDEX job_events_id_idx ON job_events (id)",
        """DO $$ BEGIN
               EXECUTE format('ALTER TABLE job_events ALTER id RESTART WITH %s',
                              nextval('job_events_default_id_seq'));
           END $$""",
        "ALTER TABLE job_events_default ALTER id DROP IDENTITY",
        "ALTER TABLE job_events ATTACH PARTITION job_events_default DEFAULT",
    ):
        op.execute(statement)


def downgrade() -> None:
    for statement in (
        "LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE",
        "ALTER TABLE job_events RENAME TO job_events_parts",
        "ALTER TABLE job_events_parts RENAME CONSTRAINT job_events_pkey TO job_events_parts_pkey",
        "ALTER SEQUENCE job_events_id_seq RENAME TO job_events_parts_id_seq",
        _TABLE.format(key="id", partitions=""),
        f"INSERT INTO job_events ({_COLUMNS}) OVERRIDING SYSTEM VALUE SELECT {_COLUMNS} FROM job_events_parts",  # noqa: S608 - constants of this file
        """DO $$ BEGIN
               EXECUTE format('ALTER TABLE job_events ALTER id RESTART WITH %s', nextval('job_events_parts_id_seq'));
           END $$""",
        "DROP TABLE job_events_parts",
        "CREATE INDEX job_events_job_idx ON job_events (job_id, id)",
    ):
        op.execute(statement)

"""room in the pages of jobs, and vacuum settings of the large tables"""

from __future__ import annotations

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None
oldest_program = "0037"  # settings of the server, not of programs

# A job is updated about ten times. A new version in the page of the old one is logged as the difference of the two.
# Ten dead rows a job: the server's own share of a fifth of the table would let live rows lie among millions of them.
_SETTINGS = {
    "jobs": "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02, "
    "autovacuum_vacuum_cost_limit = 2000",
    "attempts": "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000",
    "webhook_messages": "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_limit = 2000",
}


def upgrade() -> None:
    for table, settings in _SETTINGS.items():
        op.execute(f"ALTER TABLE {table} SET ({settings})")


def downgrade() -> None:
    for table, settings in _SETTINGS.items():
        names = ", ".join(item.partition(" ")[0] for item in settings.split(", "))
        op.execute(f"ALTER TABLE {table} RESET ({names})")

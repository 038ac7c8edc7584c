"""purses of keys, quotes, and the files and batches of OpenAI's Batch API"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")
_STATES = "state IN ('validating', 'failed', 'in_progress', 'completed', 'expired', 'cancelling', 'cancelled')"
_ENDED = "(due_at IS NULL) = (state IN ('failed', 'completed', 'expired', 'cancelled'))"


def _time(name: str, *, needed: bool = False, now: bool = False) -> sa.Column[object]:
    kind = sa.DateTime(timezone=True)
    return sa.Column(name, kind, nullable=not needed, server_default=_NOW if now else None)


def upgrade() -> None:
    op.create_table(
        "purses",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        _time("created_at", needed=True, now=True),
        sa.CheckConstraint("amount >= 0", name="purses_amount_check"),
    )
    op.create_table(
        "purse_charges",
        sa.Column("job_id", sa.Uuid(), primary_key=True),
        sa.Column("purse_id", sa.Uuid(), sa.ForeignKey("purses.id", ondelete="CASCADE"), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_index("purse_charges_open_idx", "purse_charges", ["purse_id"], postgresql_where=sa.text("NOT settled"))
    op.create_index("purse_charges_purse_idx", "purse_charges", ["purse_id"], postgresql_include=["amount"])
    op.add_column("api_keys", sa.Column("purse_id", sa.Uuid(), sa.ForeignKey("purses.id")))
    op.create_table(
        "quotes",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("estimate", postgresql.JSONB()),
        sa.Column("prices", postgresql.JSONB(), nullable=False),
        _time("created_at", needed=True, now=True),
        _time("expires_at", needed=True),
    )
    op.create_index("quotes_expires_idx", "quotes", ["expires_at"])
    _files()
    _batches()


def _files() -> None:
    op.create_table(
        "batch_files",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        _time("created_at", needed=True, now=True),
        _time("expires_at", needed=True),
    )
    op.create_index("batch_files_tenant_idx", "batch_files", ["tenant", "id"])
    op.create_index("batch_files_expires_idx", "batch_files", ["expires_at"])
    op.create_table(
        "batch_file_parts",
        sa.Column("file_id", sa.Uuid(), sa.ForeignKey("batch_files.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text()),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("metadata", postgresql.JSONB()),
        sa.Column("state", sa.Text(), nullable=False, server_default="validating"),
        sa.Column("errors", postgresql.JSONB()),
        sa.Column("next_part", sa.Integer(), server_default="0"),
        _time("due_at", now=True),
        _time("created_at", needed=True, now=True),
        _time("in_progress_at"),
        _time("cancelling_at"),
        _time("ended_at"),
        _time("expires_at", needed=True),
        sa.CheckConstraint(_STATES, name="batches_state_check"),
        sa.CheckConstraint(_ENDED, name="batches_due_check"),
    )
    op.create_index("batches_tenant_idx", "batches", ["tenant", "id"])
    op.create_index("batches_due_idx", "batches", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "batch_lines",
        sa.Column("batch_id", sa.Uuid(), sa.ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("line", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("custom_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid()),
        sa.Column("error", postgresql.JSONB()),
        sa.CheckConstraint("(job_id IS NULL) <> (error IS NULL)", name="batch_lines_result_check"),
        sa.UniqueConstraint("batch_id", "custom_id", name="batch_lines_custom_id_key"),
    )


def downgrade() -> None:
    for name in ("batch_lines", "batches", "batch_file_parts", "batch_files", "quotes"):
        op.drop_table(name)
    op.drop_column("api_keys", "purse_id")
    op.drop_table("purse_charges")
    op.drop_table("purses")

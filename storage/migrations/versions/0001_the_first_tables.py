"""the first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_states",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("suspended_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("throttled_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "assets",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=True),
        sa.Column("asset_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="uploading", nullable=False),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status = 'uploading' OR asset_id IS NOT NULL", name="assets_asset_id_check"),
        sa.CheckConstraint("status IN ('uploading', 'processing', 'active', 'failed')", name="assets_status_check"),
        sa.PrimaryKeyConstraint("account", "sha256"),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), server_default="default", nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name <> ''", name="campaigns_name_check"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "name", name="campaigns_tenant_name_key"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("component", "instance"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), server_default="default", nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("gateways", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("account_pin", sa.Text(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), server_default="5", nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("claim", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("refusals", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("setbacks", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("polls", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("cancel_request", sa.Text(), nullable=True),
        sa.Column("expiry_alarm", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("gateway", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("gateway_task_id", sa.Text(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("generated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("video_url", sa.Text(), nullable=True),
        sa.Column("video_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_frame_url", sa.Text(), nullable=True),
        sa.Column("usage", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("last_frame_key", sa.Text(), nullable=True),
        sa.Column("poster_key", sa.Text(), nullable=True),
        sa.Column("estimate", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("cost", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (due_at IS NULL)", name="jobs_due_at_check"
        ),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)", name="jobs_finished_at_check"
        ),
        sa.CheckConstraint("cancel_request IN ('keep', 'discard')", name="jobs_cancel_request_check"),
        sa.CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="jobs_error_check"),
        sa.CheckConstraint("state <> 'generating' OR gateway_task_id IS NOT NULL", name="jobs_task_id_check"),
        sa.CheckConstraint(
            "state <> 'succeeded' OR (object_key IS NOT NULL AND sha256 IS NOT NULL AND size_bytes > 0)",
            name="jobs_object_check",
        ),
        sa.CheckConstraint("state <> 'transferring' OR video_url IS NOT NULL", name="jobs_video_url_check"),
        sa.CheckConstraint(
            "state IN ('queued', 'submitting', 'unconfirmed', 'generating', 'transferring', 'succeeded', 'failed', 'cancelled')",
            name="jobs_state_check",
        ),
        sa.CheckConstraint(
            "state NOT IN ('submitting', 'unconfirmed', 'generating') OR (account IS NOT NULL AND attempt > 0)",
            name="jobs_account_check",
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name="jobs_priority_check"),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "idempotency_key", name="jobs_tenant_idempotency_key_key"),
    )
    op.create_index(
        "jobs_assigned_idx",
        "jobs",
        ["account", "state"],
        unique=False,
        postgresql_where=sa.text("account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'"),
    )
    op.create_index("jobs_campaign_idx", "jobs", ["campaign_id", "state"], unique=False)
    op.create_index(
        "jobs_cancel_request_idx",
        "jobs",
        ["state"],
        unique=False,
        postgresql_where=sa.text("cancel_request IS NOT NULL AND due_at IS NOT NULL"),
    )
    op.create_index(
        "jobs_deadline_idx",
        "jobs",
        ["deadline_at"],
        unique=False,
        postgresql_where=sa.text("deadline_at IS NOT NULL AND due_at IS NOT NULL"),
    )
    op.create_index(
        "jobs_due_idx",
        "jobs",
        ["state", "due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('submitting', 'unconfirmed', 'generating')"),
    )
    op.create_index(
        "jobs_queued_idx",
        "jobs",
        [sa.literal_column("priority DESC"), "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("jobs_state_idx", "jobs", ["state", "id"], unique=False)
    op.create_index(
        "jobs_transferring_idx",
        "jobs",
        ["video_expires_at", "due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'transferring'"),
    )
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("callback_hash", sa.Text(), nullable=True),
        sa.Column("reported_task_id", sa.Text(), nullable=True),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("gateway_task_id", sa.Text(), nullable=True),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint(
            "outcome IS DISTINCT FROM 'accepted' OR gateway_task_id IS NOT NULL", name="attempts_task_id_check"
        ),
        sa.CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="attempts_finished_at_check"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number"),
    )
    op.create_index("attempts_account_started_idx", "attempts", ["account", "started_at"], unique=False)
    op.create_index(
        "attempts_callback_idx",
        "attempts",
        ["callback_hash"],
        unique=True,
        postgresql_where=sa.text("callback_hash IS NOT NULL"),
    )
    op.create_index("attempts_task_idx", "attempts", ["account", "gateway_task_id"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("job_events_job_idx", "job_events", ["job_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("job_events_job_idx", table_name="job_events")
    op.drop_table("job_events")
    op.drop_index("attempts_task_idx", table_name="attempts")
    op.drop_index("attempts_callback_idx", table_name="attempts", postgresql_where=sa.text("callback_hash IS NOT NULL"))
    op.drop_index("attempts_account_started_idx", table_name="attempts")
    op.drop_table("attempts")
    op.drop_index("jobs_transferring_idx", table_name="jobs", postgresql_where=sa.text("state = 'transferring'"))
    op.drop_index("jobs_state_idx", table_name="jobs")
    op.drop_index("jobs_queued_idx", table_name="jobs", postgresql_where=sa.text("state = 'queued'"))
    op.drop_index(
        "jobs_due_idx",
        table_name="jobs",
        postgresql_where=sa.text("state IN ('submitting', 'unconfirmed', 'generating')"),
    )
    op.drop_index(
        "jobs_deadline_idx",
        table_name="jobs",
        postgresql_where=sa.text("deadline_at IS NOT NULL AND due_at IS NOT NULL"),
    )
    op.drop_index(
        "jobs_cancel_request_idx",
        table_name="jobs",
        postgresql_where=sa.text("cancel_request IS NOT NULL AND due_at IS NOT NULL"),
    )
    op.drop_index("jobs_campaign_idx", table_name="jobs")
    op.drop_index(
        "jobs_assigned_idx",
        table_name="jobs",
        postgresql_where=sa.text("account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'"),
    )
    op.drop_table("jobs")
    op.drop_table("heartbeats")
    op.drop_table("campaigns")
    op.drop_table("assets")
    op.drop_table("account_states")

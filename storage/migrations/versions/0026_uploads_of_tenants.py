"""uploaded files by tenant, the jobs that need them, and the assets that tenants may name"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# The files that jobs of each tenant name: they stay where they are, and are still known to these tenants only.
_MENTIONS = """
CREATE TEMPORARY TABLE mentions ON COMMIT DROP AS
SELECT DISTINCT j.id AS job_id, j.tenant, j.created_at, found[1] AS reference
FROM jobs j CROSS JOIN LATERAL regexp_matches(j.request::text, '"((upload|asset)://[^"]+)"', 'g') AS found
WHERE j.request::text LIKE '%upload://%' OR j.request::text LIKE '%asset://%'
"""
_UPLOADS = """
INSERT INTO uploads (id, tenant, reference, size_bytes, created_at, touched_at, stored_at)
SELECT gen_random_uuid(), tenant, reference, 0, min(created_at), max(created_at), min(created_at)
FROM mentions WHERE reference ~ '^upload://[0-9a-f]{64}[.][a-z0-9]{2,5}$' GROUP BY tenant, reference
"""
_USES = """
INSERT INTO upload_uses (job_id, upload_id)
SELECT m.job_id, u.id FROM mentions m JOIN uploads u ON u.tenant = m.tenant AND u.reference = m.reference
"""
_ASSETS = """
INSERT INTO tenant_assets (tenant, asset_id)
SELECT DISTINCT tenant, substring(reference FROM 9) FROM mentions
WHERE reference LIKE 'asset://%' AND tenant <> 'default'
"""


def _at(name: str, *, nullable: bool = True) -> sa.Column[object]:
    default = None if nullable else sa.text("now()")
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        _at("created_at", nullable=False),
        _at("touched_at", nullable=False),
        _at("stored_at"),
        _at("removed_at"),
        sa.CheckConstraint("size_bytes >= 0", name="uploads_size_bytes_check"),
        sa.PrimaryKeyConstraint("id"),
    )
    known, removed = sa.text("removed_at IS NULL"), sa.text("removed_at IS NOT NULL")
    op.create_index("uploads_reference_idx", "uploads", ["tenant", "reference"], unique=True, postgresql_where=known)
    op.create_index("uploads_created_idx", "uploads", ["tenant", "id"])
    op.create_index("uploads_touched_idx", "uploads", ["touched_at"], postgresql_where=known)
    op.create_index("uploads_removed_idx", "uploads", ["removed_at"], postgresql_where=removed)
    op.create_table(
        "upload_uses",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["upload_id"], ["uploads.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "upload_id"),
    )
    op.create_index("upload_uses_upload_idx", "upload_uses", ["upload_id"])
    op.create_table(
        "tenant_assets",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        _at("created_at", nullable=False),
        sa.PrimaryKeyConstraint("tenant", "asset_id"),
    )
    for statement in (_MENTIONS, _UPLOADS, _USES, _ASSETS):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("tenant_assets")
    op.drop_table("upload_uses")
    op.drop_table("uploads")

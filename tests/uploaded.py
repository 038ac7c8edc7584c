"""Where the uploaded files of tests lie in the bucket."""

from __future__ import annotations

from storage.database import connect
from storage.settings import Settings


def key_of(settings: Settings, reference: str, tenant: str = "default") -> str:
    """The key of a tenant's file."""
    with connect(settings.require_database_url()) as conn:
        [row] = conn.execute(
            "SELECT object_key FROM uploads WHERE tenant = %s AND reference = %s AND removed_at IS NULL",
            [tenant, reference],
        ).fetchall()
    return str(row[0])

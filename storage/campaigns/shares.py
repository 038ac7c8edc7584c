"""Links to a campaign's videos that need no key: a token each, which expires and can be revoked. Only hashes of tokens
are stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.actors import current_actor
from storage.database import Connection
from storage.jobs.enqueue import new_job_id

MAX_DAYS = 366.0
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Share:
    """A link, without its token. `approved_only`: it shows approved videos only, else all that are not rejected."""

    id: UUID
    campaign_id: UUID
    tenant: str
    campaign: str
    approved_only: bool
    created_at: datetime
    created_by: str | None
    expires_at: datetime
    revoked_at: datetime | None


_SELECT: LiteralString = """
SELECT s.id, s.campaign_id, c.tenant, c.name AS campaign, s.approved_only, s.created_at, s.created_by, s.expires_at,
       s.revoked_at
FROM campaign_shares s JOIN campaigns c ON c.id = s.campaign_id
"""
_ADD: LiteralString = """
INSERT INTO campaign_shares (id, campaign_id, token_hash, approved_only, created_by, expires_at)
VALUES (%(id)s, %(campaign)s, %(hash)s, %(approved_only)s, %(actor)s, now() + make_interval(secs => %(seconds)s))
"""
_REVOKE: LiteralString = """
UPDATE campaign_shares SET revoked_at = coalesce(revoked_at, now())
WHERE campaign_id = %(campaign)s AND id = %(id)s
"""


def create_share(conn: Connection, campaign_id: UUID, days: float, *, approved_only: bool = False) -> tuple[Share, str]:
    """A new link to a campaign, and its token, which cannot be read again."""
    token, share_id = secrets.token_urlsafe(32), new_job_id()
    values = {"id": share_id, "campaign": campaign_id, "hash": _hash(token), "approved_only": approved_only}
    conn.execute(_ADD, values | {"actor": current_actor(), "seconds": days * 86400})
    with conn.cursor(row_factory=class_row(Share)) as cursor:
        share = cursor.execute(_SELECT + "WHERE s.id = %s", [share_id]).fetchone()
    assert share is not None  # noqa: S101 - it has just been inserted
    return share, token


def share_of(conn: Connection, token: str) -> Share | None:
    """The link with this token; None: there is none, or it has expired or was revoked."""
    if not _TOKEN.fullmatch(token):
        return None
    with conn.cursor(row_factory=class_row(Share)) as cursor:
        return cursor.execute(
            _SELECT + "WHERE s.token_hash = %s AND s.revoked_at IS NULL AND s.expires_at > now()", [_hash(token)]
        ).fetchone()


def shares_of(conn: Connection, campaign_id: UUID) -> list[Share]:
    """All links to a campaign, newest first, with those that have ended."""
    with conn.cursor(row_factory=class_row(Share)) as cursor:
        return cursor.execute(_SELECT + "WHERE s.campaign_id = %s ORDER BY s.id DESC", [campaign_id]).fetchall()


def revoke_share(conn: Connection, campaign_id: UUID, share_id: UUID) -> bool:
    """End a link now; False: the campaign has no such link."""
    return conn.execute(_REVOKE, {"campaign": campaign_id, "id": share_id}).rowcount == 1


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

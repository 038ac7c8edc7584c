"""Sessions of the page. A browser gets a random id instead of a key; only its hash is stored.

A session has the rights of the key that opened it, and ends with it: when the key is revoked or expires. The operator's
own key is in the settings; its hash is kept, so that another key there ends the sessions of the old one.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection

PREFIX = "rs_"
LIFE_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session that may be used. Either `configured_hash` is set, or the fields of its key are."""

    configured_hash: str | None
    key_id: str | None
    key_name: str | None
    tenant: str | None
    scopes: list[str] | None
    jobs_per_minute: int | None


_FIND: LiteralString = """
SELECT s.configured_hash, s.key_id, k.name AS key_name, k.tenant, k.scopes, t.jobs_per_minute
FROM page_sessions s LEFT JOIN api_keys k ON k.id = s.key_id LEFT JOIN tenants t ON t.name = k.tenant
WHERE s.id_hash = %(hash)s AND s.expires_at > now()
  AND (s.key_id IS NULL OR (k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())))
"""
_OPEN: LiteralString = """
WITH expired AS (DELETE FROM page_sessions WHERE expires_at < now())
INSERT INTO page_sessions (id_hash, key_id, configured_hash, expires_at)
VALUES (%(hash)s, %(key_id)s, %(configured_hash)s, now() + make_interval(secs => %(life_s)s))
"""


def hash_of(session: str) -> str:
    """The hash that is stored. A session is random enough that a plain hash cannot be reversed."""
    return hashlib.sha256(session.encode()).hexdigest()


def open_session(conn: Connection, *, key_id: str | None = None, configured_hash: str | None = None) -> str:
    """Open a session of a key, or of the operator's own key with this hash. Only this call gives its id."""
    session = PREFIX + secrets.token_urlsafe(32)
    values = {"hash": hash_of(session), "key_id": key_id, "configured_hash": configured_hash, "life_s": LIFE_S}
    conn.execute(_OPEN, values)
    return session


def find_session(conn: Connection, id_hash: str) -> FoundSession | None:
    """The session with this hash; None when it is unknown, has ended or expired, or its key has."""
    with conn.cursor(row_factory=class_row(FoundSession)) as cursor:
        return cursor.execute(_FIND, {"hash": id_hash}).fetchone()


def end_session(conn: Connection, id_hash: str) -> None:
    """End a session for good; servers notice within seconds."""
    conn.execute("DELETE FROM page_sessions WHERE id_hash = %(hash)s", {"hash": id_hash})

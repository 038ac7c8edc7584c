"""Webhook endpoints: the URLs at which tenants receive events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import uuid_utils.compat
from psycopg.rows import class_row

from storage.database import Connection
from storage.webhooks.receivers import wake_endpoint


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint, without its secrets. Empty `events`: all of them."""

    id: UUID
    tenant: str
    url: str
    events: list[str]
    previous_until: datetime | None
    """Until then messages are signed with the former secret as well; None: with the present one only."""
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime


_COLUMNS: LiteralString = """
id, tenant, url, events, CASE WHEN previous_until > now() THEN previous_until END AS previous_until, disabled_at,
disabled_reason, created_at
"""
_ADD: LiteralString = f"""
INSERT INTO webhook_endpoints (id, tenant, url, events, secret)
VALUES (%(id)s, %(tenant)s, %(url)s, %(events)s, %(secret)s)
ON CONFLICT (tenant, url) DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants
_LIST: LiteralString = f"""
SELECT {_COLUMNS} FROM webhook_endpoints
WHERE (%(tenant)s::text IS NULL OR tenant = %(tenant)s) AND (%(id)s::uuid IS NULL OR id = %(id)s)
ORDER BY created_at, id
"""  # noqa: S608 - as above
_ROTATE: LiteralString = f"""
UPDATE webhook_endpoints SET
    secret = %(secret)s,
    previous_secret = CASE WHEN %(overlap_s)s > 0 THEN secret END,
    previous_until = CASE WHEN %(overlap_s)s > 0 THEN now() + make_interval(secs => %(overlap_s)s) END
WHERE id = %(id)s AND tenant = %(tenant)s RETURNING {_COLUMNS}
"""  # noqa: S608 - as above
_CHANGE: LiteralString = f"""
UPDATE webhook_endpoints SET
    events = coalesce(%(events)s, events),
    disabled_at = CASE WHEN %(disabled)s THEN coalesce(disabled_at, now())
                       WHEN NOT %(disabled)s THEN NULL ELSE disabled_at END,
    disabled_reason = CASE WHEN %(disabled)s THEN coalesce(disabled_reason, %(reason)s)
                           WHEN NOT %(disabled)s THEN NULL ELSE disabled_reason END
WHERE id = %(id)s AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) RETURNING {_COLUMNS}
"""  # noqa: S608 - as above
_REMOVE: LiteralString = "DELETE FROM webhook_endpoints WHERE id = %(id)s AND tenant = %(tenant)s RETURNING id"
_GIVE_UP: LiteralString = """
UPDATE webhook_messages SET due_at = NULL, dead_at = now(), leased = false, claim = claim + 1, last_error = %(error)s
WHERE endpoint_id = %(id)s AND due_at IS NOT NULL
"""


def add_endpoint(conn: Connection, tenant: str, url: str, events: Sequence[str], secret: str) -> Endpoint | None:
    """Store a new endpoint; None when the tenant already has one with this URL."""
    parameters = {
        "id": uuid_utils.compat.uuid7(),
        "tenant": tenant,
        "url": url,
        "events": list(events),
        "secret": secret,
    }
    with conn.cursor(row_factory=class_row(Endpoint)) as cursor:
        return cursor.execute(_ADD, parameters).fetchone()


def list_endpoints(conn: Connection, tenant: str | None) -> list[Endpoint]:
    """The endpoints of a tenant (None: of all tenants), oldest first."""
    with conn.cursor(row_factory=class_row(Endpoint)) as cursor:
        return cursor.execute(_LIST, {"tenant": tenant, "id": None}).fetchall()


def get_endpoint(conn: Connection, tenant: str, endpoint_id: UUID) -> Endpoint | None:
    """The tenant's endpoint with this id; None when there is none."""
    with conn.cursor(row_factory=class_row(Endpoint)) as cursor:
        return cursor.execute(_LIST, {"tenant": tenant, "id": endpoint_id}).fetchone()


def rotate_secret(conn: Connection, tenant: str, endpoint_id: UUID, secret: str, overlap_s: float) -> Endpoint | None:
    """Give an endpoint a new secret and sign with both for `overlap_s` seconds. None: no such endpoint."""
    parameters = {"id": endpoint_id, "tenant": tenant, "secret": secret, "overlap_s": overlap_s}
    with conn.cursor(row_factory=class_row(Endpoint)) as cursor:
        return cursor.execute(_ROTATE, parameters).fetchone()


def change_endpoint(
    conn: Connection,
    tenant: str | None,
    endpoint_id: UUID,
    *,
    events: Sequence[str] | None = None,
    disabled: bool | None = None,
    reason: str | None = None,
) -> Endpoint | None:
    """Change what is given. A disabled endpoint gets no messages; those that wait for it are given up, and can be
    replayed after it is enabled again. None: no such endpoint."""
    parameters = {
        "id": endpoint_id,
        "tenant": tenant,
        "events": None if events is None else list(events),
        "disabled": disabled,
        "reason": reason,
    }
    with conn.cursor(row_factory=class_row(Endpoint)) as cursor:
        found = cursor.execute(_CHANGE, parameters).fetchone()
    if found is not None and disabled is False:
        wake_endpoint(conn, endpoint_id)
    if found is not None and disabled:
        conn.execute(_GIVE_UP, {"id": endpoint_id, "error": f"the endpoint is disabled: {found.disabled_reason}"})
    return found


def remove_endpoint(conn: Connection, tenant: str, endpoint_id: UUID) -> bool:
    """Remove an endpoint and give up the messages that wait for it. False: no such endpoint."""
    if conn.execute(_REMOVE, {"id": endpoint_id, "tenant": tenant}).fetchone() is None:
        return False
    conn.execute(_GIVE_UP, {"id": endpoint_id, "error": "the endpoint was removed"})
    return True

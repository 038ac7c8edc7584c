"""Receivers that do not answer: the breaker of each, by tenant and target.

A receiver that left a batch without any answer is suspect: it shares a part of the places with the other suspects. From
the second time in a row on it rests for a while, which grows, and then gets one message as a probe. Any answer, also an
error, ends that: only waiting takes places from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from storage.database import Connection

REST_FIRST_S, REST_CAP_S = 10.0, 300.0

_SILENT: LiteralString = """
INSERT INTO webhook_receivers AS r (tenant, target, failures) VALUES (%(tenant)s, %(target)s, 1)
ON CONFLICT (tenant, target) DO UPDATE SET
    failures = least(r.failures + 1, 1000),
    open_until = now() + make_interval(
        secs => least(%(first_s)s * power(2, least(r.failures, 20) - 1), %(cap_s)s) * (0.8 + random() * 0.4)),
    updated_at = now()
"""
_ANSWERED: LiteralString = "DELETE FROM webhook_receivers WHERE tenant = %(tenant)s AND target = %(target)s"
_OF_MESSAGES: LiteralString = """
DELETE FROM webhook_receivers r USING (SELECT DISTINCT tenant, target FROM webhook_messages WHERE id = ANY(%(ids)s)) m
WHERE r.tenant = m.tenant AND r.target = m.target
"""
_OF_ENDPOINT: LiteralString = "DELETE FROM webhook_receivers WHERE target = %(id)s::uuid::text"
_SWEEP: LiteralString = "DELETE FROM webhook_receivers WHERE updated_at < now() - interval '1 day'"


def note_silence(conn: Connection, tenant: str, target: str) -> None:
    """A receiver answered no message of a batch."""
    known = {"tenant": tenant, "target": target, "first_s": REST_FIRST_S, "cap_s": REST_CAP_S}
    conn.execute(_SILENT, known)


def note_answer(conn: Connection, tenant: str, target: str) -> None:
    """A receiver answered a message."""
    conn.execute(_ANSWERED, {"tenant": tenant, "target": target})


def wake_receivers(conn: Connection, message_ids: Sequence[UUID]) -> None:
    """Try the receivers of these messages again at once: a person says so."""
    conn.execute(_OF_MESSAGES, {"ids": list(message_ids)})


def wake_endpoint(conn: Connection, endpoint_id: UUID) -> None:
    """Try an endpoint again at once."""
    conn.execute(_OF_ENDPOINT, {"id": endpoint_id})


def sweep_receivers(conn: Connection) -> int:
    """Forget the receivers that have been sent nothing for a day; returns their number."""
    return conn.execute(_SWEEP).rowcount

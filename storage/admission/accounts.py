"""Lock the rows of accounts while a scheduler grants them jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from storage import decisions
from storage.admission import circuit_breaker, model_limits
from storage.database import Connection
from storage.tenants.tenants import DEFAULT_TENANT

_ENSURE: LiteralString = """
INSERT INTO account_states (name)
SELECT i.name FROM unnest(%(names)s::text[]) AS i(name) LEFT JOIN account_states s ON s.name = i.name
WHERE s.name IS NULL ORDER BY i.name
ON CONFLICT (name) DO NOTHING
"""
_LOCK: LiteralString = """
SELECT s.name FROM account_states s
WHERE s.name = ANY(%(names)s) AND NOT EXISTS (
    SELECT FROM circuit_breakers b WHERE b.account = s.name AND b.model = '' AND b.open_until > now())
ORDER BY s.name FOR UPDATE OF s SKIP LOCKED
"""


def lock_accounts(conn: Connection, names: Sequence[str]) -> set[str]:
    """Lock the accounts whose own breaker is not open and that no other scheduler holds now; returns their names.

    Counts made after this call stay valid until the transaction ends.
    """
    parameters = {"names": list(names)}
    conn.execute(_ENSURE, parameters)
    return {row[0] for row in conn.execute(_LOCK, parameters)}


def resume(conn: Connection, name: str) -> None:
    """Use an account again at once, up to its configured limits."""
    circuit_breaker.reset(conn, name)
    model_limits.reset(conn, name)
    decisions.record(conn, DEFAULT_TENANT, "account.resumed", f"account:{name}")

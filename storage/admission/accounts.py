"""Lock the rows of accounts while a scheduler grants them jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from storage.database import Connection

_ENSURE: LiteralString = """
INSERT INTO account_states (name, version)
SELECT i.name, (SELECT version FROM accounts_version)
FROM unnest(%(names)s::text[]) AS i(name) LEFT JOIN account_states s ON s.name = i.name
WHERE s.name IS NULL ORDER BY i.name
ON CONFLICT (name) DO NOTHING
"""
# `s.version` is that of the locked row, also if it has just changed; the other one may be older.
_LOCK: LiteralString = """
SELECT s.name, s.version, (SELECT version FROM accounts_version) FROM account_states s
WHERE s.name = ANY(%(names)s) AND NOT EXISTS (
    SELECT FROM circuit_breakers b WHERE b.account = s.name AND b.model = '' AND b.open_until > now())
ORDER BY s.name FOR UPDATE OF s SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Locked:
    """Locked accounts. `latest`: the newest version of the accounts that was seen, 0 if nothing was locked."""

    names: frozenset[str] = frozenset()
    latest: int = 0


def lock_accounts(conn: Connection, names: Sequence[str], version: int) -> Locked:
    """Lock the accounts whose own breaker is not open and that no other scheduler holds now.

    `version`: that of the caller's settings. Accounts that have changed since are locked but not returned. Counts made
    after this call stay valid until the transaction ends.
    """
    parameters = {"names": list(names)}
    rows = conn.execute(_LOCK, parameters).fetchall()
    if len(rows) < len(names) and conn.execute(_ENSURE, parameters).rowcount:
        rows = conn.execute(_LOCK, parameters).fetchall()
    known = frozenset(name for name, changed, _ in rows if changed <= version)
    return Locked(known, max((max(row[1:]) for row in rows), default=0))

"""The secrets of stored accounts: encrypted, numbered, and kept as long as a task needs them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection
from storage.sealing import CannotOpen, Sealer

SECRETS = ("api_key", "user_token", "webhook_secret")
"""The fields of an account that are secret; only their encrypted form is stored."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """The secrets of an account, encrypted. `retired_at`: when others replaced them."""

    id: int
    account: str
    sealed: str
    retired_at: datetime | None


_LIST: LiteralString = "SELECT id, account, sealed, retired_at FROM account_keys ORDER BY id"
_INSERT: LiteralString = "INSERT INTO account_keys (account, sealed) VALUES (%(account)s, %(sealed)s) RETURNING id"
_RETIRE: LiteralString = """
UPDATE account_keys SET retired_at = now() WHERE account = %(account)s AND id <> %(id)s AND retired_at IS NULL
"""
_DELETE_RETIRED: LiteralString = "DELETE FROM account_keys WHERE account = %(account)s AND id <> %(id)s"
# Within a lease a worker may still begin an attempt with it. A job that has not ended may need the key of any of its
# attempts: for queries, for a fresh link, or to look for a task whose POST had no answer. `look_at`: a reported task to
# look at.
_DELETE_UNUSED: LiteralString = """
DELETE FROM account_keys k
WHERE k.retired_at < now() - make_interval(secs => %(lease_s)s)
  AND NOT EXISTS (
    SELECT FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.key_id = k.id
    WHERE j.account = k.account AND j.due_at IS NOT NULL AND j.state <> 'transferring'
      AND j.state IN ('submitting', 'unconfirmed', 'generating'))
  AND NOT EXISTS (
    SELECT FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.key_id = k.id
    WHERE j.state = 'transferring' AND j.account = k.account)
  AND NOT EXISTS (SELECT FROM attempts a WHERE a.look_at IS NOT NULL AND a.key_id = k.id)
"""
_RESEAL: LiteralString = "UPDATE account_keys SET sealed = %(sealed)s WHERE id = %(id)s"


def stored_keys(conn: Connection) -> list[SealedKey]:
    """All of them."""
    with conn.cursor(row_factory=class_row(SealedKey)) as cursor:
        return cursor.execute(_LIST).fetchall()


def opened(sealer: Sealer, key: SealedKey) -> dict[str, str]:
    """The secrets themselves, by field.

    Raises:
        CannotOpen: the master key that sealed them is not set.
    """
    found: dict[str, str] = json.loads(sealer.open(key.sealed, _context(key.account)))
    return found


def add_key(conn: Connection, sealer: Sealer, account: str, secrets: Mapping[str, str]) -> int:
    """Store the secrets of an account; returns their number.

    Raises:
        CannotOpen: no master key is set.
    """
    sealed = sealer.seal(json.dumps(dict(secrets)), _context(account))
    row = conn.execute(_INSERT, {"account": account, "sealed": sealed}).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING
    return int(row[0])


def retire_others(conn: Connection, account: str, key_id: int, *, delete: bool) -> None:
    """Mark the other keys of an account as replaced, or delete them at once: then their tasks use this one."""
    conn.execute(_DELETE_RETIRED if delete else _RETIRE, {"account": account, "id": key_id})


def delete_unused(conn: Connection, lease_s: float) -> int:
    """Delete keys that were replaced longer than a lease ago and that no task needs any more; returns how many."""
    return conn.execute(_DELETE_UNUSED, {"lease_s": lease_s}).rowcount


def reseal(conn: Connection, sealer: Sealer) -> tuple[int, list[str]]:
    """Encrypt everything with the first master key: how many were changed, and the accounts that could not be opened.

    Raises:
        CannotOpen: no master key is set.
    """
    changed, closed = 0, []
    for key in stored_keys(conn):
        if sealer.is_current(key.sealed):
            continue
        try:
            secrets = opened(sealer, key)
        except CannotOpen:
            closed.append(key.account)
            continue
        conn.execute(_RESEAL, {"id": key.id, "sealed": sealer.seal(json.dumps(secrets), _context(key.account))})
        changed += 1
    return changed, sorted(set(closed))


def _context(account: str) -> str:
    return f"account:{account}"

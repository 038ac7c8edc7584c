"""Operations on the rows of a campaign: each is carried out once, however often its caller repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from storage.actors import current_actor
from storage.database import Connection
from storage.jsonb import dumps


@dataclass(frozen=True, slots=True)
class Known:
    """An operation that was carried out before. `asked_hash`: of what it asked for; None: an earlier release began it,
    which did not keep that."""

    campaign_id: UUID
    verb: str
    asked_hash: str | None
    result: dict[str, Any] | None


# A second session with the same id waits here until the first has committed.
_BEGIN: LiteralString = """
INSERT INTO campaign_operations (tenant, id, campaign_id, verb, asked_hash, actor)
VALUES (%(tenant)s, %(id)s, %(campaign)s, %(verb)s, %(asked)s, %(actor)s)
ON CONFLICT (tenant, id) DO NOTHING
RETURNING id
"""
_FIND: LiteralString = """
SELECT campaign_id, verb, asked_hash, result FROM campaign_operations WHERE tenant = %(tenant)s AND id = %(id)s
"""
_END: LiteralString = """
UPDATE campaign_operations SET result = %(result)s::jsonb WHERE tenant = %(tenant)s AND id = %(id)s
"""


def begin(conn: Connection, tenant: str, operation: str, campaign_id: UUID, verb: str, asked: str) -> Known | None:
    """Begin an operation in this transaction; returns the earlier one with that id, if there is one. `asked`: the hash
    of what it asks for."""
    values = {"tenant": tenant, "id": operation, "campaign": campaign_id, "verb": verb, "asked": asked}
    values |= {"actor": current_actor()}
    if conn.execute(_BEGIN, values).fetchone() is not None:
        return None
    known = find(conn, tenant, operation)
    assert known is not None  # noqa: S101 - the conflict has just shown it
    return known


def find(conn: Connection, tenant: str, operation: str) -> Known | None:
    """The operation with an id; None: none was carried out."""
    row = conn.execute(_FIND, {"tenant": tenant, "id": operation}).fetchone()
    return None if row is None else Known(*row)


def end(conn: Connection, tenant: str, operation: str, result: Mapping[str, Any]) -> None:
    """Store what an operation did, in the transaction that did it."""
    conn.execute(_END, {"tenant": tenant, "id": operation, "result": dumps(dict(result))})

"""The learnt slot limits of each model of an account, as rows; `slot_limits` learns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from storage.admission.slot_limits import SlotLimit
from storage.database import Connection

_READ: LiteralString = """
SELECT account, model, slots, step, wait_s, since, extract(epoch FROM now() - since)::float8 AS unchanged_s
FROM model_limits WHERE %(accounts)s::text[] IS NULL OR account = ANY(%(accounts)s::text[])
"""
_SET: LiteralString = """
INSERT INTO model_limits (account, model, slots, step, wait_s)
VALUES (%(account)s, %(model)s, %(slots)s, %(step)s, %(wait_s)s)
ON CONFLICT (account, model) DO UPDATE SET slots = excluded.slots, step = excluded.step, wait_s = excluded.wait_s,
                                           since = now()
"""


@dataclass(frozen=True, slots=True)
class ModelLimit:
    """The learnt limit of one model; unchanged for `unchanged_s` seconds."""

    account: str
    model: str
    slots: int
    step: int
    wait_s: float
    since: datetime
    unchanged_s: float

    @property
    def limit(self) -> SlotLimit:
        """The limit as a value that learns."""
        return SlotLimit(self.slots, self.step, self.wait_s)


def model_limits(conn: Connection, accounts: Sequence[str] | None = None) -> dict[tuple[str, str], ModelLimit]:
    """The learnt limits by account and model; None: those of all accounts."""
    with conn.cursor(row_factory=class_row(ModelLimit)) as cursor:
        rows = cursor.execute(_READ, {"accounts": None if accounts is None else list(accounts)})
        return {(row.account, row.model): row for row in rows}


def set_limit(conn: Connection, account: str, model: str, limit: SlotLimit) -> None:
    """Store a limit; delete it if it has no slots."""
    parameters = {"account": account, "model": model}
    if limit.slots is None:
        conn.execute("DELETE FROM model_limits WHERE account = %(account)s AND model = %(model)s", parameters)
        return
    conn.execute(_SET, parameters | {"slots": limit.slots, "step": limit.step, "wait_s": limit.wait_s})


def reset(conn: Connection, account: str) -> None:
    """Delete the learnt limits of an account."""
    conn.execute("DELETE FROM model_limits WHERE account = %s", [account])

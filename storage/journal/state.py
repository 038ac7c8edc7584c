"""This database's own row about its journal: how far both agree, and why nothing is submitted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString, NoReturn
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jsonb import dumps

FRESH_S = 120.0
"""A database that a scheduler used less than this ago can do without a comparison while the store is down."""
BEHIND_S = 60.0
"""How long a POST that was not written down before counts as a fault of now."""
RESTORED: Literal["restored"] = "restored"
HoldCode = Literal["restored", "copy", "gap", "unreadable"]
"""Why nothing is submitted: `restored`: it was not compared since `reelq db restore`; `copy`: the journal is in another
bucket; `gap`: the journal begins later than this database ends; `unreadable`: a segment that is newer than the database
is damaged."""
ProblemCode = Literal["no_store", "not_listed"]


@dataclass(frozen=True, slots=True)
class JournalState:
    """The row. `fresh`: a scheduler used this database a moment ago; `has_waiting`: it has a job that may be submitted;
    `has_attempts`: at least one POST was made; `behind`: workers make POSTs that they cannot write down before."""

    lineage: UUID
    place: str | None
    through: datetime | None
    hold: dict[str, Any] | None
    problem: dict[str, Any] | None
    restored: dict[str, Any] | None
    behind: bool
    behind_error: str | None
    fresh: bool
    has_waiting: bool
    has_attempts: bool


_READ: LiteralString = """
SELECT lineage, place, through, hold, problem, restored, behind_error,
       coalesce(behind_at > now() - make_interval(secs => %(behind_s)s), false) AS behind,
       coalesce(greatest(through, (SELECT max(seen_at) FROM heartbeats WHERE component = 'scheduler'))
                > now() - make_interval(secs => %(fresh_s)s), false) AS fresh,
       EXISTS (SELECT FROM attempts) AS has_attempts,
       EXISTS (SELECT FROM jobs WHERE state IN ('queued', 'submitting', 'unconfirmed')) AS has_waiting
FROM journal
"""


def read_state(conn: Connection) -> JournalState:
    """The row as it is now."""
    with conn.cursor(row_factory=class_row(JournalState)) as cursor:
        return cursor.execute(_READ, {"behind_s": BEHIND_S, "fresh_s": FRESH_S}).fetchone() or _gone()


def _gone() -> NoReturn:
    raise LookupError("the table journal has no row; restore the database again, or run `reelq db upgrade` on it")


def position(conn: Connection) -> tuple[datetime | None, bool, datetime]:
    """How far this database and its journal agree, whether submits are held, and when its server was started, by which
    a process knows that another server has taken its place. Cheap: each claim asks."""
    row = conn.execute("SELECT through, hold IS NOT NULL, pg_postmaster_start_time() FROM journal").fetchone()
    return _gone() if row is None else (row[0], row[1], row[2])


def held_by(conn: Connection) -> str | None:
    """The code of the hold of all submits; None: they are not held."""
    row = conn.execute("SELECT hold->>'code' FROM journal").fetchone()
    if row is None:
        _gone()
    return None if row[0] is None else str(row[0])


_ADVANCE: LiteralString = """
UPDATE journal SET through = now()
WHERE %(through)s::timestamptz IS NULL OR through >= %(through)s RETURNING through
"""


def advance(conn: Connection, through: datetime | None) -> datetime | None:
    """Note that everything in the journal up to now is in this database, which was so at `through`. None: this is an
    older state of the database."""
    row = conn.execute(_ADVANCE, {"through": through}).fetchone()
    return None if row is None else row[0]


def note_place(conn: Connection, place: str) -> None:
    """Note which bucket has the journal."""
    conn.execute("UPDATE journal SET place = %(place)s WHERE place IS DISTINCT FROM %(place)s", {"place": place})


def note_problem(conn: Connection, code: ProblemCode, message: str) -> None:
    """Note why the journal cannot be compared; `since` stays that of the same problem."""
    conn.execute(
        """UPDATE journal SET problem = %(new)s::jsonb || jsonb_build_object('since',
               CASE WHEN problem->>'code' = %(code)s THEN problem->'since' ELSE to_jsonb(now()) END)""",
        {"new": dumps({"code": code, "message": message}), "code": code},
    )


def hold(conn: Connection, code: HoldCode, message: str) -> None:
    """Submit nothing until `release`; an earlier hold stays, unless it only waited for a comparison."""
    conn.execute(
        """UPDATE journal SET hold = %(new)s::jsonb || jsonb_build_object('since', now())
           WHERE hold IS NULL OR hold->>'code' = %(restored)s""",
        {"new": dumps({"code": code, "message": message}), "restored": RESTORED},
    )


def release(conn: Connection) -> bool:
    """Submit again. False: nothing was held."""
    return conn.execute("UPDATE journal SET hold = NULL WHERE hold IS NOT NULL").rowcount > 0


def note_compared(conn: Connection) -> None:
    """Note that the journal was read: end the problem, and the hold that waited for it."""
    conn.execute(
        """UPDATE journal SET problem = NULL, hold = nullif(hold, CASE WHEN hold->>'code' = %(restored)s THEN hold END)
           WHERE problem IS NOT NULL OR hold->>'code' = %(restored)s""",
        {"restored": RESTORED},
    )


def note_restored(conn: Connection, report: dict[str, Any]) -> None:
    """Keep the counts of the last restore that was found."""
    conn.execute("UPDATE journal SET restored = %s::jsonb", [dumps(report)])


def note_behind(conn: Connection, error: str) -> None:
    """Note that POSTs are made that were not written down before."""
    conn.execute("UPDATE journal SET behind_at = now(), behind_error = %s", [error])

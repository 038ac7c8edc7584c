"""Circuit breakers: pause an account, or one model of it, after failures that are not the fault of a single job.

A breaker stays open for a time that grows with each failure in a row. Then it is half open: a few jobs are tried, and
the first accepted one closes it. The rows of `attempts` are the evidence, so nothing is counted twice and a success
needs no extra write. An attempt that began before the breaker opened neither lengthens nor ends the pause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jsonb import dumps

WHOLE_ACCOUNT = ""
"""The model name in the breaker of an account as a whole."""
JOBS_IN_A_ROW = 4
"""The number of different jobs that must fail, with no acceptance in between, to count as an outage."""
WITHIN_S = 180.0
MOMENT_S = 10.0
"""POSTs that began at most this long before a breaker opened count as sent together with those that opened it."""
RECENT_S = 600.0
"""An acceptance whose POST began longer ago closes no breaker: the next one does."""
PROBES, DOUBTFUL_PROBES = 2, 1
"""How many jobs at a time a half-open breaker admits; one if a failure may leave a generation in doubt."""


class Cause(StrEnum):
    """Why a breaker is open."""

    ACCOUNT = "account"  # the gateway refuses the key, the permission or the credit
    MODEL = "model"  # the gateway refuses this model to this key
    ROUTE = "route"  # the URL does not lead to the gateway's API
    OUTAGE = "outage"  # the gateway cannot be reached, or each answer leaves the outcome open
    THROTTLED = "throttled"  # the gateway said "too many"


@dataclass(frozen=True, slots=True)
class Breaker:
    """A breaker that is open or half open; a closed one has no row. `openings` counts openings in a row."""

    account: str
    model: str
    cause: str
    doubtful: bool
    """Whether a try may leave a generation in doubt."""
    is_open: bool
    open_until: datetime
    opened_at: datetime
    since: datetime
    """When it first opened; `opened_at` is the last time."""
    openings: int
    judged: bool
    """Whether its refusals were already used to learn a slot limit."""
    error: dict[str, Any] | None

    @property
    def probes(self) -> int:
        """How many jobs at a time it admits once it is half open."""
        return DOUBTFUL_PROBES if self.doubtful else PROBES


@dataclass(frozen=True, slots=True)
class Opened:
    """A breaker has just opened for `seconds`; `openings` counts openings in a row, 1 the first time."""

    seconds: float
    openings: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason to open a breaker: the failed attempts (job, number), their error, and the wait after the n-th opening.

    A number of None is a call that belongs to no attempt yet. `named_s` is the wait that the gateway asked for.
    """

    cause: Cause
    error: Mapping[str, Any]
    wait_s: Callable[[int], float]
    attempts: Sequence[tuple[UUID, int | None]] = ()
    named_s: float | None = None
    doubtful: bool = False
    beside_acceptance: bool = False
    """Other jobs were accepted at the same moment."""


_READ: LiteralString = """
SELECT account, model, cause, doubtful, open_until > now() AS is_open, open_until, opened_at, since, openings, judged,
       error
FROM circuit_breakers WHERE %(accounts)s::text[] IS NULL OR account = ANY(%(accounts)s::text[])
"""
_LOCK_ACCOUNT: LiteralString = """
INSERT INTO account_states (name) VALUES (%(account)s) ON CONFLICT (name) DO UPDATE SET name = excluded.name
"""
_LOCK: LiteralString = _READ + " AND model = %(model)s FOR UPDATE"
_OPEN: LiteralString = """
INSERT INTO circuit_breakers AS b (account, model, cause, doubtful, open_until, tried_from, openings, error)
VALUES (%(account)s, %(model)s, %(cause)s, %(doubtful)s, now() + make_interval(secs => %(seconds)s),
        now() - make_interval(secs => %(moment_s)s), %(openings)s, %(error)s::jsonb)
ON CONFLICT (account, model) DO UPDATE SET
    cause = excluded.cause, doubtful = excluded.doubtful, open_until = excluded.open_until, error = excluded.error,
    openings = excluded.openings, opened_at = now(), judged = false, tried_from = b.open_until,
    since = CASE WHEN b.cause = excluded.cause THEN b.since ELSE now() END
"""
_EXTEND: LiteralString = """
UPDATE circuit_breakers SET open_until = greatest(open_until, now() + make_interval(secs => %(seconds)s))
WHERE account = %(account)s AND model = %(model)s
"""
# Any acceptance closes the breaker of an account; only an acceptance of the same model closes that of a model.
# Schedulers look all the time, so those that began long ago were seen. Without this bound, each look at a model that
# nothing asks for would read all that the account has done since. Not EXISTS: PostgreSQL would join, and read all
# attempts as long as most of them were accepted.
_CLOSE: LiteralString = f"""
DELETE FROM circuit_breakers b
WHERE b.account = ANY(%(accounts)s) AND (%(model)s::text IS NULL OR b.model = %(model)s) AND b.open_until <= now()
  AND (b.model = '' OR %(models)s)
  AND (
    SELECT true FROM attempts a
    WHERE a.account = b.account AND (b.model = '' OR a.model_key = b.model) AND a.outcome = 'accepted'
      AND a.started_at > greatest(b.open_until, now() - interval '{RECENT_S:.0f} s')
    ORDER BY a.account, a.started_at LIMIT 1)
RETURNING b.account, b.model
"""  # noqa: S608 - put together from constants
_RECOVER: LiteralString = "DELETE FROM circuit_breakers WHERE account = %(account)s AND model = %(model)s"
_BURST: LiteralString = """
SELECT count(*) FILTER (WHERE a.outcome = 'accepted'), count(*) FILTER (WHERE a.outcome = 'throttled')
FROM circuit_breakers b JOIN attempts a
    ON a.account = b.account AND a.model_key = b.model AND a.started_at BETWEEN b.tried_from AND b.opened_at
WHERE b.account = %(account)s AND b.model = %(model)s
"""
_PROBED: LiteralString = """
SELECT EXISTS (
    SELECT FROM attempts a JOIN unnest(%(ids)s::uuid[], %(numbers)s::int[]) AS i(id, number)
        ON a.job_id = i.id AND a.number = i.number
    WHERE a.job_id = ANY(%(ids)s) AND a.started_at >= %(open_until)s)
"""
_IN_A_ROW: LiteralString = """
WITH recent AS (
    SELECT job_id, model_key, outcome, finished_at FROM attempts
    WHERE account = %(account)s AND started_at > now() - make_interval(secs => %(within_s)s)
      AND finished_at IS NOT NULL
), since AS (
    SELECT max(finished_at) AS any_model, max(finished_at) FILTER (WHERE model_key = %(model)s) AS this_model
    FROM recent WHERE outcome = 'accepted'
), failed AS (
    SELECT job_id, finished_at, model_key = %(model)s AS is_model FROM recent WHERE outcome = ANY(%(outcomes)s)
    UNION ALL SELECT unnest(%(ids)s::uuid[]), 'infinity', true
)
SELECT count(DISTINCT job_id) FILTER (WHERE finished_at > coalesce(any_model, '-infinity')),
       count(DISTINCT job_id) FILTER (WHERE is_model AND finished_at > coalesce(this_model, '-infinity'))
FROM failed CROSS JOIN since
"""


def breakers(conn: Connection, accounts: Sequence[str] | None = None) -> dict[tuple[str, str], Breaker]:
    """Breakers that are open or half open, by account and model; None: those of all accounts."""
    with conn.cursor(row_factory=class_row(Breaker)) as cursor:
        rows = cursor.execute(_READ, {"accounts": None if accounts is None else list(accounts)})
        return {(row.account, row.model): row for row in rows}


def close_recovered(
    conn: Connection, accounts: Sequence[str], model: str | None = None, *, models: bool = True
) -> list[tuple[str, str]]:
    """Close half-open breakers for which a job was accepted after the pause; returns their accounts and models.
    `models`: also those of models, for each of which the recent attempts of its account are read."""
    rows = conn.execute(_CLOSE, {"accounts": list(accounts), "model": model, "models": models}).fetchall()
    return [(row[0], row[1]) for row in rows]


def lock_account(conn: Connection, account: str) -> None:
    """Lock an account's row until the transaction ends, as schedulers do while they grant it jobs.

    Of two workers that see the same failure, only one opens the breaker.
    """
    conn.execute(_LOCK_ACCOUNT, {"account": account})


def open_breaker(conn: Connection, account: str, model: str, failure: Failure) -> Opened | None:
    """Open a breaker, or open a half-open one again for longer. The account must be locked.

    None: it is already open, or the failed attempts were sent before it opened, or the half-open breaker has just
    closed because another job was accepted at the same moment.
    """
    with conn.cursor(row_factory=class_row(Breaker)) as cursor:
        known = cursor.execute(_LOCK, {"accounts": [account], "model": model}).fetchone()
    openings = 1
    if known is not None and known.is_open:
        if known.cause == failure.cause or failure.cause is Cause.THROTTLED:
            if failure.named_s is not None:
                conn.execute(_EXTEND, {"account": account, "model": model, "seconds": failure.named_s})
            return None
        if known.cause != Cause.THROTTLED:
            return None
    elif known is not None and not close_recovered(conn, [account], model):
        if not _probed(conn, known, failure.attempts):
            return None
        if failure.beside_acceptance:
            conn.execute(_RECOVER, {"account": account, "model": model})
            return None
        openings = known.openings + 1 if known.cause == failure.cause else 1
    seconds = failure.wait_s(openings) if failure.named_s is None else failure.named_s
    values: dict[str, Any] = {"account": account, "model": model, "cause": failure.cause, "doubtful": failure.doubtful}
    conn.execute(
        _OPEN,
        values
        | {"moment_s": MOMENT_S, "seconds": seconds, "openings": min(openings, 1000), "error": dumps(failure.error)},
    )
    return Opened(seconds, openings)


def _probed(conn: Connection, known: Breaker, attempts: Sequence[tuple[UUID, int | None]]) -> bool:
    """Whether one of these attempts began while the breaker was half open."""
    if any(number is None for _, number in attempts):
        return True
    parameters = {"ids": [i for i, _ in attempts], "numbers": [n for _, n in attempts], "open_until": known.open_until}
    row = conn.execute(_PROBED, parameters).fetchone()
    return row is not None and bool(row[0])


def burst_of(conn: Connection, account: str, model: str) -> tuple[int, int]:
    """Of the POSTs that opened a model's breaker and those of the same moment: the numbers accepted and refused with
    "too many"."""
    row = conn.execute(_BURST, {"account": account, "model": model}).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def note_judged(conn: Connection, account: str, model: str) -> None:
    """Record that the refusals that opened this breaker have been used."""
    conn.execute("UPDATE circuit_breakers SET judged = true WHERE account = %s AND model = %s", [account, model])


def failed_in_a_row(
    conn: Connection, account: str, model: str, outcomes: Sequence[str], ids: Sequence[UUID]
) -> tuple[int, int]:
    """How many different jobs have failed with these outcomes since the last acceptance: of the account, of the model.

    `ids` are jobs of the model that have just failed and are not written yet.
    """
    parameters = {
        "account": account,
        "model": model,
        "within_s": WITHIN_S,
        "outcomes": list(outcomes),
        "ids": list(ids),
    }
    row = conn.execute(_IN_A_ROW, parameters).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def reset(conn: Connection, account: str) -> None:
    """Close every breaker of an account."""
    conn.execute("DELETE FROM circuit_breakers WHERE account = %s", [account])

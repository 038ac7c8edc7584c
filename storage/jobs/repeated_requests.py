"""Requests that clients repeat automatically and without an idempotency key.

OpenAI's clients send a request again after a lost answer, say which repetition it is, and send no key. Each such
request is stored here with a generated key; a repetition finds the key of the request it repeats, so that both give
one job even while the first is still being stored.
"""

from __future__ import annotations

import secrets
from typing import LiteralString

from storage.database import Connection

WINDOW_S = 900.0
"""How long after the request a repetition may arrive: longer than those clients wait for an answer (600 s)."""
_SWEPT = 20

# The request with the most repetitions, then the latest: a second repetition follows the first one. Each request is
# found once per repetition, so that several equal requests whose answers were all lost are repeated one by one.
_CLAIM: LiteralString = """
WITH repeated AS (
    SELECT id FROM request_keys
    WHERE tenant = %(tenant)s AND fingerprint = %(fingerprint)s AND repetition < %(repetition)s
      AND at > now() - make_interval(secs => %(window_s)s)
    ORDER BY repetition DESC, id DESC LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE request_keys k SET repetition = %(repetition)s FROM repeated WHERE k.id = repeated.id RETURNING k.key
"""
_NOTE: LiteralString = """
WITH outdated AS (
    SELECT id FROM request_keys WHERE at < now() - make_interval(secs => %(window_s)s)
    ORDER BY at LIMIT %(swept)s FOR UPDATE SKIP LOCKED
), swept AS (
    DELETE FROM request_keys k USING outdated WHERE k.id = outdated.id
)
INSERT INTO request_keys (tenant, fingerprint, repetition, key)
VALUES (%(tenant)s, %(fingerprint)s, %(repetition)s, %(key)s)
"""


def key_for(conn: Connection, tenant: str, fingerprint: str, repetition: int) -> str:
    """The idempotency key of a request: a new one, or that of the request that it repeats.

    Equal requests have the same `fingerprint`; `repetition` is 0 for a first try.
    """
    parameters = {
        "tenant": tenant,
        "fingerprint": fingerprint,
        "repetition": min(repetition, 32_767),
        "window_s": WINDOW_S,
        "swept": _SWEPT,
    }
    if repetition > 0 and (found := conn.execute(_CLAIM, parameters).fetchone()):
        return str(found[0])
    key = f"request:{secrets.token_hex(16)}"
    conn.execute(_NOTE, parameters | {"key": key})
    return key


# --- clients that do not say that they repeat ------------------------------------------------------------------------

_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended(%(tenant)s || ':' || %(fingerprint)s, 0))"
_UNANSWERED: LiteralString = """
SELECT key FROM request_keys
WHERE tenant = %(tenant)s AND fingerprint = %(fingerprint)s AND at > now() - make_interval(secs => %(window_s)s)
ORDER BY id DESC LIMIT 1
"""
UNANSWERED_PREFIX = "auto:"
"""Begins these keys."""


def key_until_answered(conn: Connection, tenant: str, fingerprint: str) -> str:
    """The idempotency key of a request of a client that repeats requests and does not say so: that of an equal request
    whose answer may have been lost, else a new one. `note_answered` ends that doubt, and so does `WINDOW_S`.

    Two equal requests at the same moment get the same key.
    """
    parameters = {
        "tenant": tenant,
        "fingerprint": fingerprint,
        "repetition": 0,
        "window_s": WINDOW_S,
        "swept": _SWEPT,
    }
    conn.execute(_LOCK, parameters)
    if (found := conn.execute(_UNANSWERED, parameters).fetchone()) is not None:
        return str(found[0])
    key = f"{UNANSWERED_PREFIX}{secrets.token_hex(16)}"
    conn.execute(_NOTE, parameters | {"key": key})
    return key


def note_answered(conn: Connection, tenant: str, key: str) -> None:
    """Note that the client has the answer to the request with this key: an equal request is a new one from now on."""
    conn.execute("DELETE FROM request_keys WHERE tenant = %s AND key = %s", [tenant, key])

"""Create, find and revoke API keys. A key is `rq_<id>_<secret>`; only its hash is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection
from storage.tenants.tenants import DEFAULT_TENANT

PREFIX = "rq_"
MAX_NAME_CHARS = 100
_ID_CHARS, _SECRET_CHARS = 12, 43  # 62 bits tell keys apart, 256 bits cannot be guessed
_ID_LETTERS = string.ascii_lowercase + string.digits
_LETTERS = string.ascii_letters + string.digits
_FORM = re.compile(rf"{PREFIX}([a-z0-9]{{{_ID_CHARS}}})_([A-Za-z0-9]{{{_SECRET_CHARS}}})")
_TENANT_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


class Scope(StrEnum):
    """What a key may do with the jobs of its tenant."""

    READ = "read"  # look at jobs, campaigns, videos, estimates
    ENQUEUE = "enqueue"  # store jobs and campaigns, cancel and retry them
    ADMIN = "admin"  # both, and decide about unconfirmed jobs; in the default tenant also the whole installation
    METRICS = "metrics"  # /metrics, which counts every tenant's jobs: only in the default tenant


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: without its secret."""

    id: str
    tenant: str
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None
    """From then on it is refused; None: never."""
    replaced_by: str | None
    """The id of the key that was made in its place."""


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key that may be used, with what each request needs to know of it."""

    id: str
    tenant: str
    name: str
    secret_hash: str
    scopes: list[str]
    jobs_per_minute: int | None
    """How many jobs its tenant may enqueue per minute; None: no limit."""
    seen_lately: bool
    """Whether its last use was recorded within the last minute."""

    def matches(self, key: str) -> bool:
        """Whether `key` is this key, compared in constant time."""
        return hmac.compare_digest(self.secret_hash, hash_of(key))


def hash_of(key: str) -> str:
    """The hash that is stored. A key is random enough that a plain hash cannot be reversed."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_id(key: str) -> str | None:
    """The public part of a key; None when the text is not a key."""
    form = _FORM.fullmatch(key)
    return None if form is None else form[1]


def effective_scopes(scopes: Iterable[str], tenant: str) -> frozenset[str]:
    """What a key's scopes allow: `admin` includes the others."""
    held = {Scope(scope) for scope in scopes}
    if Scope.ADMIN in held:
        held |= {Scope.READ, Scope.ENQUEUE, Scope.METRICS}
    if tenant != DEFAULT_TENANT:
        held.discard(Scope.METRICS)
    return frozenset(held)


def is_tenant_name(name: str) -> bool:
    """Whether a tenant may have this name: lower-case letters, digits, `.`, `_` and `-`."""
    return _TENANT_NAME.fullmatch(name) is not None


_CREATE: LiteralString = """
WITH tenant AS (INSERT INTO tenants (name) VALUES (%(tenant)s) ON CONFLICT (name) DO NOTHING)
INSERT INTO api_keys (id, tenant, name, secret_hash, scopes, expires_at)
VALUES (%(id)s, %(tenant)s, %(name)s, %(hash)s, %(scopes)s, now() + make_interval(secs => %(expires_in_s)s))
RETURNING id, tenant, name, scopes, created_at, last_used_at, revoked_at, expires_at, replaced_by
"""
_LIST: LiteralString = """
SELECT id, tenant, name, scopes, created_at, last_used_at, revoked_at, expires_at, replaced_by FROM api_keys
WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s ORDER BY created_at, id
"""
_FIND: LiteralString = """
SELECT k.id, k.tenant, k.name, k.secret_hash, k.scopes, t.jobs_per_minute,
       coalesce(k.last_used_at > now() - interval '1 minute', false) AS seen_lately
FROM api_keys k JOIN tenants t ON t.name = k.tenant WHERE k.id = %(id)s AND k.revoked_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > now())
"""


def new_key(
    conn: Connection, tenant: str, name: str, scopes: Sequence[str], expires_in_s: float | None = None
) -> tuple[str, ApiKey]:
    """Create a key, and its tenant if it does not exist. Only this call gives the key itself. `expires_in_s` None: it
    never expires."""
    public = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_CHARS))
    key = f"{PREFIX}{public}_" + "".join(secrets.choice(_LETTERS) for _ in range(_SECRET_CHARS))
    parameters = {
        "id": public,
        "tenant": tenant,
        "name": name,
        "hash": hash_of(key),
        "scopes": sorted(set(scopes)),
        "expires_in_s": expires_in_s,
    }
    with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        created = cursor.execute(_CREATE, parameters).fetchone()
    assert created is not None  # noqa: S101 - an INSERT of one row returns it
    return key, created


def list_keys(conn: Connection, tenant: str | None = None) -> list[ApiKey]:
    """The keys of a tenant (None: of all tenants), oldest first, including revoked ones."""
    with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        return cursor.execute(_LIST, {"tenant": tenant}).fetchall()


def rotate(
    conn: Connection, public_id: str, overlap_s: float, *, tenant: str | None = None, expires_in_s: float | None = None
) -> tuple[str, ApiKey] | None:
    """Create a key with the tenant, name and scopes of another, which expires after `overlap_s` seconds (earlier, if it
    did before). Only this call gives the key itself. `tenant`: only a key of that tenant. None: no such key in use."""
    sql: LiteralString = """SELECT tenant, name, scopes FROM api_keys
        WHERE id = %(id)s AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
          AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) FOR UPDATE"""
    old = conn.execute(sql, {"id": public_id, "tenant": tenant}).fetchone()
    if old is None:
        return None
    key, made = new_key(conn, old[0], old[1], old[2], expires_in_s)
    conn.execute(
        """UPDATE api_keys SET replaced_by = %(new)s,
               expires_at = least(expires_at, now() + make_interval(secs => %(overlap_s)s)) WHERE id = %(id)s""",
        {"new": made.id, "overlap_s": overlap_s, "id": public_id},
    )
    conn.execute(  # both spend from one purse
        "UPDATE api_keys SET purse_id = (SELECT purse_id FROM api_keys WHERE id = %(id)s) WHERE id = %(new)s",
        {"new": made.id, "id": public_id},
    )
    return key, made


def revoke(conn: Connection, public_id: str, tenant: str | None = None) -> str | None:
    """Revoke a key for good, and return its tenant; servers notice within seconds. `tenant`: only a key of that tenant.
    None: no such key, or revoked before."""
    sql: LiteralString = """UPDATE api_keys SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL
                            AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s) RETURNING tenant"""
    row = conn.execute(sql, {"id": public_id, "tenant": tenant}).fetchone()
    return None if row is None else str(row[0])


def tenant_of(conn: Connection, public_id: str) -> str | None:
    """The tenant of a key; None: there is no key with this id."""
    row = conn.execute("SELECT tenant FROM api_keys WHERE id = %s", [public_id]).fetchone()
    return None if row is None else str(row[0])


def find(conn: Connection, public_id: str) -> FoundKey | None:
    """The key with this id; None when it is unknown, revoked or expired. Its use is recorded at most once a minute."""
    with conn.cursor(row_factory=class_row(FoundKey)) as cursor:
        found = cursor.execute(_FIND, {"id": public_id}).fetchone()
    if found is not None and not found.seen_lately:
        conn.execute("UPDATE api_keys SET last_used_at = now() WHERE id = %(id)s", {"id": public_id})
    return found


def any_in_use(conn: Connection) -> bool:
    """Whether any key exists that is not revoked and has not expired."""
    sql: LiteralString = """SELECT FROM api_keys WHERE revoked_at IS NULL
                            AND (expires_at IS NULL OR expires_at > now()) LIMIT 1"""
    return conn.execute(sql).fetchone() is not None


def jobs_per_minute(conn: Connection, tenant: str) -> int | None:
    """How many jobs a tenant may enqueue per minute; None: no limit."""
    row = conn.execute("SELECT jobs_per_minute FROM tenants WHERE name = %(name)s", {"name": tenant}).fetchone()
    return None if row is None else row[0]

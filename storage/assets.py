"""The table of assets: one row per account and content, committed before the upload that is billed.

For tenants other than `default`, `sha256` is a hash of the tenant and the content. A group has a row too: its `sha256`
is `group:NAME`, its `modality` is "group".

A row is `uploading` from before the POST until its outcome is known. Only the worker that claimed a row may work on it.
The claim ends when the row has not been updated for the time of a lease; the next worker must first ask the gateway
whether the asset exists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

import orjson
from psycopg.rows import class_row

from storage.database import Connection
from storage.tenants.tenants import DEFAULT_TENANT

GROUP = "group"
Status = Literal["uploading", "processing", "active", "failed"]


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One file at one account. `asset_id` None: not created yet, as far as we know; `age_s`: seconds since the row was
    created, or since a failure was retried."""

    account: str
    sha256: str
    modality: str
    name: str
    group_id: str | None
    asset_id: str | None
    status: Status
    error: dict[str, Any] | None
    age_s: float


_SELECT: LiteralString = """
SELECT account, sha256, modality, name, group_id, asset_id, status, error,
       extract(epoch FROM now() - created_at)::float8 AS age_s
FROM assets
WHERE (%(account)s::text IS NULL OR account = %(account)s) AND (%(keys)s::text[] IS NULL OR sha256 = ANY(%(keys)s))
ORDER BY created_at, account, sha256
"""
# An asset that is being processed is checked again after a quarter of its age, 1 to 15 s.
_CLAIM: LiteralString = """
INSERT INTO assets (account, sha256, modality, name) VALUES (%(account)s, %(sha256)s, %(modality)s, %(name)s)
ON CONFLICT (account, sha256) DO UPDATE SET
    updated_at = clock_timestamp(),
    status = CASE WHEN assets.status = 'failed' THEN 'uploading' ELSE assets.status END,
    asset_id = CASE WHEN assets.status = 'failed' THEN NULL ELSE assets.asset_id END,
    error = NULL,
    created_at = CASE WHEN assets.status = 'failed' THEN now() ELSE assets.created_at END
WHERE (assets.status = 'uploading' AND assets.updated_at <= now() - make_interval(secs => %(lease_s)s))
   OR (assets.status = 'processing'
       AND assets.updated_at <= now() - least(greatest((now() - assets.created_at) / 4, '1 s'), '15 s'))
   OR (assets.status = 'failed' AND assets.updated_at <= now() - make_interval(secs => %(failed_s)s))
RETURNING account, sha256, modality, name, group_id, asset_id, status, error,
          extract(epoch FROM now() - created_at)::float8 AS age_s
"""
# A result counts however late it arrives, also after the claim ended; a known asset id is never replaced.
_RECORD: LiteralString = """
UPDATE assets SET status = %(status)s, asset_id = %(asset_id)s, group_id = coalesce(%(group_id)s, group_id),
                  error = %(error)s::jsonb, updated_at = clock_timestamp()
WHERE account = %(account)s AND sha256 = %(sha256)s AND (asset_id IS NULL OR asset_id = %(asset_id)s)
"""
_FORGET: LiteralString = """
DELETE FROM assets WHERE account = %(account)s AND sha256 = %(sha256)s AND status = 'uploading' AND asset_id IS NULL
"""
_FORGET_GROUP: LiteralString = """
DELETE FROM assets
WHERE account = %(account)s AND (sha256 = %(key)s AND asset_id = %(group_id)s
                                 OR group_id = %(group_id)s AND status IN ('processing', 'active'))
"""

NEVER_S = 10 * 365 * 86400.0


def group_key(name: str) -> str:
    """The key of a group's row, for the column `sha256`."""
    return f"{GROUP}:{name}"


def asset_key(tenant: str, sha256: str) -> str:
    """The key of a tenant's file, for the column `sha256`: the content's hash for `default`, a hash of both for others,
    so that each tenant has assets of its own."""
    return sha256 if tenant == DEFAULT_TENANT else hashlib.sha256(f"{tenant}:{sha256}".encode()).hexdigest()


def get(conn: Connection, account: str, keys: Iterable[str]) -> Mapping[str, AssetRow]:
    """The rows of an account, by SHA-256 (or group key); unknown ones are left out."""
    return {row.sha256: row for row in _rows(conn, account, list(keys))}


def list_assets(conn: Connection, account: str | None = None) -> Sequence[AssetRow]:
    """The files of an account (None: of all accounts), oldest first, without groups."""
    return [row for row in _rows(conn, account, None) if row.modality != GROUP]


def _rows(conn: Connection, account: str | None, keys: Sequence[str] | None) -> list[AssetRow]:
    with conn.cursor(row_factory=class_row(AssetRow)) as cursor:
        return cursor.execute(_SELECT, {"account": account, "keys": keys}).fetchall()


def claim(
    conn: Connection,
    account: str,
    sha256: str,
    modality: str,
    name: str,
    *,
    lease_s: float,
    failed_s: float = NEVER_S,
) -> AssetRow | None:
    """Claim a row to work on, creating it if needed; None if another worker holds it, or nothing is due.

    `lease_s`: how long an upload may take before it counts as abandoned; `failed_s`: how old a failure must be before
    it is retried.
    """
    parameters = {
        "account": account,
        "sha256": sha256,
        "modality": modality,
        "name": name,
        "lease_s": lease_s,
        "failed_s": failed_s,
    }
    with conn.cursor(row_factory=class_row(AssetRow)) as cursor:
        return cursor.execute(_CLAIM, parameters).fetchone()


def record(
    conn: Connection,
    row: AssetRow,
    status: Status,
    *,
    asset_id: str | None,
    group_id: str | None = None,
    error: Mapping[str, Any] | None = None,
) -> None:
    """Record the result for a row; a failure without an asset has the id ""."""
    parameters = {
        "account": row.account,
        "sha256": row.sha256,
        "status": status,
        "asset_id": asset_id,
        "group_id": group_id,
        "error": None if error is None else orjson.dumps(error).decode().replace(r"\u0000", ""),
    }
    conn.execute(_RECORD, parameters)


def forget(conn: Connection, row: AssetRow) -> None:
    """Delete a row whose asset was certainly not created."""
    conn.execute(_FORGET, {"account": row.account, "sha256": row.sha256})


def forget_group(conn: Connection, account: str, name: str, group_id: str) -> None:
    """Delete the row of a group that the gateway has no more, unless another group has taken its place, and those of
    its assets, which are gone with it. A worker that needs one again first asks the gateway for it."""
    conn.execute(_FORGET_GROUP, {"account": account, "key": group_key(name), "group_id": group_id})

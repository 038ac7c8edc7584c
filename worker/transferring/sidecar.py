"""The JSON file beside a video: its request, its gateway and its cost. With the bucket alone, no database is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from seedance.errors import redact
from storage.bucket.keys import bucket_and_name
from storage.jobs.records import Work
from storage.jobs.shown.provenance import Provenance
from worker.transferring.upload import Stored

SIDECAR_TYPE = "application/json"
FORMAT = 1
_OWN_WORDS = frozenset({"prompt"})


def sidecar(
    work: Work,
    facts: Provenance,
    stored: Stored,
    *,
    poster_key: str | None,
    last_frame_key: str | None,
    now: datetime | None = None,
) -> bytes:
    """The content of the file. Times are in UTC, sizes in bytes; unknown values are null.

    Inline media are left out, and URLs lose their query, which may be a signature.
    """
    content = {
        "format": FORMAT,
        "job_id": str(work.id),
        "tenant": work.tenant,
        "campaign": work.campaign,
        "idempotency_key": facts.idempotency_key,
        "tags": facts.tags,
        "metadata": facts.metadata,
        "request": {
            name: value if name in _OWN_WORDS else without_secrets(value) for name, value in work.request.items()
        },
        "account": work.account,
        "gateway": facts.gateway,
        "model": facts.model,
        "upstream_id": work.gateway_task_id,
        "attempt": work.attempt,
        "seed": facts.seed,
        "usage": facts.usage,
        "estimate": facts.estimate,
        "cost": facts.cost,
        "video": {
            "key": _name(stored.key),
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
            "format": stored.format,
        },
        "poster": _name(poster_key),
        "last_frame": _name(last_frame_key),
        "created_at": work.created_at,
        "submitted_at": facts.submitted_at,
        "generated_at": facts.generated_at,
        "stored_at": (now or datetime.now(UTC)).replace(microsecond=0),
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)


def _name(key: str | None) -> str | None:
    """A key within the bucket, which is the bucket of this file."""
    return None if key is None else bucket_and_name(key)[1]


def without_secrets(value: Any) -> Any:
    """A JSON value without inline media, signatures and keys in its strings."""
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith("data:"):
        kind, _, body = value.partition(",")
        return f"{kind[:80]},… ({len(body)} characters)"
    if value.startswith(("http://", "https://")):
        return _bare(value)
    return redact(value)


def _bare(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "…"
    return urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", ""))

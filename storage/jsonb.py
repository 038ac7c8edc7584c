"""JSON text as PostgreSQL stores it."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: object) -> str:
    """JSON text for a `jsonb` column; a NUL in a string becomes U+FFFD."""
    text = orjson.dumps(value).decode()
    if r"\u0000" in text:  # jsonb and text cannot hold NUL, and a gateway may send one
        text = orjson.dumps(_without_nul(orjson.loads(text))).decode()
    return text


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value

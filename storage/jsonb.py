"""JSON as PostgreSQL stores it."""

from __future__ import annotations

from typing import Any, LiteralString

import orjson


def dumps(value: object) -> str:
    """JSON text for a `jsonb` column; a NUL in a string becomes U+FFFD."""
    text = orjson.dumps(value).decode()
    if r"\u0000" in text:  # jsonb and text cannot hold NUL, and a gateway may send one
        text = orjson.dumps(_without_nul(orjson.loads(text))).decode()
    return text


def loads(stored: bytes | bytearray | memoryview | str) -> Any:
    """A stored value. JSON that no program of ours has written, with numbers beyond every float or a thousand levels
    deep, is read as null, so that one such row does not make all others unreadable."""
    try:
        return orjson.loads(stored)
    except orjson.JSONDecodeError:
        return None


def number(json: LiteralString) -> LiteralString:
    """SQL for a number in a `jsonb`; NULL where it is none, whatever another program has stored there."""
    return f"CASE WHEN jsonb_typeof({json}) = 'number' THEN ({json})::numeric END"


def members(json: LiteralString) -> LiteralString:
    """SQL for a `jsonb`, of which `jsonb_each` is read; an empty object where it is no object."""
    return f"CASE WHEN jsonb_typeof({json}) = 'object' THEN {json} ELSE '{{}}' END"


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value

"""What schemathesis must know about the API beyond its OpenAPI document."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def rows(_context: Any, value: Any) -> bytes:
    """JSONL as it is; whatever else was thought of, as text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def map_query(_context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """Long polls that are not long."""
    if query and isinstance(query.get("wait"), int | float) and query["wait"] > 0:
        query["wait"] = min(query["wait"], 0.05) if query["wait"] <= 60 else query["wait"]
    return query

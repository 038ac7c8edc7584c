"""`/openapi.json` without a server, and a digest of what clients' types are made from.

`python -m tests.openapi_document` prints both as JSON, for generators.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from producer.api.app import create_app
from storage.settings import Settings

_NAMED = {"properties", "schemas", "content", "paths"}
"""Keywords whose members are names, not keywords."""
_PLACES = {"paths", "components", "parameters", "requestBody", "responses", "content", "operationId", "name", "in"}
_SHAPES = {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "items", "prefixItems", "additionalProperties"}
_KEPT = _PLACES | _SHAPES | {"schemas", "schema", "properties", "required"}
_METHODS = {"get", "post", "put", "patch", "delete"}


def document() -> dict[str, Any]:
    """The API's description: the same under any settings."""
    settings = Settings(database_url="postgresql://127.0.0.1/none", broker_url="redis://127.0.0.1")
    return create_app(settings).openapi()


def digest(described: dict[str, Any]) -> str:
    """Names the types in a description. Texts, examples and limits do not count, nor do errors."""
    return hashlib.sha256(json.dumps(_types(described), sort_keys=True).encode()).hexdigest()


def _types(node: Any, *, names: bool = False) -> Any:
    if isinstance(node, list):
        return [_types(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for key, value in node.items():
        if names or key in _KEPT or key in _METHODS or (key.isdecimal() and key[0] in "23"):
            found[key] = _types(value, names=key in _NAMED and not names)
    return found


if __name__ == "__main__":
    described = document()
    json.dump({"digest": digest(described), "document": described}, sys.stdout)

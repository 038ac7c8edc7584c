"""The types of settings about the object store, each with its own rules."""

from __future__ import annotations

import json
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field


def _check_endpoint(value: str) -> str | None:
    if value == "":
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ValueError("must be http:// or https:// and a host, without a query")
    return value.rstrip("/")


def _read_tags(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    try:
        return dict(parse_qsl(value, keep_blank_values=True, strict_parsing=True)) if value else {}
    except ValueError:
        raise ValueError("must be tags such as team=video&env=prod") from None


def _check_prefix(value: str) -> str:
    parts = value.split("/")
    if "." in parts or ".." in parts or any(c in value.replace("{tenant}", "") for c in "{}"):
        raise ValueError("may hold {tenant}, no other braces, and no part that is . or ..")
    return value


def _check_storage_class(value: str) -> str:
    if value in ("GLACIER", "DEEP_ARCHIVE"):
        raise ValueError(f"{value} cannot be read before it is restored; move videos there by a rule of the bucket")
    return value


Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
Tags = Annotated[dict[str, str], Field(max_length=10), BeforeValidator(_read_tags)]
KeyPrefix = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.={}-]+/)*$", max_length=200), AfterValidator(_check_prefix)]
StorageClass = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,40}$"), AfterValidator(_check_storage_class)]

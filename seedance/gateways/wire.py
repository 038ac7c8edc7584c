"""Requests to a gateway before they are sent, and answers after they were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class WireCall:
    """One HTTP request: `path` starts with "/" and is added to the account's base URL.

    A parameter with several values is sent once per value. A body that is not `json` is `content`, of `content_type`;
    neither: no body. `as_user`: it is sent with `Dialect.user_headers` instead of the account's API key.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    json: Mapping[str, Any] | None = None
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = "application/json"
    as_user: bool = False


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One complete HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

"""What goes to a gateway and comes back from it, before anything is sent and after everything was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class WireCall:
    """One HTTP request: `path` starts with "/" and is added to the account's base URL.

    A parameter with several values is sent once for each. A body that is not `json` is `content`, of `content_type`;
    neither of them: no body. `as_user`: it is sent with `Dialect.user_headers` instead of the account's API key.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    json: Mapping[str, Any] | None = None
    params: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    content: bytes | None = None
    content_type: str = "application/json"
    as_user: bool = False


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One HTTP answer, read whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

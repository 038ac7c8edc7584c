"""What goes over the wire, before the server writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from multidict import MultiMapping

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"
XML_TYPE = "application/xml"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a dialect, as far as it has been read."""

    method: str
    path: str
    """Without the dialect's own prefix."""
    query: MultiMapping[str]
    headers: Mapping[str, str]
    gateway: str
    account: str
    """The first digits of the key's SHA-256, empty without a key."""
    base_url: str
    """Scheme, host and port under which the client reached us."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is turned down with this answer; the text is the reason for the ledger."""

    def __init__(self, answer: Answer, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


class Cut(Exception):
    """The connection ends here, without (the rest of) an answer."""

    def __init__(self, how: Literal["close", "reset"]) -> None:
        super().__init__(how)
        self.how = how


def json_answer(status: int, data: Any, **headers: str) -> Answer:
    return Answer(status, orjson.dumps(data), JSON_TYPE, {k.replace("_", "-"): v for k, v in headers.items()})

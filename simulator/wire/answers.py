"""Requests and answers between the HTTP server and the dialects."""

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
    """One request to a dialect; `body` is empty until it is read."""

    method: str
    path: str
    """Without the dialect's prefix."""
    query: MultiMapping[str]
    headers: Mapping[str, str]
    gateway: str
    account: str
    """The first 12 digits of the key's SHA-256; empty without a key."""
    base_url: str
    """Scheme, host and port that the client used."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is refused with this answer; the text is the reason in the ledger."""

    def __init__(self, answer: Answer, reason: str) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


class Cut(Exception):
    """Close the connection without (the rest of) an answer."""

    def __init__(self, how: Literal["close", "reset"]) -> None:
        super().__init__(how)
        self.how = how


def json_answer(status: int, data: Any, **headers: str) -> Answer:
    return Answer(status, orjson.dumps(data), JSON_TYPE, {k.replace("_", "-"): v for k, v in headers.items()})

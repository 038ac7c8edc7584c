"""Requests as data. Every route is written once, as a generator that yields requests and receives answers; a blocking
and an asynchronous driver run it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from reelq_client.core.bodies import Body
from reelq_client.core.errors import ReelqError

T = TypeVar("T")
Value = str | int | float | bool | None


@dataclass(frozen=True)
class Request:
    """One request. `operation` is its name in OpenAPI, `route` its path with `{placeholders}`, filled from `at`.

    `repeatable`: the API promises that the same request again has no second effect, so it may be sent again after its
    answer was lost.
    """

    operation: str
    method: str
    route: str
    at: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    timeout_s: float | None = None
    """How long the answer may take; None: as long as usual."""

    @property
    def may_repeat(self) -> bool:
        """Whether a lost answer may be followed by the same request."""
        safe = self.repeatable or self.method in ("GET", "HEAD", "DELETE")
        return safe and (self.body is None or self.body.reopens)

    @property
    def path(self) -> str:
        """The path with its placeholders filled."""
        return self.route.format_map({name: quote(value, safe="") for name, value in self.at.items()})

    @property
    def parameters(self) -> list[tuple[str, Value]]:
        """The query, without what is not given; lists repeat their name."""
        found: list[tuple[str, Value]] = []
        for name, value in self.query.items():
            if value is not None:
                several = value if isinstance(value, list | tuple) else [value]
                found += [(name, _as_text(item)) for item in several]
        return found


@dataclass(frozen=True)
class Pause:
    """Wait before the next request."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """A whole answer. `base_url` is the API's: links in it are relative to it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    def read(self, kind: type[T]) -> T:
        """The JSON as a model.

        Raises:
            ReelqError: it is not what the API describes.
        """
        try:
            adapter = _adapter(kind)
            return adapter.validate_json(self.body, context={"base_url": self.base_url})
        except ValueError as exc:
            raise ReelqError(f"the answer of {self.base_url} is not one of this API: {_first_line(exc)}") from exc


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it arrives; None: nothing is."""

    size: int | None = None
    sha256: str | None = None


def unknown() -> Flow[Expected]:
    """Nothing is known of the file."""
    yield from ()
    return Expected()


@dataclass(frozen=True)
class StoredFile:
    """How to ask for a file, and for what it must be."""

    request: Request
    expected: Callable[[], Flow[Expected]] = unknown
    in_bucket: bool = True
    """False: the API makes the file itself, and never gives a link."""

    def asking(self, *, through_api: bool) -> Request:
        """The request; `through_api`: not by a link into the bucket."""
        if not (through_api and self.in_bucket):
            return self.request
        query: dict[str, Any] = dict(self.request.query) | {"proxy": 1}
        return Request(self.request.operation, self.request.method, self.request.route, at=self.request.at, query=query)


@dataclass(frozen=True)
class Save:
    """Download a file to a path."""

    file: StoredFile
    path: Path


Step = Request | Pause | Save
Flow = Generator[Step, Answer, T]
"""What a route does: it yields requests, pauses and downloads, receives answers, and returns its result."""


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def as_json(value: Any) -> Any:
    """A value as plain JSON: ids and instants become text, models their members."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item) for item in value]
    return _as_text(value) if isinstance(value, UUID | datetime) else value


def given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ReelqError(f"{value.isoformat()} needs its offset from UTC")
        return value.isoformat()
    return str(value)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]

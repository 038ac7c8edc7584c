"""Server-sent events: parsed from pieces of bytes, and continued after a lost connection."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from reelq_client.core.requests import Request

T = TypeVar("T")

_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class Subscription(Generic[T]):
    """A stream of events: how to ask for it, how to read an event, and which event is the last one (None: none is)."""

    request: Request
    read: Callable[[str, str], T]
    """Makes an event of its data and its `id:`."""
    is_last: Callable[[T], bool] | None = None
    after: int | str | None = None


class EventFeed(Generic[T]):
    """The state of a subscription between connections."""

    def __init__(self, subscription: Subscription[T]) -> None:
        self._subscription = subscription
        self.last_id = None if subscription.after is None else str(subscription.after)
        self.ended = False
        self.was_connected = False
        self._retry_s = 2.0
        self._failures = 0
        self._text = ""
        self._reset()

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the next request."""
        found = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return found if self.last_id is None else found | {"Last-Event-ID": self.last_id}

    def connected(self) -> None:
        """A new connection is open: what was read of an unfinished event does not count."""
        self.was_connected = True
        self._reset()

    def gives_up(self, most: int) -> bool:
        """Whether there was no connection yet, after that many retries. A stream that has begun never gives up."""
        return not self.was_connected and self._failures >= most

    def pause_s(self) -> float:
        """How long to wait before the next connection."""
        self._failures += 1
        return float(min(self._retry_s * 2 ** (self._failures - 1), _LONGEST_PAUSE_S))

    def feed(self, data: bytes) -> Iterator[T]:
        """The events that these bytes complete. It stops after the last one."""
        self._text += self._decoder.decode(data)
        while not self.ended:
            line, mark, rest = self._text.partition("\n")
            if not mark:
                return
            self._text = rest
            found = self._line(line.removesuffix("\r"))
            if found is not None:
                self._failures = 0
                event = self._subscription.read(found, self.last_id or "")
                self.ended = self._subscription.is_last is not None and self._subscription.is_last(event)
                yield event

    def _reset(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._data: list[str] = []
        self._id: str | None = None

    def _line(self, line: str) -> str | None:
        """Take one line; the data of an event if the line ends one."""
        if not line:
            data, self._data = self._data, []
            if not data:
                return None
            self.last_id = self._id or self.last_id
            return "\n".join(data)
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdecimal():
            self._retry_s = int(value) / 1000
        return None

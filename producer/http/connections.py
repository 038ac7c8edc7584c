"""Limits on connections: how long a request may take to arrive, how many may be idle, how long a client may not read.

uvicorn itself waits for ever for the head of a request, and for a client that does not read its answer.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from producer.http.doors.local_programs import PEER
from producer.http.doors.peers import Peer

HEAD_S = 20.0
"""How long the whole head of a request may take, from the start of the connection or from the last answer."""
WRITE_S = 60.0
"""How long a client may read nothing of its answer."""
MAX_WAITING = 500
"""Connections without a request. If there are more, the one that is idle longest is closed."""
MAX_HEAD_BYTES = 32 * 1024
MAX_CONCURRENT = 4_000
"""Connections; beyond them requests are answered 503."""


class BoundedConnection(H11Protocol):
    """An HTTP connection with time limits."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # --- the head of a request ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if self.client is not None and self.server is not None and self.server[1] is not None:
            # Each request gets a copy of this dictionary, so all of a connection share one peer.
            self.app_state = {**self.app_state, PEER: Peer(self.client, (self.server[0], self.server[1]))}
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop(self._write_timer)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        # The rest of an unread body may still arrive; it does not count as a request.
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._stop_waiting()
        waiting = _waiting(self.server_state)
        waiting[self] = None
        if len(waiting) > MAX_WAITING:
            next(iter(waiting))._give_up()
        self._head_timer = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        _waiting(self.server_state).pop(self, None)
        self._stop(self._head_timer)

    def _give_up(self) -> None:
        self._stop_waiting()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()

    # --- the answer ---

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop(self._write_timer)
        self._write_timer = self.loop.call_later(WRITE_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop(self._write_timer)
        super().resume_writing()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


_WAITING: WeakKeyDictionary[ServerState, dict[BoundedConnection, None]] = WeakKeyDictionary()


def _waiting(server: ServerState) -> dict[BoundedConnection, None]:
    """The connections of a server that have no request, the one that is idle longest first."""
    return _WAITING.setdefault(server, {})

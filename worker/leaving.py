"""Leave the broker soon when the process has been asked to stop.

To stop, a worker acknowledges what it took, says goodbye to monitors and gives up its queues: dozens of commands, one
after the other, and each waits `ANSWER_S` of `worker.broker` for a broker that hangs. From the signal on, a wait is
short, and after the first one in vain nothing waits for the broker any more. What the broker misses costs nothing: rows
say what is to be done, and a message that is not acknowledged is ignored when it comes again.
"""

from __future__ import annotations

from typing import Any

from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as Unanswered

LAST_ANSWER_S = 2.0
"""Time limit of a command once the process has been asked to stop."""


class Leave:
    """Whether this process is about to leave its broker, and has given up waiting for it."""

    def __init__(self) -> None:
        self.begun = self._given_up = False

    def begin(self) -> None:
        """The process was asked to stop. A signal handler may call this, more than once."""
        self.begun = True

    def waited_in_vain(self) -> None:
        """The broker did not answer."""
        self._given_up = self.begun

    def check(self) -> None:
        """
        Raises:
            NotConnected: nothing waits for the broker any more.
        """
        if self._given_up:
            raise NotConnected("the broker did not answer, and this process is about to end")


LEAVE = Leave()


class Leaving:
    """What a connection of redis-py changes to leave as `LEAVE` says; its class comes after this one."""

    def connect(self: Any) -> None:
        """Connect, unless it is in vain."""
        if LEAVE.begun:
            LEAVE.check()
            self.socket_timeout = self.socket_connect_timeout = LAST_ANSWER_S
        try:
            super().connect()  # type: ignore[misc] # of a connection
        except (NotConnected, Unanswered):
            LEAVE.waited_in_vain()
            raise

    def read_response(self: Any, *args: Any, **options: Any) -> Any:
        """Wait for an answer, unless it is in vain."""
        if LEAVE.begun:
            LEAVE.check()
            if self._sock is not None:
                self._sock.settimeout(LAST_ANSWER_S)
        try:
            return super().read_response(*args, **options)  # type: ignore[misc] # of a connection
        except Unanswered:
            LEAVE.waited_in_vain()
            raise

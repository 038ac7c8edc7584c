"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from pathlib import Path

from producer.local.errors import StackError

HOST = "127.0.0.1"
_FIRST = 10_240
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


class Reservations:
    """Ports that no other stack takes while this one starts, and while a child of it is down.

    A TCP port cannot be held for another process without being in its way, so what is held is the UDP port of the same
    number, which nothing here uses. The kernel lets go of it when this process ends.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def take(self, port: int) -> bool:
        """Reserve a port; False when another stack has it."""
        if port in self._held:
            return True
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            holder.bind((HOST, port))
        except OSError:
            holder.close()
            return False
        self._held[port] = holder
        return True

    def close(self) -> None:
        """Let go of all."""
        while self._held:
            self._held.popitem()[1].close()


def _last() -> int:
    """The last port below those that the kernel gives to outgoing connections.

    A client that tries again and again to reach a server there that is down can end up connected to itself, and then
    the server cannot have its port back.
    """
    try:
        lowest = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        lowest = 32_768
    return lowest - 1 if lowest > _FIRST + 1000 else 65_535


def free_port(
    preferred: Iterable[int] = (), taken: Iterable[int] = (), reservations: Reservations | None = None
) -> int:
    """The first preferred port that is free, else a random one; never one of `taken`. It is reserved where asked.

    Raises:
        StackError: none is free.
    """
    avoid = set(taken)
    drawn = random.sample(range(_FIRST, _last() + 1), 200)
    for port in [*preferred, *drawn]:
        if port not in avoid and is_free(port) and (reservations is None or reservations.take(port)):
            return port
    raise StackError(f"no free port was found on {HOST}")

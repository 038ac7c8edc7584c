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
    """Whether a server can listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


class Reservations:
    """Reserves ports, so that no other stack takes them while this one starts or while one of its children is down.

    A TCP port cannot be held for another process without blocking it. So the reservation holds the UDP port of the same
    number, which no stack uses. The kernel releases it when this process ends.
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
        """Release all ports."""
        while self._held:
            self._held.popitem()[1].close()


def _last() -> int:
    """The last port below the range that the kernel uses for outgoing connections.

    In that range, a client that keeps trying to reach a server that is down can connect to itself, and then the server
    cannot get its port back.
    """
    try:
        lowest = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        lowest = 32_768
    return lowest - 1 if lowest > _FIRST + 1000 else 65_535


def free_port(
    preferred: Iterable[int] = (), taken: Iterable[int] = (), reservations: Reservations | None = None
) -> int:
    """The first preferred port that is free, else a random one; never one of `taken`. Reserves it in `reservations`.

    Raises:
        StackError: no port is free.
    """
    avoid = set(taken)
    drawn = random.sample(range(_FIRST, _last() + 1), 200)
    for port in [*preferred, *drawn]:
        if port not in avoid and is_free(port) and (reservations is None or reservations.take(port)):
            return port
    raise StackError(f"no free port on {HOST}: stop programs that listen there")

"""Ports for servers that a test starts by their number; no other test and no stack of the same machine gets them."""

from __future__ import annotations

import atexit

from producer.local.ports import Reservations, free_port, is_free

CLUSTER_BUS = 10_000
"""A Valkey in cluster mode listens on a second port, this much higher."""

RESERVATIONS = Reservations()
"""What this process has reserved."""
atexit.register(RESERVATIONS.close)  # else Python reports each at the end as a socket that nobody closed


def reserve_port() -> int:
    """A free port, reserved until this process ends.

    It is below the ports that the system gives to outgoing connections, which may come at any time.
    """
    return free_port(reservations=RESERVATIONS)


def reserve_valkey_port() -> int:
    """The same for a Valkey: the port of its cluster bus is free and reserved, too."""
    while True:
        port = reserve_port()
        bus = port + CLUSTER_BUS
        if bus < 32_768 and is_free(bus) and RESERVATIONS.take(bus):
            return port

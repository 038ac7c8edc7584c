"""A second host for the workers, with a cable to the servers that can be pulled.

It has another cable to the gateways: while the first one is cut, a worker can still pay for generations that it cannot
record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.chaos.network import INSIDE, OUTSIDE, Network, a_network

_HOST = "workers"


@dataclass(frozen=True, slots=True)
class Partition:
    """The other host. `here` and `gateways` are this host's addresses on the two networks."""

    network: Network
    here: str
    gateways: str

    @property
    def command(self) -> tuple[str, ...]:
        """The prefix of a command that runs it there."""
        return self.network.command(_HOST)

    def cut(self) -> None:
        """Cut it off from the servers, not from the gateways."""
        self.network.cut(_HOST, INSIDE)

    def heal(self) -> None:
        self.network.heal(_HOST, INSIDE)


@contextmanager
def two_hosts() -> Iterator[Partition]:
    """Create the second host, and remove it at the end.

    Raises:
        OSError: it cannot be created here; the text says why.
    """
    with a_network() as network:
        network.add(_HOST, INSIDE, OUTSIDE)
        yield Partition(network, network.address(INSIDE), network.address(OUTSIDE))

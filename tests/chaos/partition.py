"""Two hosts on one machine: a network namespace for the workers, and a link that can be cut.

The second host has two links: one to the database, broker and object store, the other to the gateways. While the first
one is cut, a worker can still pay for generations that it cannot record.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

LIMIT_S = 60.0
"""For one call of `ip`."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The other host. `here` and `gateways` are this host's addresses on the two links."""

    namespace: str
    links: tuple[str, str]
    here: str
    gateways: str

    @property
    def command(self) -> tuple[str, ...]:
        """The prefix of a command that runs it there."""
        return (shutil.which("ip") or "ip", "netns", "exec", self.namespace)

    def cut(self) -> None:
        """Cut the first link: packets are dropped without an error."""
        _ip("link", "set", self.links[0], "down")

    def heal(self) -> None:
        _ip("link", "set", self.links[0], "up")


def _ip(*arguments: str) -> None:
    program = shutil.which("ip")
    if program is None:
        raise OSError("the program `ip` (iproute2) is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def two_hosts() -> Iterator[Partition]:
    """Create the second host, and remove it at the end.

    Raises:
        OSError: it cannot be created here; the text says why.
    """
    with _own_number() as number:
        yield from _hosts(number)


@contextmanager
def _own_number() -> Iterator[int]:
    """A number that no other run on this host has; the kernel frees it when this process ends."""
    with socket.socket(socket.AF_UNIX) as holder:
        for number in range(20, 220):
            try:
                holder.bind(f"\0reelq-chaos-{number}")
            except OSError:
                continue
            yield number
            return
    raise OSError("200 runs use this network already")


def _hosts(number: int) -> Iterator[Partition]:
    namespace = f"reelq-chaos-{number}"
    links = (f"rqa{number}", f"rqb{number}")
    addresses = (f"10.231.{number}", f"10.232.{number}")
    with suppress(OSError):
        _ip("netns", "del", namespace)  # left by a run that was killed
    _ip("netns", "add", namespace)
    try:
        _ip("-n", namespace, "link", "set", "lo", "up")
        for link, net in zip(links, addresses, strict=True):
            _ip("link", "add", link, "type", "veth", "peer", "name", f"{link}p", "netns", namespace)
            _ip("addr", "add", f"{net}.1/24", "dev", link)
            _ip("link", "set", link, "up")
            _ip("-n", namespace, "addr", "add", f"{net}.2/24", "dev", f"{link}p")
            _ip("-n", namespace, "link", "set", f"{link}p", "up")
        yield Partition(namespace, links, f"{addresses[0]}.1", f"{addresses[1]}.1")
    finally:
        # The links are removed with the namespace that has their other ends.
        subprocess.run([shutil.which("ip") or "ip", "netns", "del", namespace], timeout=LIMIT_S, check=False)

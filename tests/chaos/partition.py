"""Two hosts on one machine: a network namespace for the workers, and a cable that can be pulled.

The second host has two cables. By one it reaches database, broker and object store, by the other the gateways: with the
first one pulled, a worker goes on paying for generations that it cannot write down.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partition:
    """The other host. `here` and `gateways` are this host's addresses at the two cables."""

    namespace: str
    cables: tuple[str, str]
    here: str
    gateways: str

    @property
    def command(self) -> tuple[str, ...]:
        """What goes before a command to run it there."""
        return (shutil.which("ip") or "ip", "netns", "exec", self.namespace)

    def cut(self) -> None:
        """Pull the first cable: packets vanish, nobody is told."""
        _ip("link", "set", self.cables[0], "down")

    def heal(self) -> None:
        _ip("link", "set", self.cables[0], "up")


def _ip(*arguments: str) -> None:
    program = shutil.which("ip")
    if program is None:
        raise OSError("the program `ip` (iproute2) is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=10, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@contextmanager
def two_hosts() -> Iterator[Partition]:
    """Make the second host, and remove it at the end.

    Raises:
        OSError: it cannot be made here; the text says why.
    """
    number = os.getpid() % 200 + 20
    namespace = f"reelq-chaos-{os.getpid()}"
    cables = (f"rqa{os.getpid()}"[:15], f"rqb{os.getpid()}"[:15])
    addresses = (f"10.231.{number}", f"10.232.{number}")
    _ip("netns", "add", namespace)
    try:
        _ip("-n", namespace, "link", "set", "lo", "up")
        for cable, net in zip(cables, addresses, strict=True):
            _ip("link", "add", cable, "type", "veth", "peer", "name", f"{cable[:14]}p", "netns", namespace)
            _ip("addr", "add", f"{net}.1/24", "dev", cable)
            _ip("link", "set", cable, "up")
            _ip("-n", namespace, "addr", "add", f"{net}.2/24", "dev", f"{cable[:14]}p")
            _ip("-n", namespace, "link", "set", f"{cable[:14]}p", "up")
        yield Partition(namespace, cables, f"{addresses[0]}.1", f"{addresses[1]}.1")
    finally:
        # The cables go with the namespace that has their other ends.
        subprocess.run([shutil.which("ip") or "ip", "netns", "del", namespace], timeout=10, check=False)

"""Several hosts on one machine: network namespaces on two networks, with cables that can be pulled.

`inside` connects the database, the broker and the object store with those who use them, `outside` the gateways. Each
host has one cable in each network that it belongs to. This machine is a host too: the first address of both networks.
The switches are in a namespace of their own, so that no firewall rule of this machine applies to them.

All names contain a number that this process holds while it lives. What a killed process has left is removed by the next
one that creates a network.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

INSIDE, OUTSIDE = "inside", "outside"
NETWORKS = {INSIDE: "10.231", OUTSIDE: "10.232"}
"""The first half of the addresses of each network."""
LIMIT_S = 60.0
"""For one call of `ip`."""
NUMBERS = range(20, 220)
_HERE = {INSIDE: "rqa", OUTSIDE: "rqb"}
_NAME = re.compile(r"reelq-chaos-(\d+)(?:-[a-z]+)?")
_LAUNCHER = Path(__file__).with_name("on_host.py")


def ip(*arguments: str) -> str:
    """Run `ip`, and return its output.

    Raises:
        OSError: it is not installed, or it failed; the text says why.
    """
    program = shutil.which("ip")
    if program is None:
        raise OSError("the program `ip` (iproute2) is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """The hosts and their cables. Create it with `a_network`."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._hosts: list[str] = []
        self._switch = self._namespace("switch")

    def _namespace(self, host: str) -> str:
        return f"reelq-chaos-{self._number}-{host}"

    def address(self, network: str, host: str | None = None) -> str:
        """The address of a host in a network; None: of this machine."""
        place = 1 if host is None else self._hosts.index(host) + 2
        return f"{NETWORKS[network]}.{self._number}.{place}"

    def open(self) -> None:
        """Create the switches, and connect this machine."""
        ip("netns", "add", self._switch)
        for network in NETWORKS:
            ip("-n", self._switch, "link", "add", network, "type", "bridge")
            ip("-n", self._switch, "link", "set", network, "up")
            self._connect("here", network, f"{_HERE[network]}{self._number}", ())
            ip("addr", "add", f"{self.address(network)}/24", "dev", f"{_HERE[network]}{self._number}")
            ip("link", "set", f"{_HERE[network]}{self._number}", "up")

    def add(self, host: str, *networks: str) -> None:
        """Add a host. `host`: a short word in small letters."""
        namespace = self._namespace(host)
        ip("netns", "add", namespace)
        self._hosts.append(host)
        ip("-n", namespace, "link", "set", "lo", "up")
        for network in networks:
            self._connect(host, network, network, ("-n", namespace))
            ip("-n", namespace, "addr", "add", f"{self.address(network, host)}/24", "dev", network)
            ip("-n", namespace, "link", "set", network, "up")

    def _connect(self, host: str, network: str, device: str, there: Sequence[str]) -> None:
        port = self._port(host, network)
        ip(*there, "link", "add", device, "type", "veth", "peer", "name", port, "netns", self._switch)
        ip("-n", self._switch, "link", "set", port, "master", network, "up")

    def _port(self, host: str, network: str) -> str:
        return f"{host}-{network[:3]}"

    def command(self, host: str) -> tuple[str, ...]:
        """The prefix of a command that runs it on a host, with the host's name as hostname."""
        program = shutil.which("ip") or "ip"
        return (program, "netns", "exec", self._namespace(host), sys.executable, "-I", "-S", str(_LAUNCHER), host)

    def cut(self, host: str, *networks: str) -> None:
        """Pull the cables of a host out of these networks: packets are lost without an error."""
        for network in networks:
            ip("-n", self._switch, "link", "set", self._port(host, network), "down")

    def heal(self, host: str, *networks: str) -> None:
        """Put the cables back."""
        for network in networks:
            ip("-n", self._switch, "link", "set", self._port(host, network), "up")

    def close(self) -> None:
        """Remove everything; the cables go with the namespaces of their ends."""
        remove(self._number)


@contextmanager
def a_network() -> Iterator[Network]:
    """Create a network without other hosts, and remove it with its hosts at the end.

    Raises:
        OSError: it cannot be created here; the text says why.
    """
    sweep()
    with _own_number() as number:
        network = Network(number)
        try:
            network.open()
            yield network
        finally:
            network.close()


def sweep() -> None:
    """Remove the networks whose process is gone."""
    for number in {number for number, _ in _namespaces()}:
        with suppress(OSError), _held(number):
            remove(number)


def remove(number: int) -> None:
    """Remove the namespaces and devices with this number; none need exist."""
    for found, namespace in _namespaces():
        if found == number:
            with suppress(OSError):
                ip("netns", "del", namespace)
    for device in _HERE.values():
        # The kernel removes it with its other end, but not at once.
        with suppress(OSError):
            ip("link", "del", f"{device}{number}")


def _namespaces() -> list[tuple[int, str]]:
    """The number and the name of each namespace of ours."""
    names = [line.split()[0] for line in ip("netns", "list").splitlines() if line.strip()]
    return [(int(match[1]), name) for name in names if (match := _NAME.fullmatch(name))]


@contextmanager
def _held(number: int) -> Iterator[None]:
    """Hold a number; the kernel frees it when this process ends.

    Raises:
        OSError: another process holds it.
    """
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(f"\0reelq-chaos-{number}")
        yield


@contextmanager
def _own_number() -> Iterator[int]:
    """A number that no other run on this machine has."""
    with ExitStack() as holding:
        for number in NUMBERS:
            try:
                holding.enter_context(_held(number))
            except OSError:
                continue
            break
        else:
            raise OSError(f"{len(NUMBERS)} runs use this network already")
        yield number

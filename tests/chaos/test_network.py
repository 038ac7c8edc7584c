"""Hosts in network namespaces: what they reach, a pulled cable, and what a killed run leaves."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.chaos.network import INSIDE, OUTSIDE, Network, a_network, ip, sweep

LIMIT_S = 60.0
# Exit code 0: connected; 1: refused or no answer within the time.
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"
LEAVE = """
import sys
from tests.chaos.network import INSIDE, a_network
with a_network() as network:
    network.add("left", INSIDE)
    print(network.command("left")[3], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        with a_network() as network:
            yield network
    except OSError as exc:
        pytest.skip(f"not possible here: {exc}")


def reaches(network: Network, host: str, address: str, port: int, within_s: float = 1.0) -> bool:
    command = (*network.command(host), sys.executable, "-c", CONNECT, address, str(port), str(within_s))
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False).returncode == 0


def test_a_host_reaches_only_its_networks_and_nothing_without_its_cable(network: Network) -> None:
    network.add("a", INSIDE, OUTSIDE)
    network.add("b", INSIDE)
    with closing(socket.create_server((network.address(INSIDE), 0))) as server:
        here, port = server.getsockname()
        assert reaches(network, "a", here, port, LIMIT_S / 2)
        assert reaches(network, "b", here, port, LIMIT_S / 2)
        network.cut("a", INSIDE)
        assert not reaches(network, "a", here, port)
        assert reaches(network, "b", here, port, LIMIT_S / 2)
        network.heal("a", INSIDE)
        assert reaches(network, "a", here, port, LIMIT_S / 2)
    with closing(socket.create_server((network.address(OUTSIDE), 0))) as server:
        there, port = server.getsockname()
        assert reaches(network, "a", there, port, LIMIT_S / 2)
        assert not reaches(network, "b", there, port)


def test_a_program_on_a_host_sees_the_name_of_the_host(network: Network) -> None:
    network.add("a", INSIDE)
    command = (*network.command("a"), sys.executable, "-c", "import socket; print(socket.gethostname())")
    assert subprocess.check_output(command, text=True, timeout=LIMIT_S) == "a\n"
    assert socket.gethostname() != "a"


def test_what_a_killed_run_leaves_is_removed_and_what_lives_stays(network: Network) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEAVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        namespace = run.stdout.readline().strip()
        sweep()
        assert namespace in ip("netns", "list").split()
        run.kill()
        run.wait(LIMIT_S)
    sweep()
    left = ip("netns", "list").split()
    assert namespace not in left
    assert any(name.startswith("reelq-chaos-") for name in left), "the network of this test is still there"

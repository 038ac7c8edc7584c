"""The comparison with several hosts: what runs where, and what is done where hosts are not allowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.scaling import hosts
from bench.scaling.check import Trial
from bench.scaling.comparing import Measured
from bench.scaling.costs import load_costs
from tests.chaos.network import Network
from tests.chaos.parts import SCHEDULER, SUBMIT_POLL, TRANSFER


def test_every_host_works_and_two_have_a_scheduler() -> None:
    kinds = {host: hosts.kinds_of(host) for host in hosts.names_of(3)}
    assert all({SUBMIT_POLL, TRANSFER} <= set(own) for own in kinds.values())
    assert [host for host, own in kinds.items() if SCHEDULER in own] == ["a", "b"]
    assert len(set(hosts.names_of(hosts.MOST))) == hosts.MOST


def test_without_namespaces_the_processes_run_side_by_side_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def refused() -> Iterator[Network]:
        raise OSError("the program `ip` (iproute2) is not installed")
        yield

    costs = load_costs()
    real = Measured(**dict.fromkeys(Measured.__slots__, 1.0) | {"pace_ms": costs.pace_ms})

    def ran(count: int, trial: Trial, network: Network | None) -> hosts.Spread:
        return hosts.Spread(count, network is not None, real, 1.0, 10, 54, (0.5, 0.5))

    monkeypatch.setattr(hosts, "a_network", refused)
    monkeypatch.setattr(hosts, "real_run", ran)
    _, found = hosts.check(2, 20, costs)
    assert not found.in_namespaces
    said = capsys.readouterr().err
    assert "without namespaces (the program `ip` (iproute2) is not installed)" in said
    assert "side by side" in said

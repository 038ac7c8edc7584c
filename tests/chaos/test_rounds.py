"""A small version of each round of `make chaos`: the same faults, fewer jobs, less time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.forked import running_source
from tests.chaos.partition import two_hosts
from tests.chaos.play import play, play_gateway_faults
from tests.chaos.rounds import EVERYTHING, PARTITION, ROUNDS, Round
from tests.chaos.system import TIMES, System, running_system

pytestmark = pytest.mark.slow

SEED = 20
SCALE = 0.1
JOBS = 12
EVERYTHING_JOBS = 25
SHORT = TIMES | {"lease_seconds": 5.0, "submit_timeout_seconds": 3.0, "query_timeout_seconds": 3.0}
# One of each group; `make chaos` plays all of them.
KINDS = (
    "status-502-html",
    "rate-limit",
    "hang-accepted",
    "close-after-accept",
    "lost-ark",
    "lost-new-api",
    "moderate-output",
    "url-dies",
    "cut",
)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    directory = tmp_path_factory.mktemp("chaos")
    with (
        running_source(directory) as source,
        running_system(
            directory, SEED, scale=SCALE, fault_kinds=KINDS, pairs=1, times=SHORT, median_s=0.7, source=source
        ) as running,
    ):
        yield running


@pytest.mark.parametrize("item", ROUNDS, ids=lambda item: item.fault)
def test_the_promises_hold_during_and_after_each_fault(system: System, item: Round) -> None:
    play(system, item, jobs=JOBS).verdict.check()


def test_the_promises_hold_under_each_gateway_fault(system: System) -> None:
    for row in play_gateway_faults(system, jobs=3):
        row.verdict.check()


def test_the_promises_hold_under_random_faults(system: System) -> None:
    row = play(system, EVERYTHING, jobs=EVERYTHING_JOBS)
    row.verdict.check()
    assert row.verdict.succeeded > 0


def test_the_promises_hold_when_the_network_is_partitioned(tmp_path: Path) -> None:
    try:
        with (
            two_hosts() as partition,
            running_system(
                tmp_path, SEED, scale=SCALE, partition=partition, pairs=1, times=SHORT, median_s=0.7
            ) as system,
        ):
            play(system, PARTITION, jobs=JOBS).verdict.check()
    except OSError as exc:
        pytest.skip(f"not possible here: {exc}")

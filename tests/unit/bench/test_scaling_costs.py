"""Costs solved from whole runs: what comes out if it is known what went in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.scaling import measure
from bench.scaling.costs import PARTS, WAL, load_costs
from bench.scaling.measure import SHAPES, solved, times_in_model
from bench.scaling.observed import Observed
from bench.scaling.solving import Run, solve

COSTS = load_costs()


def test_costs_are_those_that_the_runs_were_made_of() -> None:
    amounts = ((10.0, 0.0, 40.0), (3.0, 50.0, 20.0), (0.0, 20.0, 400.0), (7.0, 7.0, 7.0))
    runs = [Run({"tick": t, "copy": c, "poll": p}, 4.0 * t + 1.5 * c + 0.1 * p) for t, c, p in amounts]
    found = solve(runs)
    assert {part: cost.each for part, cost in found.items()} == pytest.approx(
        {"tick": 4.0, "copy": 1.5, "poll": 0.1}, rel=1e-3
    )
    assert all(cost.sure < 0.01 for cost in found.values())


def test_runs_that_disagree_make_a_cost_less_sure() -> None:
    found = solve([Run({"tick": 10.0}, took) for took in (40.0, 60.0, 40.0, 60.0)])
    assert 4.0 < found["tick"].each < 6.0
    assert found["tick"].sure > 0.3


def test_no_cost_is_negative() -> None:
    found = solve([Run({"a": 10.0}, 10.0), Run({"a": 10.0, "b": 10.0}, 8.0)])
    assert found["b"].each == 0.0
    assert 0.8 < found["a"].each < 1.0


def test_a_part_of_a_single_run_is_solved_for() -> None:
    found = solve([Run({"a": 10.0}, 10.0), Run({"a": 20.0}, 20.0), Run({"a": 5.0, "b": 5.0}, 15.0)])
    assert (found["a"].each, found["b"].each) == pytest.approx((1.0, 2.0))


def test_every_part_can_be_solved_for_from_the_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that took what the model says, on a machine half as fast: the costs come out again."""
    monkeypatch.setattr(measure, "RUNS", 2)
    monkeypatch.setattr(measure, "PASSES", 1)
    runs = []
    for name, trial in SHAPES.items():
        small = replace(trial, jobs=trial.jobs // 3)
        slow = COSTS.at_pace(2 * COSTS.pace_ms)
        times = times_in_model(small, slow)
        took = {role: slow.of(role, **times[role]) for role in PARTS if role != "producer"}
        runs.append(Observed(name, took, slow.pace_ms, {}, small))
    idle = {role: {"tick": 40.0} for role in ("scheduler", "database")}
    idle |= {role: {"second": 10.0} for role in ("submit_poll", "transfer", "broker")}
    runs.append(Observed("idle", {role: COSTS.of(role, **own) for role, own in idle.items()}, COSTS.pace_ms, idle))
    for calls, jobs in ((100, 100), (10, 500)):
        own = {"enqueue": calls, "enqueued": jobs}
        stored = {role: COSTS.of(role, enqueue=calls, enqueued=jobs) for role in ("producer", "database", WAL)}
        runs.append(Observed(f"stored {jobs}", stored, COSTS.pace_ms, dict.fromkeys(stored, own)))
    found = solved(runs, COSTS)
    for name, trial in SHAPES.items():
        times = times_in_model(trial, COSTS)
        for role in PARTS:
            if role != "producer":
                assert found.of(role, **times[role]) == pytest.approx(COSTS.of(role, **times[role]), rel=0.03), (
                    name,
                    role,
                )

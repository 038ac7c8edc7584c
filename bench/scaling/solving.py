"""What each part of the work costs, from runs with different amounts of each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from bench.scaling.costs import Cost

ROUNDS = 20_000
ENOUGH = 1e-9


@dataclass(frozen=True, slots=True)
class Run:
    """How often each part was done in a run, and what all of them took together."""

    times: Mapping[str, float]
    took: float


def solve(runs: Sequence[Run]) -> dict[str, Cost]:
    """The cost of each part that a run has, and how sure it is: its standard error, if each run may be off by as much
    as the runs are off on average."""
    best = _least_squares(runs)
    off = [1.0 - sum(best[part] * times for part, times in run.times.items() if times) / run.took for run in runs]
    typical = sqrt(sum(one**2 for one in off) / max(1, len(runs) - len(best)))
    others = [
        _least_squares([*runs[:at], replace(run, took=run.took * (1.0 + typical)), *runs[at + 1 :]])
        for at, run in enumerate(runs)
    ]
    return {part: Cost(cost, sqrt(sum((found[part] - cost) ** 2 for found in others))) for part, cost in best.items()}


def _least_squares(runs: Sequence[Run]) -> dict[str, float]:
    """Costs of at least 0 with the least squares of the runs' relative errors, one cost after the other until none
    moves."""
    rows = [{part: times / run.took for part, times in run.times.items() if times} for run in runs]
    costs = dict.fromkeys(sorted({part for row in rows for part in row}), 0.0)
    for _ in range(ROUNDS):
        moved = 0.0
        for part in costs:
            left = [1.0 - sum(row[name] * costs[name] for name in row if name != part) for row in rows]
            own = [row.get(part, 0.0) for row in rows]
            cost = max(0.0, sum(a * b for a, b in zip(own, left, strict=True)) / sum(a * a for a in own))
            moved = max(moved, abs(cost - costs[part]) / (cost or 1.0))
            costs[part] = cost
        if moved < ENOUGH:
            break
    return costs

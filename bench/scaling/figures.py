"""Everything that docs/scaling.md says, computed and kept in `figures.json`: the runs of the model, and the real runs
that it was compared with.

The page is made from this file and from `bench/costs.toml`; see `bench.scaling.page`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.scaling import check, hosts, plan
from bench.scaling.comparing import LOOSE, Compared, show
from bench.scaling.costs import COSTS_FILE, Costs
from bench.scaling.machinery import Layout
from bench.scaling.workload import Part

FIGURES_FILE = Path(__file__).with_name("figures.json")
PARTS: tuple[Part, ...] = ("gateway", "store", "broker", "database")
CHECKS = 2
HOSTS = 3
Stored = dict[str, Any]


def load_figures(path: Path = FIGURES_FILE) -> Stored:
    """The kept figures; empty if there are none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def keep(path: Path = FIGURES_FILE, **new: Any) -> Stored:
    """Add to the kept figures, and return them all."""
    found = load_figures(path) | new
    path.write_text(json.dumps(_rounded(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def _rounded(value: Any) -> Any:
    """With as many digits as a reader can use."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def costs_id(path: Path = COSTS_FILE) -> str:
    """Changes with the costs."""
    return sha256(path.read_bytes()).hexdigest()


def model(costs: Costs, sizes: Sequence[plan.Size] = plan.SIZES) -> Stored:
    """The runs of the model, side by side on all cores: one to two minutes on two."""
    with ProcessPoolExecutor() as pool:
        planned = dict(zip(sizes, pool.map(partial(plan.steady, costs), sizes), strict=True))
        largest, middle = sizes[-1], sizes[min(1, len(sizes) - 1)]
        behind = [pool.submit(_behind, middle, planned[middle][0], costs, hours, busy) for hours, busy in plan.BEHIND]
        outages = [pool.submit(_outage, largest, planned[largest][0], costs, part) for part in PARTS]
        return {
            "costs": costs_id(),
            "sizes": {
                size.name: asdict(size) | asdict(layout) | asdict(seen) for size, (layout, seen) in planned.items()
            },
            "outages": [one.result() for one in outages],
            "behind": [one.result() for one in behind],
        }


def _outage(size: plan.Size, layout: Layout, costs: Costs, part: Part) -> Stored:
    seen = plan.outage(size, layout, costs, part)
    return {
        "size": size.name,
        "part": part,
        "most_queued": seen.figures.most_queued,
        "most_copies_waiting": seen.figures.most_copies_waiting,
        "failed_posts": seen.failed_posts,
        "wal_gb": seen.figures.wal_bytes_per_job * seen.figures.ended / 1e9,
        "caught_up_min": seen.caught_up_s / 60,
        "life_used": seen.figures.life_used_most,
        "failed": seen.figures.failed,
    }


def _behind(size: plan.Size, layout: Layout, costs: Costs, hours: float, busy: float) -> Stored:
    count, seen = plan.transfers_behind(size, layout, costs, busy, hours)
    return {
        "size": size.name,
        "hours": hours,
        "busy": busy,
        "processes": count,
        "most_copies_waiting": seen.most_copies_waiting,
        "life_used": seen.life_used_most,
        "lost": seen.failed,
    }


def checks(costs: Costs, jobs: int, runs: int = CHECKS) -> list[Stored]:
    """Real runs on this machine, a minute each, beside the model."""
    found = []
    for _ in range(runs):
        figures, real = check.check(jobs, costs)
        show(figures)
        found.append({"jobs": jobs, "pace_ms": real.pace_ms, **_when(), "figures": _listed(figures)})
    return found


def spread(costs: Costs, jobs: int, count: int = HOSTS) -> Stored:
    """A real run on several hosts, two minutes, beside the model."""
    figures, found = hosts.check(count, jobs, costs)
    show(figures)
    seen = asdict(found)
    del seen["real"]
    return seen | {"jobs": jobs, "pace_ms": found.real.pace_ms, **_when(), "figures": _listed(figures)}


def _when() -> Stored:
    return {"as_of": datetime.now(UTC).date().isoformat()}


def _listed(figures: Sequence[Compared]) -> list[Stored]:
    return [asdict(one) | {"off": one.off, "judged": one.name not in LOOSE, "good": one.is_good} for one in figures]


def too_far_off(kept: Stored) -> list[str]:
    """The figures of real runs from which the model is off by more than allowed."""
    runs = [*kept["checks"], kept["spread"]]
    return sorted({one["name"] for run in runs for one in run["figures"] if not one["good"]})

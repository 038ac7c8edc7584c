"""A model of the whole system: what to run for a number of videos per day, and the effect of an outage.

python -m bench.scaling             what to run, from the costs in bench/costs.toml
python -m bench.scaling --check     compare the model with a small real run; exit with 1 if it is off by more than 15 %
python -m bench.scaling --measure   measure the costs on this machine and write bench/costs.toml
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.scaling import check, measure, plan
from bench.scaling.costs import load_costs


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the three; returns 0 unless `--check` fails."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="compare the model with a real run, which takes a minute")
    what.add_argument("--measure", action="store_true", help="measure the costs on this machine")
    parser.add_argument("--jobs", type=int, default=600, help="jobs in the real run of --check (default 600)")
    parser.add_argument("--quick", action="store_true", help="fewer jobs and shorter runs")
    given = parser.parse_args(argv)
    if given.measure:
        return measure.main(given.quick)
    if given.check:
        return check.main(given.jobs // 2 if given.quick else given.jobs)
    costs = load_costs()
    planned = plan.show_steady(costs, plan.SIZES[:2] if given.quick else plan.SIZES)
    plan.show_outages(costs, planned[-1:])
    if not given.quick:
        plan.show_behind(costs, *planned[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())

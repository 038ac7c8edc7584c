"""A model of the whole system: what to run for a number of videos per day, and the effect of an outage.

python -m bench.scaling              the tables of docs/scaling.md, computed from the costs in bench/costs.toml
python -m bench.scaling --check      compare the model with a small real run; exit with 1 if it is off by more than 15 %
python -m bench.scaling --hosts 3    the same on several hosts, in network namespaces (root), else processes on one host
python -m bench.scaling --measure    measure the costs on this machine and write bench/costs.toml
python -m bench.scaling --page       compute the model again and write docs/scaling.md
python -m bench.scaling --refresh    all of it: measure, check, hosts, page; a quarter of an hour on a quiet machine
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.scaling import check, figures, hosts, measure, page, plan
from bench.scaling.costs import load_costs


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; returns 0 unless a comparison fails."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="compare the model with a real run, which takes a minute")
    what.add_argument("--hosts", type=int, metavar="N", help="compare it with a run on N hosts, which takes two")
    what.add_argument("--measure", action="store_true", help="measure the costs on this machine, in seven minutes")
    what.add_argument("--page", action="store_true", help="compute the model and write docs/scaling.md")
    what.add_argument("--text", action="store_true", help="write docs/scaling.md from the figures that are kept")
    what.add_argument("--refresh", action="store_true", help="measure, check, hosts and page")
    parser.add_argument(
        "--jobs", type=int, default=500, help="jobs in the real run of --check or --hosts (default 500)"
    )
    parser.add_argument("--quick", action="store_true", help="fewer jobs and shorter runs")
    given = parser.parse_args(argv)
    jobs = given.jobs // 2 if given.quick else given.jobs
    if given.hosts is not None and not 1 <= given.hosts <= hosts.MOST:
        parser.error(f"--hosts: must be from 1 to {hosts.MOST}")
    if given.check:
        return check.main(jobs)
    if given.hosts is not None:
        return hosts.main(given.hosts, jobs)
    if given.measure:
        return measure.main(given.quick)
    if given.refresh:
        return refresh(jobs, given.quick)
    if given.page:
        figures.keep(model=figures.model(load_costs()))
    if given.page or given.text:
        print(f"written to {page.write()}")
        return 0
    sizes = plan.SIZES[:2] if given.quick else plan.SIZES
    print(page.tables(figures.model(load_costs(), sizes)))
    return 0


def refresh(jobs: int, quick: bool) -> int:
    """Measure and compare everything, and write the page. What was measured is kept, whatever fails later. Returns 1 if
    the model is off by more than allowed: then measure again on a quieter machine, or correct the model."""
    measure.main(quick)
    costs = load_costs()
    figures.keep(checks=figures.checks(costs, jobs))
    figures.keep(spread=figures.spread(costs, jobs))
    kept = figures.keep(model=figures.model(costs))
    print(f"written to {page.write()}")
    wrong = figures.too_far_off(kept)
    print(f"the model is off by more than allowed in: {', '.join(wrong) or 'nothing'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

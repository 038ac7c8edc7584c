"""The command `python -m bench [PART…]`; `reelq bench` and `make bench` run the same."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.parts import PARTS
from bench.run import ROOT, run


def main() -> int:
    """Read the command line and run."""
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(
        prog="reelq bench", description="Measure reelq and compare it with its alternatives."
    )
    parser.add_argument("part", nargs="*", help=f"parts to run: {', '.join(names)} (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help="small runs, to check that the benchmarks work; the figures mean little"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures to this file (default: in bench/results/)"
    )
    given = parser.parse_args()
    if unknown := [name for name in given.part if name not in names]:
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(names)}")
    wanted = [part for part in PARTS if not given.part or part.name in given.part]
    name = "-".join(part.name for part in wanted) if given.part else "all"
    file = given.json or ROOT / "bench" / "results" / f"{name}{'-quick' if given.quick else ''}.json"
    try:
        return run(wanted, given.quick, file)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

"""The benchmark parts, their time limits, and the child process that runs one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bench.report import Report


@dataclass(frozen=True, slots=True)
class Part:
    """A part: its module, whose `measure_part(quick)` returns a report, and its time limit in seconds."""

    name: str
    module: str
    limit_s: float

    def measure(self, quick: bool) -> Report:
        """Run it in this process."""
        measure: Callable[[bool], Report] = import_module(self.module).measure_part
        return measure(quick)


PARTS = (
    Part("lifecycle", "bench.lifecycle", 540.0),
    Part("crash", "bench.crash", 180.0),
    Part("inflight", "bench.inflight", 180.0),
    Part("backlog", "bench.backlog", 120.0),
    Part("growth", "bench.growth", 420.0),
    Part("history", "bench.history.run", 240.0),
    Part("pacing", "bench.pacing", 30.0),
    Part("transfer", "bench.transfer", 180.0),
    Part("distance", "bench.distance.run", 480.0),
    Part("api", "bench.api.run", 150.0),
    Part("campaigns", "bench.campaigns", 600.0),
)
"""The limits allow for a very busy machine; on a quiet one all parts together take 24 minutes."""


def main(arguments: list[str]) -> None:
    """`python -m bench.parts NAME FILE [quick]`: run a part and write its report to a file."""
    name, file, *rest = arguments
    part = next(part for part in PARTS if part.name == name)
    report = part.measure(rest == ["quick"])
    Path(file).write_text(json.dumps({"json": report.to_json(), "lines": report.lines()}))


if __name__ == "__main__":
    main(sys.argv[1:])

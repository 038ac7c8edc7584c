"""`python -m producer.local`: run a stack and print one plain line per event, for programs that start one."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from producer.local.errors import StackError
from producer.local.events import StackEvent
from producer.local.stack import UpOptions
from producer.local.up import run_stack
from seedance.problems import InvalidInput
from storage.settings import data_dir


def _print(event: StackEvent) -> None:
    sys.stdout.write(f"{event}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Run a stack until SIGTERM or SIGINT. When it cannot start, print one line and return 2."""
    parser = argparse.ArgumentParser(prog="python -m producer.local", description=__doc__)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--api-port", type=int)
    parser.add_argument("--flower-port", type=int)
    parser.add_argument("--no-flower", action="store_true")
    parser.add_argument("simulator", nargs="*", help="after --: arguments for the simulator")
    given = parser.parse_args(arguments)
    options = UpOptions(
        data_dir(given.data_dir),
        api_port=given.api_port,
        flower_port=given.flower_port,
        flower=not given.no_flower,
        simulator_options=tuple(given.simulator),
    )
    try:
        return asyncio.run(run_stack(options, _print))
    except (StackError, InvalidInput) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())

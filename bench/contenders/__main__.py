"""Run a step of a contender: `python -m bench.contenders MODULE prepare | work | enqueue COUNT`.

The module is imported under its own name, because most libraries derive the names of tasks from it.
"""

from __future__ import annotations

import sys
from importlib import import_module

if __name__ == "__main__":
    _, name, step, *arguments = sys.argv
    getattr(import_module(f"bench.contenders.{name}"), step)(*map(int, arguments))

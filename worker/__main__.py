"""`python -m worker worker …` and `python -m worker beat …`: Celery's two commands with this app.

`celery -A worker …` does the same. It also imports every command that it has, and those that installed packages add to
it: with Flower's, each process takes 0.2 s of CPU more to start, and 12 MB more for as long as it runs.
"""

from __future__ import annotations

import gc
import sys

# What is imported is no garbage, and to look through it takes a seventh of the start; `spare_loaded` switches it on.
gc.disable()

from celery.bin.base import CLIContext  # noqa: E402 - after the collector is off
from celery.bin.beat import beat  # noqa: E402 - as above
from celery.bin.worker import worker  # noqa: E402 - as above

from worker.app import app  # noqa: E402 - as above

COMMANDS = {"worker": worker, "beat": beat}


def main(arguments: list[str]) -> None:
    """Run a worker or the scheduler until it is stopped, then exit."""
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(
            f"usage: python -m worker {{{','.join(COMMANDS)}}} …; every other command: celery -A worker …\n"
        )
        sys.exit(2)
    name, *options = arguments
    # Quiet: its banner is not a line of the log, and would name what the lines after it name.
    context = CLIContext(app=app, no_color=False, workdir=None, quiet=True)
    COMMANDS[name].main(options, prog_name=f"python -m worker {name}", obj=context)


if __name__ == "__main__":
    main(sys.argv[1:])

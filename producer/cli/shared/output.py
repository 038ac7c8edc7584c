"""How commands print: JSON for programs, tables for people, plain columns for pipes. `terminal` has the colours."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import orjson

from producer.cli.shared.formatting import clean, one_line

_WIDEST = 10_000  # a pipe gets whole values, never cut to a screen


def print_json(value: object) -> None:
    """One JSON document on standard output, in UTF-8 whatever the locale."""
    sys.stdout.flush()
    sys.stdout.buffer.write(
        orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS, default=str)
    )
    sys.stdout.buffer.flush()


def say(line: str) -> None:
    """A line for people on standard error, so that standard output stays for results."""
    sys.stderr.write(clean(line) + "\n")
    sys.stderr.flush()


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, states: str = "", optional: str = ""
) -> None:
    """A table: drawn on a terminal, aligned columns without a frame elsewhere.

    The last column takes what room is left; on a terminal it is cut, the others never are. Column `states` holds job
    states; column `optional` is left out where a terminal has no room for it.
    """
    cells = [[one_line(cell, _WIDEST) for cell in row] for row in [columns, *rows]]
    if _may_be_terminal():
        # Imported here: rich is 5 % of the time of `reelq jobs list`, and a pipe needs none of it.
        from producer.cli.shared.terminal import draw_table

        if draw_table(cells, states=states, optional=optional):
            return
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for line in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        sys.stdout.write(f"{text}\n")


def _may_be_terminal() -> bool:
    """Whether rich is worth the loading: only it knows what stands for a terminal."""
    return sys.stdout.isatty() or any(name in os.environ for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))

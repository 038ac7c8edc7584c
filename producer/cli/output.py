"""How commands print: JSON for programs, tables for people, plain columns for pipes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from storage.jobs.states import JobState

STATE_STYLES: Mapping[str, str] = {
    "queued": "bright_black",
    "submitting": "cyan",
    "unconfirmed": "bold yellow",
    "generating": "blue",
    "transferring": "magenta",
    "succeeded": "green",
    "failed": "bold red",
    "cancelled": "bright_black",
}
_LAST_AT_LEAST = 30
_WIDEST = 10_000  # a pipe gets whole values, never cut to a screen


def print_json(value: object) -> None:
    """One JSON document on standard output, in UTF-8 whatever the locale."""
    import orjson

    sys.stdout.flush()
    sys.stdout.buffer.write(
        orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS, default=str)
    )
    sys.stdout.buffer.flush()


def say(line: str) -> None:
    """A line for people on standard error, so that standard output stays for results."""
    sys.stderr.write(clean(line) + "\n")
    sys.stderr.flush()


def console(*, stderr: bool = False) -> Console:
    """A console that takes no markup from the texts it prints."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    return (
        made
        if made.is_terminal
        else Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=_WIDEST, color_system=None)
    )


def _may_be_terminal() -> bool:
    """Whether rich is worth the loading: only it knows what stands for a terminal."""
    return sys.stdout.isatty() or any(name in os.environ for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))


def clean(text: str) -> str:
    """Text from a prompt or a gateway without control characters, which could steer the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def one_line(value: object, limit: int = 200) -> str:
    """A value on one line, cut to a limit."""
    text = clean(" ".join(str(value).split()))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def state_text(state: str) -> Text:
    """A state in its colour."""
    from rich.text import Text

    return Text(str(state), STATE_STYLES.get(str(state), ""))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, states: str = "", optional: str = ""
) -> None:
    """A table: drawn on a terminal, aligned columns without a frame elsewhere.

    The last column takes what room is left; on a terminal it is cut, the others never are. Column `states` holds job
    states; column `optional` is left out where a terminal has no room for it.
    """
    cells = [[one_line(cell, _WIDEST) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    if not _may_be_terminal() or not (out := console()).is_terminal:
        for line in cells:
            text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            sys.stdout.write(f"{text}\n")
        return
    from rich import box
    from rich.table import Table

    shown = list(range(len(columns)))
    if optional and sum(width + 2 for width in widths[:-1]) + _LAST_AT_LEAST > out.width:
        shown.remove(columns.index(optional))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", expand=True)
    for index in shown[:-1]:
        table.add_column(columns[index], no_wrap=True, min_width=widths[index])
    table.add_column(columns[-1], no_wrap=True, overflow="ellipsis", ratio=1)
    for line in cells[1:]:
        table.add_row(*(state_text(line[index]) if columns[index] == states else line[index] for index in shown))
    out.print(table)


def counts_line(counts: Mapping[JobState, int]) -> str:
    """`3 queued · 5 generating · 2 succeeded`, in the order of a job's life."""
    from storage.jobs.states import JobState

    return " · ".join(f"{counts[state]} {state}" for state in JobState if counts.get(state)) or "no jobs"


def duration(seconds: float) -> str:
    """A length of time as people read it."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def plural(number: int, word: str) -> str:
    """`1 poll`, `2 polls`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def ago(instant: datetime) -> str:
    """How long ago, by this machine's clock."""
    return f"{duration(max((datetime.now(UTC) - instant).total_seconds(), 0.0))} ago"


def size(number: int) -> str:
    """Bytes as people read them."""
    return f"{number / 2**20:.1f} MiB" if number >= 2**20 else f"{number / 2**10:.0f} KiB"


def error_line(error: Mapping[str, Any] | None) -> str:
    """An error as one line: its code, then what a person should read."""
    if not error:
        return ""
    return one_line(": ".join(str(error[key]) for key in ("code", "message") if error.get(key)))

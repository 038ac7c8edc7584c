"""What only a terminal shows: colours and frames, drawn by rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
_WIDEST = 10_000


def console(*, stderr: bool = False) -> Console:
    """A console that takes no markup from the texts it prints."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    return (
        made
        if made.is_terminal
        else Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=_WIDEST, color_system=None)
    )


def state_text(state: str) -> Text:
    """A state in its colour."""
    return Text(str(state), STATE_STYLES.get(str(state), ""))


def draw_table(cells: Sequence[Sequence[str]], *, states: str, optional: str) -> bool:
    """Draw a table whose first row names its columns; False, with nothing drawn, if standard output is no terminal."""
    out = console()
    if not out.is_terminal:
        return False
    columns = cells[0]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
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
    return True

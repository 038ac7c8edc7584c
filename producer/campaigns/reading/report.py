"""How a file was read: what there is to say about it, and its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from producer.campaigns.reading.looks.formats import ColumnFormat


@dataclass(slots=True)
class Report:
    """Complete when all rows have been read.

    `notes` say how the file was read if that is not obvious. `encoding`: of a text file; None: it is a workbook.
    `sheet`: the sheet that was read in a workbook. `used`: the columns that are fields, the key, or named by the
    template; `kept`: all others, which are stored with the job. Both are names as the author wrote them.
    `empty`: in how many rows a name that the template uses has no value. `header`: the names of all columns in the
    order of the file, "" for one without a name. `formats`: how they look; empty: not known.
    """

    notes: list[str] = field(default_factory=list)
    encoding: str | None = None
    sheet: str | None = None
    used: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    empty: Counter[str] = field(default_factory=Counter)
    header: list[str] = field(default_factory=list)
    formats: list[ColumnFormat] = field(default_factory=list)

    def column(self, name: str, *, used: bool) -> None:
        """Note a column; one that is seen again keeps its place."""
        names = self.used if used else self.kept
        if name not in names:
            names.append(name)

    def not_used(self, name: str, shown: Sequence[str]) -> None:
        """A note on columns that are kept only, by the names under which they are."""
        if shown:
            more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            self.notes.append(f"{name}: not used, kept in metadata: {', '.join(shown[:_SHOWN])}{more}")


_SHOWN = 12

"""The report of a part: rows, targets and notes, printed as a table and stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Target:
    """A measured figure and the value it should reach."""

    what: str
    measured: float | None
    """None: not measured."""
    sign: Literal["<=", ">="]
    wanted: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        if self.measured is None:
            return False
        return self.measured <= self.wanted if self.sign == "<=" else self.measured >= self.wanted

    def line(self) -> str:
        """One line of text."""
        found = "not measured" if self.measured is None else f"{format_value(self.measured)}{self.unit}"
        sign = "≤" if self.sign == "<=" else "≥"
        mark = "✓" if self.reached else "✗"
        return f"{mark} {self.what}: {found} (wanted {sign} {format_value(self.wanted)}{self.unit})"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns; a missing value is shown as a dash."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Value]]

    def lines(self) -> list[str]:
        """Lines of text: the first column left-aligned, the others right-aligned."""
        cells = [list(self.columns), *([format_value(row.get(name)) for name in self.columns] for row in self.rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        drawn = []
        for row in cells:
            rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            drawn.append("  ".join([row[0].ljust(widths[0]), *rest]).rstrip())
        return [self.title, "", *drawn]


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one part."""

    part: str
    tables: Sequence[Table]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    """Only in the JSON, such as every single run."""

    def lines(self) -> list[str]:
        """Lines of text."""
        blocks = [table.lines() for table in self.tables]
        blocks += [[target.line() for target in self.targets], [f"  {note}" for note in self.notes]]
        return [line for block in blocks if block for line in [*block, ""]]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON; each target has `reached`."""
        content = asdict(self)
        content["targets"] = [asdict(target) | {"reached": target.reached} for target in self.targets]
        return content


def format_value(value: Value) -> str:
    """A number rounded to about three significant digits."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which this share of the values lies; None without values."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None


def ratio(one: float | None, other: float | None) -> float | None:
    """`one` divided by `other`; None when either is missing or `other` is 0."""
    return one / other if one is not None and other else None

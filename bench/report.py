"""What a part hands back: rows, targets, notes; printed as a table, and kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that is to be reached, beside what was measured."""

    what: str
    measured: float | None
    """None: it could not be measured."""
    sign: Literal["<=", ">="]
    wanted: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        if self.measured is None:
            return False
        return self.measured <= self.wanted if self.sign == "<=" else self.measured >= self.wanted

    def line(self) -> str:
        """For people."""
        found = "not measured" if self.measured is None else f"{shown(self.measured)}{self.unit}"
        sign = "≤" if self.sign == "<=" else "≥"
        return f"{'✓' if self.reached else '✗'} {self.what}: {found} (wanted {sign} {shown(self.wanted)}{self.unit})"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns; what is missing in a row is shown as a dash."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Value]]

    def lines(self) -> list[str]:
        """For people: the first column to the left, the others to the right."""
        cells = [list(self.columns), *([shown(row.get(name)) for name in self.columns] for row in self.rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        drawn = []
        for row in cells:
            rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            drawn.append("  ".join([row[0].ljust(widths[0]), *rest]).rstrip())
        return [self.title, "", *drawn]


@dataclass(frozen=True, slots=True)
class Report:
    """All that one part measured."""

    part: str
    tables: Sequence[Table]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    """For the JSON alone, such as every single run."""

    def lines(self) -> list[str]:
        """For people."""
        blocks = [table.lines() for table in self.tables]
        blocks += [[target.line() for target in self.targets], [f"  {note}" for note in self.notes]]
        return [line for block in blocks if block for line in [*block, ""]]

    def to_json(self) -> dict[str, Any]:
        """For programs; targets carry whether they are reached."""
        content = asdict(self)
        content["targets"] = [asdict(target) | {"reached": target.reached} for target in self.targets]
        return content


def shown(value: Value) -> str:
    """A number with as many digits as are worth reading."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which so large a share lies, None of nothing."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None


def ratio(one: float | None, other: float | None) -> float | None:
    """How many times the other, None where it cannot be said."""
    return one / other if one is not None and other else None

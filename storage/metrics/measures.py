"""What a worker or the scheduler has counted, to be written in the transaction of the work that it counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import LiteralString

from storage.database import Connection
from storage.jsonb import dumps
from storage.metrics.families import Counter, Histogram
from storage.metrics.parts import SUM, WHOLE, count_buckets

_WRITE: LiteralString = """
INSERT INTO metric_counts (metric, labels, part, value)
SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(metric text, labels text[], part text, value numeric)
"""


class Measures:
    """Counts of one transaction. A transaction that is rolled back counts nothing; each try has its own."""

    def __init__(self) -> None:
        self._values: defaultdict[tuple[str, tuple[str, ...], str], Decimal] = defaultdict(Decimal)

    def count(self, metric: Counter, *labels: str, by: int = 1) -> None:
        """Add to a counter. `labels`: the values of its labels, in their order."""
        self._add(metric, labels, WHOLE, Decimal(by))

    def observe(self, metric: Histogram, seconds: float, *labels: str) -> None:
        """Add one value to a histogram; a negative one counts as 0."""
        self.observe_all(metric, [seconds], *labels)

    def observe_all(self, metric: Histogram, seconds: Sequence[float], *labels: str) -> None:
        """The same for several values with the same labels."""
        values = [max(0.0, value) for value in seconds]
        for part, number in count_buckets(metric, values).items():
            self._add(metric, labels, part, Decimal(number))
        self._add(metric, labels, SUM, Decimal(f"{sum(values):.6f}"))

    def _add(self, metric: Counter | Histogram, labels: tuple[str, ...], part: str, value: Decimal) -> None:
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not the values {labels}")
        self._values[metric.name, labels, part] += value

    def add(self, other: Measures) -> None:
        """Add all counts of another one."""
        for key, value in other._values.items():
            self._values[key] += value

    def clear(self) -> None:
        """Forget all counts: they are written."""
        self._values.clear()

    def write(self, conn: Connection) -> None:
        """Store it, in one statement; nothing to store costs none."""
        if self._values:
            rows = [
                {"metric": metric, "labels": labels, "part": part, "value": str(value)}
                for (metric, labels, part), value in self._values.items()
            ]
            conn.execute(_WRITE, {"rows": dumps(rows)})

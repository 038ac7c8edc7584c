"""The kept values of all counters and histograms: read from a table whose size depends on their number alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import LiteralString

from storage.database import Connection
from storage.merging import merge, merge_sql

_MERGE = merge_sql("metric_counts", "metric, labels, part", "value")
_READ: LiteralString = "SELECT metric, labels, part, sum(value) FROM metric_counts GROUP BY 1, 2, 3"

Parts = Mapping[str, Decimal]
Kept = Mapping[str, Mapping[tuple[str, ...], Parts]]
"""By metric, by the values of its labels: each part and its value. Buckets are apart from each other, not added up."""


def merge_metrics(conn: Connection) -> int:
    """Merge the newest changes, a limited number at a time; returns how many."""
    return merge(conn, _MERGE)


def read_metrics(conn: Connection) -> Kept:
    """All values. They are decimals, and so exact: a sum of floats depends on the order, and a counter that seems to
    shrink by a rounding error is a restart to Prometheus."""
    found: defaultdict[str, defaultdict[tuple[str, ...], dict[str, Decimal]]] = defaultdict(lambda: defaultdict(dict))
    for metric, labels, part, value in conn.execute(_READ):
        found[metric][tuple(labels)][part] = value
    return found

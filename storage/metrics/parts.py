"""The parts of a metric in `metric_counts`, each a row: a counter has one, a histogram its sum and its buckets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from typing import LiteralString

from storage.metrics.families import Histogram

WHOLE: LiteralString = ""
"""The only part of a counter."""
SUM: LiteralString = "sum"
MORE: LiteralString = "+Inf"
"""The bucket above the highest bound."""


@cache
def bounds_of(metric: Histogram) -> tuple[list[float], list[str]]:
    """The bounds of its buckets, and the part for the values up to each of them, and above the last."""
    texts = metric.bounds.split(",")
    return [float(text) for text in texts], [*texts, MORE]


def count_buckets(metric: Histogram, seconds: Iterable[float]) -> dict[str, int]:
    """How many of these values each part counts. It is named for the lowest bound that is not below a value, and each
    value is in one bucket."""
    bounds, parts = bounds_of(metric)
    counts: dict[str, int] = {}
    for value in seconds:
        part = parts[bisect_left(bounds, value)]
        counts[part] = counts.get(part, 0) + 1
    return counts


def bucket_sql(metric: Histogram, seconds: LiteralString) -> LiteralString:
    """The same as an SQL expression."""
    return f"""coalesce((SELECT min(b) FROM unnest('{{{metric.bounds}}}'::float8[]) b
        WHERE b >= {seconds})::text, '{MORE}')"""  # noqa: S608 - put together from constants

"""The parts of a metric in `metric_counts`, each a row: a counter has one, a histogram its sum and its buckets."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import LiteralString

from storage.metrics.families import Histogram

WHOLE: LiteralString = ""
"""The only part of a counter."""
SUM: LiteralString = "sum"
MORE: LiteralString = "+Inf"
"""The bucket above the highest bound."""


@cache
def _bounds(metric: Histogram) -> tuple[list[float], list[str]]:
    texts = metric.bounds.split(",")
    return [float(text) for text in texts], [*texts, MORE]


def bucket_of(metric: Histogram, seconds: float) -> str:
    """The part that counts a value, named for the lowest bound that is not below it. Each value is in one bucket."""
    bounds, parts = _bounds(metric)
    return parts[bisect_left(bounds, seconds)]


def bucket_sql(metric: Histogram, seconds: LiteralString) -> LiteralString:
    """The same as an SQL expression."""
    return f"""coalesce((SELECT min(b) FROM unnest('{{{metric.bounds}}}'::float8[]) b
        WHERE b >= {seconds})::text, '{MORE}')"""  # noqa: S608 - put together from constants

"""Counters and histograms as Prometheus's families, from their kept values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from storage.metrics.families import FAMILIES, Counter, Histogram
from storage.metrics.kept import Kept, Parts
from storage.metrics.parts import MORE, SUM, WHOLE

Series = Mapping[tuple[str, ...], Parts]
"""By the values of the labels."""


class KeptFamilies(Collector):
    """All counters and histograms of one reading."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def collect(self) -> Iterable[Metric]:
        for metric in FAMILIES:
            series = self._kept.get(metric.name, {})
            # A release that has other labels leaves its rows behind.
            of_now = {labels: parts for labels, parts in series.items() if len(labels) == len(metric.labels)}
            yield _counter(metric, of_now) if isinstance(metric, Counter) else _histogram(metric, of_now)


def _counter(metric: Counter, series: Series) -> Metric:
    family = CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
    for labels, parts in sorted(series.items()):
        family.add_metric(labels, float(parts.get(WHOLE, 0)))
    return family


def _histogram(metric: Histogram, series: Series) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, parts in sorted(series.items()):
        family.add_metric(labels, _added_up(metric, parts), float(parts.get(SUM, 0)))
    return family


def _added_up(metric: Histogram, parts: Parts) -> list[tuple[str, float]]:
    """Prometheus's buckets: each counts what is in the lower ones, too. Buckets of another release count in the next
    higher bound of this one."""
    bounds = [*metric.bounds.split(","), MORE]
    counts = dict.fromkeys(bounds, Decimal(0))
    for part, value in parts.items():
        if part != SUM:
            counts[next(bound for bound in bounds if float(part) <= float(bound))] += value
    total = Decimal(0)
    buckets = []
    for bound in bounds:
        total += counts[bound]
        buckets.append((bound, float(total)))
    return buckets

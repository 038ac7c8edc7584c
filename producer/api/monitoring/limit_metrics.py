"""The limits of accounts as Prometheus's families."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storage.reporting.account_limits import AccountLimits


class LimitFamilies(Collector):
    """The limits of one reading."""

    def __init__(self, limits: AccountLimits) -> None:
        self._limits = limits

    def collect(self) -> Iterable[Metric]:
        configured = GaugeMetricFamily(
            "reelq_account_slots_configured",
            "Jobs that may run at once by the configuration; model empty: the whole account.",
            labels=["account", "model"],
        )
        for names, slots in sorted(self._limits.configured.items()):
            configured.add_metric(names, slots)
        yield configured
        learnt = GaugeMetricFamily(
            "reelq_account_slots_learnt",
            "Jobs that the gateway allows at once, where it has refused more.",
            labels=["account", "model"],
        )
        for names, slots in sorted(self._limits.learnt.items()):
            learnt.add_metric(names, slots)
        yield learnt

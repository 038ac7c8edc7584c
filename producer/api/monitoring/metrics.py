"""`/metrics` for Prometheus. Every number is read from the database, so every API process shows the whole system."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from producer.api.monitoring.kept_metrics import KeptFamilies
from producer.api.monitoring.limit_metrics import LimitFamilies
from storage.database import Database, DatabaseUnavailable
from storage.metrics.kept import read_metrics
from storage.reporting.account_limits import account_limits
from storage.reporting.gauges import Gauges, read_gauges
from storage.settings import Settings
from storage.webhooks.messages import MessageState

FRESH_S = 5.0
"""Counting a million rows takes a moment; within this time all requests get the same reading."""


class _Families(Collector):
    """One reading as Prometheus's families."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        yield from self._job_families()
        yield from self._account_families()
        yield from self._webhook_families()
        instances = GaugeMetricFamily(
            "reelq_instances", "Processes seen within the last 30 s.", labels=["component", "version"]
        )
        for (component, version), number in self._gauges.instances.items():
            instances.add_metric([component, version], number)
        yield instances
        seen = GaugeMetricFamily(
            "reelq_component_unseen_seconds", "Time since the part last reported that it works.", labels=["component"]
        )
        for component, seconds in self._gauges.unseen_s.items():
            seen.add_metric([component], seconds)
        yield seen

    def _job_families(self) -> Iterator[Metric]:
        gauges = self._gauges
        jobs = GaugeMetricFamily("reelq_jobs", "Jobs by state.", labels=["state"])
        for state, number in gauges.jobs.items():
            jobs.add_metric([state], number)
        yield jobs
        waiting = GaugeMetricFamily(
            "reelq_jobs_waiting", "Live jobs by state and by the reason they wait.", labels=["state", "reason"]
        )
        for (state, reason), number in gauges.waiting.items():
            waiting.add_metric([state, reason], number)
        yield waiting
        late = GaugeMetricFamily(
            "reelq_job_lateness_seconds", "How long the most overdue job has been due.", labels=["state"]
        )
        for state, seconds in gauges.late_s.items():
            late.add_metric([state], seconds)
        yield late
        expiring = GaugeMetricFamily(
            "reelq_videos_expiring",
            "Videos not copied yet, by the percentage of their life at the last alarm.",
            labels=["percent"],
        )
        for level, number in gauges.expiring.items():
            expiring.add_metric([str(level)], number)
        yield expiring
        life = GaugeMetricFamily("reelq_video_life_left_seconds", "Time until the first video URL expires.")
        if gauges.least_life_s is not None:
            life.add_metric([], gauges.least_life_s)
        yield life
        held = GaugeMetricFamily(
            "reelq_jobs_held", "Jobs held for a decision, by the time since their POST.", labels=["age"]
        )
        for age, number in gauges.held.items():
            held.add_metric([age], number)
        yield held

    def _account_families(self) -> Iterator[Metric]:
        slots = GaugeMetricFamily("reelq_account_in_flight", "Slots in use.", labels=["account"])
        for account, number in self._gauges.in_flight.items():
            slots.add_metric([account], number)
        yield slots
        paused = GaugeMetricFamily(
            "reelq_account_paused",
            "1 while an account, or one model of it, takes no jobs or only a few to try it.",
            labels=["account", "model", "why"],
        )
        for (account, model, why), number in self._gauges.paused.items():
            paused.add_metric([account, model, why], number)
        yield paused
        charges = GaugeMetricFamily(
            "reelq_double_charges", "Attempts accepted beside the one that their job uses.", labels=["account"]
        )
        for account, number in self._gauges.double_charges.items():
            charges.add_metric([account], number)
        yield charges

    def _webhook_families(self) -> Iterator[Metric]:
        messages = GaugeMetricFamily("reelq_webhook_messages", "Stored webhook messages by state.", labels=["state"])
        for state in MessageState:
            messages.add_metric([state], self._gauges.webhooks.get(state, 0))
        yield messages
        yield GaugeMetricFamily(
            "reelq_webhook_oldest_seconds",
            "Age of the oldest pending message; 0 if there is none.",
            value=self._gauges.webhook_age_s or 0.0,
        )


class Metrics:
    """Reads at most every few seconds, however many requests come."""

    def __init__(self, database: Database, settings: Callable[[], Settings]) -> None:
        self._database = database
        self._settings = settings
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._text = b""

    def text(self) -> bytes:
        """The exposition.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        with self._lock:
            if time.monotonic() - self._read_at > FRESH_S:
                settings = self._settings()
                registry = CollectorRegistry()
                with self._database.begin() as conn:
                    registry.register(_Families(read_gauges(conn, settings.unconfirmed_grace_seconds)))
                    registry.register(LimitFamilies(account_limits(conn, settings)))
                    registry.register(KeptFamilies(read_metrics(conn)))
                self._text = generate_latest(registry)
                self._read_at = time.monotonic()
            return self._text


def metrics_routes(database: Database, settings: Callable[[], Settings]) -> APIRouter:
    """The route `GET /metrics`; 503 while the database does not answer. `settings`: as they are at each call."""
    router = APIRouter()
    metrics = Metrics(database, settings)

    @router.get("/metrics", include_in_schema=False)
    async def read() -> Response:
        try:
            text = await asyncio.to_thread(metrics.text)
        except DatabaseUnavailable as exc:
            return PlainTextResponse(f"{exc}\n", 503)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router

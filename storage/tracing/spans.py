"""Spans for OpenTelemetry, if it is installed (`reelq[otel]`) and an exporter is configured; else they cost nothing.

A span belongs to one job, although messages carry many: its parent is the job's stored `traceparent`, so one trace
shows a job from its enqueue to its webhook. Spans have ids, names and codes; no prompt, no URL, no key.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, Self

log = logging.getLogger("reelq.tracing")

EXPORTERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""The variables of OpenTelemetry that turn it on; all others of it apply, too."""


class Span(Protocol):
    """What a piece of work says of itself while it is done."""

    def note(self, **facts: str | int | float | None) -> None:
        """Add facts."""

    def fail(self, code: str) -> None:
        """It failed, with this code."""

    @property
    def traceparent(self) -> str | None:
        """What names it as a parent."""


class _Silent:
    """Nothing is recorded; the parent stays the parent."""

    def __init__(self, parent: str | None) -> None:
        self.traceparent = parent

    def note(self, **facts: str | int | float | None) -> None:
        return

    def fail(self, code: str) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return


class _Recorded:
    """A span of OpenTelemetry."""

    def __init__(self, span: Any) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def note(self, **facts: str | int | float | None) -> None:
        self._span.set_attributes({f"reelq.{name}": value for name, value in facts.items() if value is not None})

    def fail(self, code: str) -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_status(StatusCode.ERROR, code)


_tracer: Any = None


def set_up_tracing(part: str, environ: Mapping[str, str] = os.environ) -> None:
    """Export the spans of this process from now on, if the environment names an exporter. `part`: the service's name
    behind `reelq-`, unless `OTEL_SERVICE_NAME` is set."""
    if not any(environ.get(name) for name in EXPORTERS) or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning("tracing.not_installed: OpenTelemetry is configured but not installed; pip install 'reelq[otel]'")
        return
    record_with(BatchSpanProcessor(OTLPSpanExporter()), environ.get("OTEL_SERVICE_NAME") or f"reelq-{part}")


def record_with(processor: Any, service: str) -> None:
    """Give all later spans to this processor of OpenTelemetry's SDK, which is closed when the process ends."""
    global _tracer
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    atexit.register(provider.shutdown)
    _tracer = provider.get_tracer("reelq")


def stop_recording() -> None:
    """Record no more spans."""
    global _tracer
    _tracer = None


def is_recording() -> bool:
    """Whether spans are recorded."""
    return _tracer is not None


def span(name: str, parent: str | None, **facts: str | int | float | None) -> AbstractContextManager[Span]:
    """Record what is done within. `parent`: a `traceparent`; None: a trace of its own."""
    return _Silent(parent) if _tracer is None else _recorded(name, parent, facts)


@contextmanager
def _recorded(name: str, parent: str | None, facts: Mapping[str, str | int | float | None]) -> Iterator[Span]:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {} if parent is None else {"traceparent": parent}
    context = TraceContextTextMapPropagator().extract(carrier)
    with _tracer.start_as_current_span(
        f"reelq.{name}", context, record_exception=False, set_status_on_exception=False
    ) as started:
        recorded = _Recorded(started)
        recorded.note(**facts)
        yield recorded

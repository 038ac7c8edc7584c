"""Errors to Sentry, if it is installed (`reelq[sentry]`) and `SENTRY_DSN` is set.

An event has the line that was logged, the exception's types and places in the code, and ids. It has no local variables,
no request, no breadcrumbs, no arguments, no environment: a prompt, a key or a signed URL could be in each of them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from storage.heartbeats import own_version
from storage.logs.privacy import clean

log = logging.getLogger("reelq.sentry")

_EXCEPTION = ("type", "module", "value", "stacktrace", "mechanism")
_FRAME = ("filename", "abs_path", "function", "module", "lineno", "in_app")


def set_up_sentry(part: str, environ: Mapping[str, str] = os.environ, transport: Any = None) -> None:
    """Send errors that are logged and exceptions that end a thread from now on. `part` is their tag; `transport`: None
    sends over the network."""
    dsn = environ.get("SENTRY_DSN")
    if not dsn:
        return
    try:
        import sentry_sdk
        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration
        from sentry_sdk.integrations.threading import ThreadingIntegration
    except ImportError:
        log.warning("sentry.not_installed: SENTRY_DSN is set, but Sentry's SDK is missing; pip install 'reelq[sentry]'")
        return
    sentry_sdk.init(
        dsn=dsn,
        transport=transport,
        release=f"reelq@{own_version()}",
        environment=environ.get("SENTRY_ENVIRONMENT"),
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
            AtexitIntegration(callback=lambda *_: None),
        ],
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=lambda event, _hint: scrubbed(event),
    )
    sentry_sdk.set_tag("part", part)


def scrubbed(event: Any) -> Any:
    """What may leave of an event: a closed list of its fields, each text cleaned as a log line is."""
    kept = (
        "event_id",
        "timestamp",
        "level",
        "logger",
        "platform",
        "release",
        "environment",
        "tags",
        "server_name",
        "sdk",
    )
    found: dict[str, Any] = {name: event[name] for name in kept if name in event}
    entry = event.get("logentry")
    if entry:
        # The arguments are in the text already; the form of the line groups events.
        text = str(entry.get("formatted") or entry.get("message", ""))
        found["logentry"] = {"message": clean(text)[:1000]}
        found["fingerprint"] = ["{{ default }}", clean(str(entry.get("message", "")))[:200]]
    values = (event.get("exception") or {}).get("values") or ()
    if values:
        found["exception"] = {"values": [_exception(value) for value in values]}
    return found


def _exception(value: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value[name] for name in _EXCEPTION if name in value}
    if "value" in kept:
        kept["value"] = clean(str(kept["value"]))[:1000]
    if kept.get("stacktrace"):
        frames = kept["stacktrace"].get("frames") or ()
        kept["stacktrace"] = {"frames": [{name: frame[name] for name in _FRAME if name in frame} for frame in frames]}
    return kept

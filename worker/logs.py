"""Logging and tracing of the worker and scheduler processes, in the same form as that of the API: see docs/logs.md."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals

from storage.logs.sentry import set_up_sentry
from storage.logs.setup import set_up_logging
from storage.settings import load_settings
from storage.tracing.spans import set_up_tracing


@signals.celeryd_init.connect
def begin(**_: Any) -> None:
    """Log in our form from here on: a worker warns of its user's privileges before Celery asks for logging."""
    settings = load_settings()
    set_up_logging(settings.log_format, settings.log_level)


@signals.setup_logging.connect
def configure(loglevel: int | str = logging.INFO, **_: Any) -> None:
    """Set up logging once; connecting to this signal also keeps Celery from doing it its own way."""
    settings = load_settings()
    set_up_logging(settings.log_format, settings.log_level or loglevel)
    set_up_tracing("worker")
    set_up_sentry("worker")

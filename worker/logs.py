"""Logging of the worker and scheduler processes: events with fields on stderr, one line each."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals

# These log for every message what `job.moved` logs for every job.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "kombu", "aiohttp.access")


@signals.setup_logging.connect
def configure(loglevel: int | str = logging.INFO, **_: Any) -> None:
    """Set up logging once; connecting to this signal also keeps Celery from doing it its own way."""
    logging.basicConfig(level=loglevel, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)

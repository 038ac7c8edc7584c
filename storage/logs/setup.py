"""Set up a process's logging, once, when it starts: every library's lines take the same form, on stderr."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Literal

from storage.logs.formats import ConsoleLines, JsonLines

# These log for every message or request what our own lines say for every job.
CHATTY = (
    *("celery.worker.strategy", "celery.app.trace", "celery.beat", "kombu", "aiohttp.access", "tornado.access"),
    *("uvicorn.access", "botocore", "boto3", "urllib3", "s3transfer", "mcp", "httpx", "httpcore"),
)


def set_up_logging(log_format: Literal["console", "json"], level: int | str | None) -> None:
    """Log to stderr from now on, in this form. `level`: the lowest that is logged; None: INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else ConsoleLines())
    logging.basicConfig(level=level or logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    warnings.formatwarning = _on_one_line
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Each failed attempt to connect; what asked for the connection says so.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def _on_one_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning as one line; Celery's about root has six."""
    return f"{category.__name__}: {' '.join(str(message).split())} ({filename}:{lineno})"

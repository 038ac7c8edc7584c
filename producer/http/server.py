"""How the API is served: uvicorn, with limits on connections."""

from __future__ import annotations

import resource
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from producer.http.connections import MAX_CONCURRENT, MAX_HEAD_BYTES, BoundedConnection

_FILES = 16_384


def server_config(app: ASGIApp, host: str, port: int, **more: Any) -> uvicorn.Config:
    """The configuration of a server; `more` is uvicorn's own."""
    settings: dict[str, Any] = {
        "http": BoundedConnection,
        "ws": "none",
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
        "limit_concurrency": MAX_CONCURRENT,
        "access_log": False,  # `producer.http.layers.access_log` has more to say
        "log_config": None,
        "proxy_headers": False,  # `trusted_proxies` says whose are believed
        # Streams of events do not end; without a limit they would delay every stop.
        "timeout_graceful_shutdown": 3,
    }
    return uvicorn.Config(app, host=host, port=port, **(settings | more))


def allow_many_files() -> None:
    """Raise this process's limit of open files: the usual 1,024 connections are soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

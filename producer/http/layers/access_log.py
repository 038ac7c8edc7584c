"""The access log: one line for each request, when its answer has been sent.

It names the route, not the path: a path may hold the token of a callback or of a shared page, and a query anything.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.types import Scope

from storage.logs.context import about

log = logging.getLogger("reelq.access")

_QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/static"})
"""Routes that machines ask every few seconds, and files of the page: logged at DEBUG."""
_NO_ROUTE = "-"


def log_request(scope: Scope, status: int | None, took_s: float, size: int) -> None:
    """Log a request. `status` None: the client left before the answer began. `size`: bytes of the answer's body."""
    route = _route_of(scope)
    quiet = route in _QUIET and (status or 0) < 500
    level = logging.DEBUG if quiet else logging.WARNING if (status or 0) >= 500 else logging.INFO
    if not log.isEnabledFor(level):
        return
    known: dict[str, Any] = {}
    principal = scope.get("state", {}).get("principal")
    if principal is not None:
        known = {"tenant": principal.tenant, "key_id": principal.key_id}
    for name in ("job_id", "campaign"):
        if (value := scope.get("path_params", {}).get(name)) is not None:
            known[name] = str(value)[:200]
    log.log(
        level,
        "api.request method=%s route=%s status=%s ms=%.1f bytes=%d peer=%s",
        *(scope["method"], route, status, took_s * 1000, size, (scope.get("client") or (None,))[0]),
        extra=about(known),
    )


def _route_of(scope: Scope) -> str:
    """The route's template, such as `/v1/jobs/{job_id}`; `-` if no route has the path, or the request was refused
    before its route was looked for."""
    route = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    if isinstance(path, str):
        return path
    first = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
    return f"/{first}" if f"/{first}" in _QUIET else _NO_ROUTE

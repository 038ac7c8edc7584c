"""The trace that a request belongs to, as its caller names it in `traceparent`.

Source: https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import re
from contextvars import ContextVar

HEADER = "traceparent"
_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str | None] = ContextVar("reelq_traceparent", default=None)


def begin_trace(given: str | None) -> None:
    """Take the trace of the request that begins in this context; one that is not well-formed is none."""
    _current.set(given if given is not None and _FORM.fullmatch(given) else None)


def current_traceparent() -> str | None:
    """The trace of the request that is being answered; None: it has none, or there is no request."""
    return _current.get()

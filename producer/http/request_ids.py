"""The id of a request: the client's `X-Request-Id` if it is well-formed, else a new one. It is on the answer and in the
log of everything that the request does."""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from uuid import uuid4

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")
_LOGGERS = ("reelq.api", "reelq.jobs")
_current: ContextVar[str | None] = ContextVar("reelq_request_id", default=None)


def begin_request(given: str | None) -> str:
    """Take or make the id of the request that begins in this context."""
    request_id = given if given is not None and _WELL_FORMED.fullmatch(given) else uuid4().hex
    _current.set(request_id)
    return request_id


def current_request_id() -> str | None:
    """The id of the request that is being answered, None outside of one."""
    return _current.get()


class _AddRequestId(logging.Filter):
    """Adds the id to a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        request_id = _current.get()
        if request_id is not None and "request_id=" not in str(record.msg):
            record.msg = f"{record.msg} request_id={request_id}"
        return True


def log_request_ids() -> None:
    """Add the id to every record that the API's loggers write during a request. Calling it again does nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(item, _AddRequestId) for item in logger.filters):
            logger.addFilter(_AddRequestId())

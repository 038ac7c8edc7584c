"""The id of a request: the client's `X-Request-Id` if it is well-formed, else a new one. It is on the answer and in the
log of everything that the request does."""

from __future__ import annotations

import re
from uuid import uuid4

from storage.logs.context import bind, fields_now

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}")


def begin_request(given: str | None) -> str:
    """Take or make the id of the request that begins in this context."""
    request_id = given if given is not None and _WELL_FORMED.fullmatch(given) else uuid4().hex
    bind(request_id=request_id)
    return request_id


def current_request_id() -> str | None:
    """The id of the request that is being answered, None outside of one."""
    found: str | None = fields_now().get("request_id")
    return found

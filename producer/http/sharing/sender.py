"""Whose request is being answered: places and threads are shared between tenants, and counted for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OURSELVES = ""
"""The server's own work, and requests before their key is known."""
_sender: ContextVar[str] = ContextVar("reelq_sender", default=OURSELVES)


def current_sender() -> str:
    """The tenant whose request this is; `OURSELVES`: no tenant's."""
    return _sender.get()


@contextmanager
def sent_by(tenant: str) -> Iterator[None]:
    """Count what is used within for a tenant. Threads and tasks that are started within inherit it."""
    token = _sender.set(tenant)
    try:
        yield
    finally:
        _sender.reset(token)

"""Run code that blocks as a part of an asyncio task: where it would wait, the task does.

Functions that store jobs are written once, for connections that block. A greenlet gives control back to the task
whenever a statement is sent, so the same functions work on a connection of asyncio. No thread takes part: threads are
limited, and one that waits for a lock could keep the transaction that holds it from going on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

from storage.callers.statements import Await

T = TypeVar("T")


async def run_bridged(work: Callable[[Await], T]) -> T:
    """The result of `work`, which waits for coroutines with the function that it gets.

    An error of a coroutine, and a cancellation of the task, are raised in `work` where it waits.
    """
    task = getcurrent()

    def wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return task.switch(coroutine)

    inner = greenlet(work, task)
    inner.gr_context = copy_context()
    found = inner.switch(wait)
    while not inner.dead:
        try:
            answer = await found
        except BaseException as exc:  # noqa: BLE001 - raised where it belongs
            found = inner.throw(exc)
        else:
            found = inner.switch(answer)
    return cast(T, found)

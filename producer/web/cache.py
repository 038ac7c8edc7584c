"""A cache of expensive queries, so that many viewers cost no more than one.

The lifetime of an entry is proportional to the time of its query: counting a million jobs takes a tenth of a second,
and runs every two seconds at most, however many viewers there are.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from storage.database import Connection

T = TypeVar("T")

SHARE = 20.0
"""An entry lives this many times as long as its query took, so that queries take at most a twentieth of the time."""
LEAST_S = 0.2
WAIT_S = 1.0
"""How long a page waits for a fresh entry before it uses an old one."""
_MOST = 512


@dataclass
class _Answer:
    task: asyncio.Task[Any] | None = None
    value: Any = None
    known: bool = False
    good_until: float = 0.0


class AnswerCache:
    """The entries of one process, by key."""

    def __init__(self, ask: Callable[[Callable[[Connection], Any]], Awaitable[Any]]) -> None:
        self._ask = ask
        self._answers: OrderedDict[Hashable, _Answer] = OrderedDict()

    async def get(self, key: Hashable, question: Callable[[Connection], T]) -> T | None:
        """The answer, at most a little old; None if there is none yet and the query takes longer than a page may wait.

        Raises:
            DatabaseUnavailable, ApiProblem: as the query does.
        """
        answer = self._answers.setdefault(key, _Answer())
        self._answers.move_to_end(key)
        if len(self._answers) > _MOST:
            self._answers.popitem(last=False)
        now = asyncio.get_running_loop().time()
        if answer.known and now < answer.good_until:
            return cast(T, answer.value)
        if answer.task is None or answer.task.done():
            answer.task = asyncio.create_task(self._refresh(answer, question))
            answer.task.add_done_callback(_seen)
        done, _ = await asyncio.wait({answer.task}, timeout=WAIT_S)
        if done:
            answer.task.result()
        return cast(T, answer.value) if answer.known else None

    async def close(self) -> None:
        """Stop running queries."""
        running = [item.task for item in self._answers.values() if item.task is not None and not item.task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _refresh(self, answer: _Answer, question: Callable[[Connection], Any]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        answer.value = await self._ask(question)
        answer.known = True
        ended = loop.time()
        answer.good_until = ended + max(LEAST_S, (ended - begun) * SHARE)


def _seen(task: asyncio.Task[Any]) -> None:
    """Mark a failure as seen: requests that waited got it, and later ones do not need it."""
    if not task.cancelled():
        task.exception()

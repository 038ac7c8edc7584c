"""The page's cache: one query for many viewers, and an old answer while a new one takes long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from producer.web import cache
from producer.web.cache import AnswerCache


class Database:
    """Counts queries, and answers when its gate is open."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def ask(self, question: Callable[[Any], Any]) -> Any:
        self.asked += 1
        await self.gate.wait()
        if self.broken:
            raise ConnectionError("no database")
        return question(None)


def test_concurrent_viewers_cost_one_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LEAST_S", 60.0)

    async def look() -> None:
        database = Database()
        answers = AnswerCache(database.ask)
        found = await asyncio.gather(*(answers.get("counts", lambda _: 7) for _ in range(20)))
        assert found == [7] * 20
        assert await answers.get("counts", lambda _: 8) == 7
        assert await answers.get("rate", lambda _: 9) == 9
        assert database.asked == 2

    asyncio.run(look())


def test_a_slow_query_does_not_delay_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WAIT_S", 0.01)
    monkeypatch.setattr(cache, "LEAST_S", 0.0)

    async def look() -> None:
        database = Database()
        answers = AnswerCache(database.ask)
        database.gate.clear()
        assert await answers.get("counts", lambda _: 7) is None
        assert await answers.get("counts", lambda _: 7) is None
        assert database.asked == 1
        database.gate.set()
        monkeypatch.setattr(cache, "WAIT_S", 30.0)
        assert await answers.get("counts", lambda _: 7) == 7
        monkeypatch.setattr(cache, "WAIT_S", 0.01)
        database.gate.clear()
        for entry in answers._answers.values():
            entry.good_until = 0.0
        assert await answers.get("counts", lambda _: 8) == 7
        await answers.close()

    asyncio.run(look())


def test_a_failed_query_raises_and_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look() -> None:
        database = Database()
        answers = AnswerCache(database.ask)
        database.broken = True
        with pytest.raises(ConnectionError):
            await answers.get("counts", lambda _: 7)
        database.broken = False
        assert await answers.get("counts", lambda _: 7) == 7

    asyncio.run(look())


def test_the_cache_has_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST", 3)

    async def look() -> None:
        answers = AnswerCache(Database().ask)
        for number in range(10):
            await answers.get(number, lambda _: 1)
        assert list(answers._answers) == [7, 8, 9]

    asyncio.run(look())

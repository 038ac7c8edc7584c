"""Places and threads that tenants share: one tenant alone never takes all of them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from producer.http.problems import ApiProblem
from producer.http.sharing.fair_threads import FairThreads
from producer.http.sharing.places import Places
from producer.http.sharing.request_rates import LEAST_BURST, RequestRates
from producer.http.sharing.sender import current_sender, sent_by
from tests.waiting import PATIENCE_S, wait_for


def fill(places: Places, tenant: str) -> int:
    """Take as many places as a tenant gets."""
    taken = 0
    with sent_by(tenant):
        while places.has_room(tenant):
            places.take()
            taken += 1
    return taken


def refusal(places: Places, tenant: str) -> ApiProblem:
    with sent_by(tenant), pytest.raises(ApiProblem) as caught:
        places.take()
    return caught.value


def test_a_tenant_alone_gets_half_and_the_next_one_finds_a_place() -> None:
    places = Places(16, "too many uploads at once")
    assert fill(places, "a") == 8
    assert fill(places, "b") == 4
    assert [fill(places, name) for name in "cdef"] == [2, 1, 1, 0], "all are taken only by many tenants together"
    assert places.taken == 16


def test_the_refusal_says_whose_requests_are_too_many() -> None:
    places = Places(2, "too many uploads at once", 5.0)
    fill(places, "a")
    own = refusal(places, "a")
    assert (own.status, own.code, own.headers["Retry-After"]) == (429, "tenant_busy", "5")
    assert "too many uploads at once by your tenant" in own.detail
    fill(places, "b")
    assert (refusal(places, "c").status, refusal(places, "c").code) == (503, "busy")


def test_a_place_is_free_again_after_an_error() -> None:
    places = Places(2, "too many")
    for _ in range(3):
        with sent_by("a"), pytest.raises(RuntimeError), places.hold():
            raise RuntimeError
    assert places.taken == 0
    assert places.has_room("a")


def test_threads_that_one_tenant_blocks_do_not_delay_another() -> None:
    """Seen: eight slow queries of one tenant kept every request of the others waiting."""
    release, begun = threading.Event(), []

    def slow() -> None:
        begun.append(1)
        release.wait(PATIENCE_S)

    async def play() -> None:
        threads = FairThreads(4, 64, "too many requests at once", name="test")
        with sent_by("a"):
            blocked = [asyncio.create_task(threads.run(slow)) for _ in range(30)]
        await asyncio.to_thread(wait_for, "the first two run", lambda: len(begun) == 2)
        with sent_by("b"):
            assert await threads.run(current_sender) == "b"
        with sent_by("a"), pytest.raises(ApiProblem) as caught:  # the queue has room for others only
            await asyncio.gather(*(threads.run(slow) for _ in range(30)))
        assert caught.value.status == 429
        assert len(begun) == 2
        release.set()
        await asyncio.gather(*blocked)
        threads.shutdown()

    asyncio.run(play())


def test_tenants_with_waiting_work_take_turns() -> None:
    order: list[str] = []

    async def play() -> None:
        threads = FairThreads(1, 64, "too many", name="test")
        works = []
        for tenant in "aaaabc":
            with sent_by(tenant):
                works.append(asyncio.create_task(threads.run(lambda: order.append(current_sender()))))
        await asyncio.gather(*works)
        threads.shutdown()

    asyncio.run(play())
    assert sorted(order[1:4]) == ["a", "b", "c"], order
    assert len(order) == 6


def test_work_of_clients_that_have_gone_is_not_begun_and_errors_reach_their_sender() -> None:
    release, ran = threading.Event(), []

    async def play() -> None:
        threads = FairThreads(1, 8, "too many", name="test")
        first = asyncio.create_task(threads.run(lambda: release.wait(PATIENCE_S)))
        gone = asyncio.create_task(threads.run(lambda: ran.append("gone")))
        failing = asyncio.create_task(threads.run(lambda: 1 // 0))
        await asyncio.sleep(0)
        gone.cancel()
        release.set()
        with pytest.raises(ZeroDivisionError):
            await failing
        assert await first
        assert await threads.run(lambda: "works") == "works"
        threads.shutdown()

    asyncio.run(play())
    assert ran == []


def test_requests_are_counted_for_each_tenant() -> None:
    now = [0.0]
    rates = RequestRates(60, lambda: now[0])
    for _ in range(int(LEAST_BURST)):
        rates.count("a")
    with pytest.raises(ApiProblem) as caught:
        rates.count("a")
    assert (caught.value.status, caught.value.code) == (429, "too_many_requests")
    assert caught.value.headers["Retry-After"] == "1"
    rates.count("b")
    now[0] += 2.0
    rates.count("a")
    rates.count("a")
    with pytest.raises(ApiProblem):
        rates.count("a")
    for _ in range(10_000):
        RequestRates(None).count("a")

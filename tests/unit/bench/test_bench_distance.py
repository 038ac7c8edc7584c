"""The proxy that is some milliseconds away, and the table of `make bench PART=distance`."""

from __future__ import annotations

import asyncio
import time

from bench.distance.delay import HOST, serve
from bench.distance.run import Waited, entries, report_of

ROUND_TRIP_S = 0.2
CONTENT = bytes(range(256)) * 8192


async def _ask(question: bytes) -> tuple[bytes, float]:
    """Send bytes through a proxy to a server that sends them back; returns the answer and the seconds to its end."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    far = await asyncio.start_server(echo, HOST, 0)
    port = far.sockets[0].getsockname()[1]
    near = await asyncio.start_server(lambda r, w: serve(port, ROUND_TRIP_S, r, w), HOST, 0)
    async with far, near:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(*near.sockets[0].getsockname())
        writer.write(question)
        writer.write_eof()
        answer = await reader.read(-1)
        took_s = time.monotonic() - began
        writer.close()
        await writer.wait_closed()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    return answer, took_s


def test_bytes_arrive_whole_and_not_before_two_round_trips() -> None:
    answer, took_s = asyncio.run(_ask(CONTENT))
    assert answer == CONTENT
    assert took_s >= 2 * ROUND_TRIP_S, "one round trip to connect, one to ask"


def test_the_end_of_a_connection_arrives_too() -> None:
    assert asyncio.run(_ask(b""))[0] == b""


def test_the_report_compares_reelq_without_posters_with_the_best_peer_that_counts() -> None:
    waited = {"reelq": 300.0, "reelq-np": 200.0, "bare": 50.0, "celery": 400.0, "dramatiq": 100.0}
    found = [Waited(entry, tuple([waited[entry.name]] * 100) if entry.name in waited else ()) for entry in entries()]
    report = report_of(found, [])
    rows = {str(row["contender"]): row for row in report.tables[0].rows}
    assert rows["reelq"]["p50 ms"] == 300.0
    assert rows["bare asyncio (nothing stored)"]["p50 ratio"] == 4.0
    assert rows["taskiq, one task per job"]["p99 ms"] is None
    assert [target.measured for target in report.targets] == [2.0, 2.0], "the floor stores nothing and does not count"

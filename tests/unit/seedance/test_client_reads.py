"""How the client reads the answers to polls: by itself, or with aiohttp where that reads more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from seedance.account import Account
from seedance.client import MAX_ANSWER_BYTES, GatewayClient
from seedance.errors import NotSent, Unavailable
from seedance.gateways.base import TaskReport, TaskStatus

RUNNING = b'{"code": "success", "data": {"task_id": "t", "status": "IN_PROGRESS"}}'
MANY_HEADERS = b"".join(b"X-Trace-%d: %s\r\n" % (number, b"a" * 1000) for number in range(40))


def answer(body: bytes = RUNNING, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (headers, len(body), body)


def asked(answers: Sequence[bytes], use: Callable[[GatewayClient], Awaitable[None]]) -> int:
    """Use a client of a server that gives these answers, one to each request; "" closes the connection. Returns how
    many requests there were."""
    left, requests = list(answers), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        try:
            while left and await _request(reader):
                requests += 1
                if not (data := left.pop(0)):
                    break
                writer.write(data)
                await writer.drain()
            writer.close()
        except (ConnectionError, asyncio.CancelledError):  # the client has gone
            writer.transport.abort()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        account = Account(name="main", gateway="anyfast", base_url=f"http://127.0.0.1:{port}", api_key="k")
        async with (
            server,
            GatewayClient(account, account.dialect, submit_timeout_s=5, query_timeout_s=5) as client,
        ):
            await use(client)

    asyncio.run(main())
    return requests


async def _request(reader: asyncio.StreamReader) -> bool:
    try:
        await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return True


async def is_running(client: GatewayClient) -> None:
    report = await client.query("t")
    assert isinstance(report, TaskReport)
    assert report.status is TaskStatus.RUNNING


async def twice(client: GatewayClient) -> None:
    await is_running(client)
    await is_running(client)


def test_polls_use_a_kept_connection() -> None:
    assert asked([answer(), answer()], twice) == 2


def test_a_connection_that_was_closed_meanwhile_does_not_fail_a_poll() -> None:
    assert asked([answer(), b"", answer()], twice) == 3


def test_an_answer_that_only_aiohttp_reads_is_read_and_the_next_one_at_once() -> None:
    answers = [answer(headers=MANY_HEADERS)] * 3
    assert asked(answers, twice) == 3, "the first was asked for twice, the second once"


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"SSH-2.0-OpenSSH\r\n\r\n"])
def test_what_is_no_answer_says_nothing_about_the_task(first: bytes) -> None:
    async def fails(client: GatewayClient) -> None:
        with pytest.raises(Unavailable):
            await client.query("t")

    asked([first, first], fails)


def test_an_answer_without_end_is_given_up() -> None:
    async def fails(client: GatewayClient) -> None:
        with pytest.raises(Unavailable, match="more than"):
            await client.query("t")

    asked([answer(b" " * (MAX_ANSWER_BYTES + 1))], fails)


def test_a_poll_that_nothing_listens_to_was_not_sent() -> None:
    async def fails(client: GatewayClient) -> None:
        with pytest.raises(NotSent):
            await client.query("t")

    async def main() -> None:
        account = Account(name="main", gateway="anyfast", base_url="http://127.0.0.1:9", api_key="k")
        async with GatewayClient(account, account.dialect, submit_timeout_s=5, query_timeout_s=5) as client:
            await fails(client)

    asyncio.run(main())


def found(link: str) -> TaskReport:
    """The report on the task `t/1` that has ended well, with this link; `BASE` in it is the account's base URL."""
    reports = []
    done = b'{"code": "success", "data": {"task_id": "t/1", "status": "SUCCESS", "result_url": "%s"}}' % link.encode()

    async def ask(client: GatewayClient) -> None:
        report = await client.query("t/1")
        base = client._base_url
        reports.append(
            replace(
                report,
                video_url=report.video_url and report.video_url.replace(base, "BASE"),
                content_url=report.content_url and report.content_url.replace(base, "BASE"),
            )
        )

    asked([answer(done)], ask)
    return reports[0]


@pytest.mark.parametrize(
    "host", ["localhost:3000", "127.0.0.1:3000", "10.0.0.5", "new-api:3000", "[::1]:3000", "www.example.com"]
)
def test_a_link_to_the_gateways_own_call_at_another_address_leads_to_the_base_url(host: str) -> None:
    """new-api writes the address that its operator has set, or left as it was, and wants the key at each."""
    report = found(f"http://{host}/v1/videos/t%2F1/content")
    assert (report.video_url, report.content_url) == ("BASE/v1/videos/t%2F1/content", None)


@pytest.mark.parametrize("path", ["/v1/videos/t%2f1/content", "/v1/x/../videos/t%2F1/%63ontent"])
def test_the_own_call_is_known_however_its_path_is_written(path: str) -> None:
    assert found(f"http://localhost:3000{path}").video_url == "BASE/v1/videos/t%2F1/content"


@pytest.mark.parametrize(
    "link",
    [
        "https://files.example.com/v1/videos/t%2F1/content?signature=x",
        "http://localhost:3000/v1/videos/another/content",
        "http://10.0.0.5/a.mp4",
        "http://[::1/v1/videos/t%2F1/content",
    ],
)
def test_other_links_stay_as_they_are(link: str) -> None:
    assert found(link).video_url == link


@pytest.mark.parametrize("link", ["", "data:video/mp4;base64,AAAA"])
def test_a_video_without_a_link_may_be_sent_by_the_gateways_own_call(link: str) -> None:
    report = found(link)
    assert (report.video_url, report.content_url) == (None, "BASE/v1/videos/t%2F1/content")

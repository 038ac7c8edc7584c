"""A URL from outside is fetched only from allowed addresses, in any spelling and after any redirect."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from seedance.network.urls import sendable
from tests.transfers import connections_closed
from tests.waiting import PATIENCE_S
from worker.transferring.fetch import DownloadFailed, Fetcher, UrlNotPublic, UrlRefused, next_hop
from worker.transferring.own_origin import OwnOrigin

OUTSIDE = "127.0.0.2"  # stands for the Internet: the only address that these tests call public


def judge(address: str) -> bool:
    return address == OUTSIDE


@dataclass
class Server:
    """A server on loopback: answers with a redirect or with its address. `asked`: the requests it received."""

    address: str = OUTSIDE
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        if (target := self.redirects.get(request.path)) is not None:
            return web.Response(status=302, headers={"Location": target})
        return web.Response(text=self.address)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, self.address, 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield f"http://{self.address}:{self.port}"
        finally:
            await runner.cleanup()
            await connections_closed()


@dataclass
class Names(AbstractResolver):
    """A resolver with fixed answers: each query for a name takes its next list of addresses; the last list stays."""

    answers: Mapping[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError(f"no such name: {host}")
        lists = self.answers[host]
        addresses = lists.pop(0) if len(lists) > 1 else lists[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self) -> None:
        pass


async def fetch(url: str, base_url: str | None = None, **options: Any) -> str:
    own = None if base_url is None else OwnOrigin(base_url, "sk-test-key")
    fetcher = Fetcher(**{"judge": judge} | options)
    try:
        response = await fetcher.get(url, own=own)
        try:
            return (await response.read(2**16)).decode()
        finally:
            response.close()
    finally:
        await fetcher.close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "[::ffff:127.0.0.1]",
        "[::]",
        "0.0.0.0",
        "①②⑦.⓪.⓪.①",
        "LOCALHOST",
    ],
)
def test_no_spelling_of_this_machine_is_fetched(host: str) -> None:
    async def run() -> None:
        server = Server("127.0.0.1")
        async with server.running():
            with pytest.raises(UrlNotPublic):
                await fetch(f"http://{host}:{server.port}/v.mp4", judge=lambda _: False)
            assert server.asked == []

    asyncio.run(run())


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "192.168.0.1", "[fd00:ec2::254]"])
def test_metadata_and_private_addresses_are_refused_before_any_packet_leaves(address: str) -> None:
    async def run() -> None:
        fetcher = Fetcher()
        try:
            with pytest.raises(UrlNotPublic, match="not a public address"):
                await asyncio.wait_for(fetcher.get(f"http://{address}/latest/meta-data"), PATIENCE_S)
        finally:
            await fetcher.close()

    asyncio.run(run())


def test_a_name_with_one_private_address_among_others_is_refused() -> None:
    async def run() -> None:
        server = Server()
        async with server.running():
            names = Names({"cdn.example": [[OUTSIDE, "10.0.0.1"]]})
            with pytest.raises(UrlNotPublic, match=r"cdn\.example leads to 10\.0\.0\.1"):
                await fetch(f"http://cdn.example:{server.port}/v.mp4", resolver=names)
            assert server.asked == []

    asyncio.run(run())


def test_a_name_that_changes_its_address_is_judged_by_the_address_in_use() -> None:
    async def run() -> None:
        inside, outside = Server("127.0.0.1"), Server()
        async with inside.running(), outside.running():
            names = Names({"rebind.example": [[OUTSIDE], ["127.0.0.1"]]})
            outside.redirects["/a"] = f"http://rebind.example:{inside.port}/secret"
            with pytest.raises(UrlNotPublic, match=r"rebind\.example leads to 127\.0\.0\.1"):
                await fetch(f"http://rebind.example:{outside.port}/a", resolver=names)
            assert outside.asked == ["/a"], "the first answer was public and was used"
            assert inside.asked == []
            assert names.asked == ["rebind.example"] * 2

    asyncio.run(run())


def test_the_address_of_the_socket_is_judged_too() -> None:
    """No private address is connected to, even if something after the resolver, such as a cache, replaces it."""

    async def run() -> None:
        inside = Server("127.0.0.1")
        async with inside.running():
            seen: list[str] = []

            def forgetful(address: str) -> bool:
                seen.append(address)
                return len(seen) == 1

            names = Names({"cdn.example": [["127.0.0.1"]]})
            with pytest.raises(UrlNotPublic):
                await fetch(f"http://cdn.example:{inside.port}/", resolver=names, judge=forgetful)
            assert seen == ["127.0.0.1"] * 2
            assert inside.asked == []

    asyncio.run(run())


def test_redirects_are_checked_like_the_first_url() -> None:
    async def run() -> None:
        inside, outside = Server("127.0.0.1"), Server()
        async with inside.running() as private, outside.running() as public:
            outside.redirects |= {
                "/relative": "there?sig=a%2Fb%20c",
                "/absolute": f"{public}/x",
                "/private": f"{private}/secret",
                "/number": "http://2130706433/",
                "/file": "file:///etc/passwd",
                "/ftp": f"ftp://{OUTSIDE}/x",
                "/nothing": "",
                "/nonsense": "http://[::1/",
                "/loop": "/loop",
            }
            assert await fetch(f"{public}/relative") == OUTSIDE
            assert outside.asked[-1] == "/there?sig=a%2Fb%20c", "exactly as given"
            assert await fetch(f"{public}/absolute") == OUTSIDE
            for path in ("/private", "/number"):
                with pytest.raises(UrlNotPublic):
                    await fetch(public + path)
            for path in ("/file", "/ftp", "/nonsense"):
                with pytest.raises(UrlRefused, match="redirects to"):
                    await fetch(public + path)
            before = len(outside.asked)
            with pytest.raises(DownloadFailed, match="redirects"):
                await fetch(f"{public}/loop")
            assert len(outside.asked) - before == 6
            assert inside.asked == []

    asyncio.run(run())


def test_only_http_is_fetched() -> None:
    async def run() -> None:
        nowhere = ("", "/etc/passwd", "http://", "https:///x", "http://x:99999/")
        for url in ("file:///etc/passwd", "ftp://x/y", "gopher://x", *nowhere):
            with pytest.raises(UrlRefused):
                await fetch(url)

    asyncio.run(run())


def test_https_does_not_become_http() -> None:
    source = URL("https://cdn.example/a/b", encoded=True)
    assert str(next_hop(source, "//other.example/c")) == "https://other.example/c"
    assert next_hop(URL("http://cdn.example/"), "https://cdn.example/").scheme == "https"
    with pytest.raises(UrlRefused, match="from https to http"):
        next_hop(source, "http://cdn.example/a/b")


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/my video.mp4?sig=a%2Bb%3D", "/my%20video.mp4?sig=a%2Bb%3D"),
        ("/视频.mp4", "/%E8%A7%86%E9%A2%91.mp4"),
        (" https://other.example/v.mp4?name=a b ", "/v.mp4?name=a%20b"),
        ("/v|w.mp4?x=%7C&y=a+b", "/v|w.mp4?x=%7C&y=a+b"),
    ],
)
def test_a_location_is_followed_as_browsers_do(location: str, sent: str) -> None:
    assert next_hop(URL("https://cdn.example/a"), location).raw_path_qs == sent


def test_a_host_beyond_ascii_has_its_name_of_the_internet() -> None:
    hosts = {text: sendable(text).raw_host for text in ("https://视频.中国/v.mp4", "//bücher.example:8080/a", "/a?x=ü")}
    assert list(hosts.values()) == ["xn--cy2a840a.xn--fiqs8s", "xn--bcher-kva.example", None]
    assert sendable("https://u@bücher.example:8080/a?b").raw_authority == "u@xn--bcher-kva.example:8080"
    assert sendable("http://①②⑦.⓪.⓪.①/").raw_host == "127.0.0.1", "the judge sees what is asked for"


def test_the_host_of_an_account_is_trusted_at_any_port_but_its_redirects_are_not() -> None:
    async def run() -> None:
        gateway = Server("127.0.0.1")
        names = Names({"gateway.lan": [["127.0.0.1"]], "other.lan": [["127.0.0.1"]]})
        async with gateway.running():
            port = gateway.port
            gateway.redirects |= {"/away": f"http://other.lan:{port}/secret", "/near": f"http://gateway.lan:{port}/v"}
            host = "http://Gateway.lan:9/anyfast"
            for path in ("/v.mp4", "/near"):
                assert await fetch(f"http://gateway.lan:{port}{path}", host, resolver=names) == "127.0.0.1"
            gateway.asked.clear()
            for url in (f"http://gateway.lan:{port}/away", f"http://other.lan:{port}/v.mp4"):
                with pytest.raises(UrlNotPublic, match=r"other\.lan leads to 127\.0\.0\.1"):
                    await fetch(url, host, resolver=names)
            with pytest.raises(UrlNotPublic):
                await fetch(f"http://127.0.0.1:{port}/v.mp4", host, resolver=names)
            assert gateway.asked == ["/away"]
            away = f"http://gateway.lan:{port}/away"
            assert await fetch(away, host, resolver=names, allow_private=True) == "127.0.0.1"

    asyncio.run(run())


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9", "http://localhost:9/anyfast", "http://[::1]:9"])
def test_loopback_is_one_host_in_any_spelling_of_the_account(base_url: str) -> None:
    async def run() -> None:
        gateway = Server("127.0.0.1")
        async with gateway.running() as url:
            assert await fetch(f"{url}/v.mp4", base_url) == "127.0.0.1"
            with pytest.raises(UrlNotPublic):
                await fetch("http://10.0.0.1/v.mp4", base_url)
            with pytest.raises(UrlNotPublic):
                await fetch(f"{url}/v.mp4", "https://api.example")

    asyncio.run(run())


def test_a_refused_address_does_not_affect_other_connections() -> None:
    async def run() -> None:
        server = Server()
        async with server.running():
            names = Names({"good.example": [[OUTSIDE]], "bad.example": [["10.0.0.1"]]})
            fetcher = Fetcher(judge=judge, resolver=names)

            async def one(host: str) -> str:
                try:
                    response = await fetcher.get(f"http://{host}:{server.port}/")
                except UrlNotPublic:
                    return "refused"
                return (await response.read(2**16)).decode()

            try:
                found = await asyncio.gather(*(one(f"{kind}.example") for kind in ["good", "bad"] * 20))
            finally:
                await fetcher.close()
            assert found == [OUTSIDE, "refused"] * 20

    asyncio.run(run())

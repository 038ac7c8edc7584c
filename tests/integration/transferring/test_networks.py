"""Downloads, webhooks and the store behind a proxy, a fake-IP resolver, a private authority or an odd file server."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from producer.health.store_proof import prove_store
from seedance.network.allowed import parse_network
from seedance.network.outbound import DIRECT, read_outbound
from storage.bucket.connection import open_session
from storage.bucket.objects import Objects
from storage.settings import Settings
from tests.certificates import Certificates, make_certificates
from tests.forward_proxy import forward_proxy
from tests.integration.transferring.test_transfer import a_video
from tests.integration.transferring.test_transfer_hosts import Names
from tests.servers import Bucket
from tests.tcp_door import door
from tests.transfers import connections_closed
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, Fetcher, UrlNotPublic, UrlRefused
from worker.transferring.own_origin import OwnOrigin
from worker.transferring.upload import store_video
from worker.webhooks.sender import WebhookSender

KEY = "sk-own-key"
FAKE_IP = [parse_network("127.0.0.2/32")]  # stands for 198.18.0.0/15, which leads nowhere here


@dataclass
class Files:
    """A file server; `asked` are the paths with the Authorization of each request."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
    wants_key: bool = False
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        key = request.headers.get("Authorization")
        self.asked.append((request.path_qs, key))
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        if self.wants_key is not (key is not None):
            return web.Response(status=401 if self.wants_key else 400)
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@asynccontextmanager
async def serving(files: Files, tls: Certificates | None = None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", files.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 0, ssl_context=tls.server() if tls is not None else None).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        await connections_closed()


async def read(fetcher: Fetcher, url: str, own: OwnOrigin | None = None) -> bytes:
    source = VideoSource(fetcher, url, own)
    try:
        await source.open()
        return await source.read(2**26, 60)
    finally:
        source.close()
        await fetcher.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), "cdn.case.test", "s3.case.test")


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nvideo", "Duplicate Content-Length"),
        (b"\x15\x03\x01\x00\x02\x02F", "Bad status line"),
    ],
)
def test_a_response_that_is_not_http_is_named_in_one_line_without_a_status(response: bytes, message: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DownloadFailed) as failed:
            await read(Fetcher(allow_private=True), f"http://127.0.0.1:{port}/v.mp4?X-Tos-Signature=0123456789")
        assert str(failed.value) == f"the response is not valid HTTP ({message})"
        server.close()

    asyncio.run(run())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_video_is_fetched_through_the_proxy_that_knows_its_name(certificates: Certificates, scheme: str) -> None:
    async def run() -> None:
        async with serving(Files(b"video"), certificates if scheme == "https" else None) as port:
            with forward_proxy({"cdn.case.test": ("127.0.0.1", port)}) as proxy:
                outbound = read_outbound({}, proxy.url, str(certificates.authority))
                assert await read(Fetcher(outbound), f"{scheme}://cdn.case.test/v.mp4") == b"video"
                with pytest.raises(DownloadFailed, match=r"connect to other\.case\.test:443: HTTP 502"):
                    await read(Fetcher(outbound), "https://other.case.test/v.mp4")

    asyncio.run(run())


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "169.254.169.254", "[fd00::1]", "0xa.1", "2852039166", "db.internal", "nas.local"),
        # What a proxy may decode: the WHATWG's URL parser does.
        *("%31%30.0.0.1", "\uff11\uff10.0.0.1", "metadata.google.interna%6c", "10.0.0.1%20", "10.0.0.1%00.example.com"),
    ],
)
def test_what_is_plainly_private_is_refused_before_the_proxy(host: str) -> None:
    async def run() -> None:
        files = Files(b"", redirects={"/away": f"http://{host}/secret"})
        async with serving(files) as port:
            with forward_proxy({"cdn.case.test": ("127.0.0.1", port)}) as proxy:
                outbound = read_outbound({}, proxy.url)
                for url in (f"http://{host}/secret", "http://cdn.case.test/away"):
                    with pytest.raises(UrlNotPublic):
                        await read(Fetcher(outbound), url)
                assert proxy.hosts == {"cdn.case.test"}

    asyncio.run(run())


def test_an_allowed_network_counts_when_it_comes_from_a_name() -> None:
    async def run() -> None:
        names = Names({"cdn.example": [["127.0.0.2"]], "db.example": [["10.0.0.1"]], "me.example": [["127.0.0.1"]]})
        async with serving(Files(b"video"), host="127.0.0.2") as port:
            url = f"http://cdn.example:{port}/v.mp4"
            with pytest.raises(UrlNotPublic, match=r"cdn\.example leads to 127\.0\.0\.2.*allowed_networks"):
                await read(Fetcher(resolver=names), url)
            assert await read(Fetcher(resolver=names, allowed=FAKE_IP), url) == b"video"
            for refused in ("127.0.0.2", "0x7f.2", "2130706434", "[::ffff:127.0.0.2]", "db.example", "me.example"):
                with pytest.raises(UrlNotPublic):
                    await read(Fetcher(resolver=names, allowed=FAKE_IP), f"http://{refused}:{port}/v.mp4")
            sender = WebhookSender(timeout_s=10, resolver=names, allowed=FAKE_IP)
            assert (await sender.post(url, b"{}", {})).status == 200
            assert (await sender.post(f"http://127.0.0.2:{port}/", b"{}", {})).status is None
            await sender.close()

    asyncio.run(run())


def test_a_webhook_goes_through_the_proxy(certificates: Certificates) -> None:
    async def run() -> None:
        async with serving(Files(b"thanks"), certificates) as port:
            with forward_proxy({"cdn.case.test": ("127.0.0.1", port)}) as proxy:
                outbound = read_outbound({"HTTPS_PROXY": proxy.url}, None, str(certificates.authority))
                sender = WebhookSender(timeout_s=10, outbound=outbound)
                assert (await sender.post("https://cdn.case.test/hook", b"{}", {})).status == 200
                refused = await sender.post("https://10.0.0.1/hook", b"{}", {})
                assert "10.0.0.1 is not a public address" in refused.error
                await sender.close()

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_private_authority_and_ipv6_are_no_obstacle(certificates: Certificates, host: str) -> None:
    async def run() -> None:
        async with serving(Files(b"video"), certificates, host) as port:
            url = f"https://{f'[{host}]' if ':' in host else host}:{port}/v.mp4"
            outbound = read_outbound({}, None, str(certificates.authority))
            assert await read(Fetcher(outbound, allow_private=True), url) == b"video"
            with pytest.raises(DownloadFailed, match=r"cannot be verified .*ca_file"):
                await read(Fetcher(allow_private=True), url)
            names = Names({"cdn.case.test": [[host]]})
            fetcher = Fetcher(outbound, resolver=names, judge=lambda address: address == host)
            assert await read(fetcher, f"https://cdn.case.test:{port}/v.mp4") == b"video"

    asyncio.run(run())


FORMS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}


@pytest.mark.parametrize("header", ["gzip", "deflate", ""])
@pytest.mark.parametrize("form", list(FORMS))
def test_a_compressed_video_is_stored_as_the_video(settings: Settings, form: str, header: str) -> None:
    video, key = a_video(9 * 2**20), f"videos/2026/01/02/{form}-{header}.mp4"
    objects = Objects(settings)

    async def run() -> None:
        async with serving(Files(FORMS[form](video), {"Content-Encoding": header} if header else {})) as port:
            async with open_session(DIRECT) as session:
                source = VideoSource(fetcher, f"http://127.0.0.1:{port}/v.mp4")
                await source.open()
                assert source.size_bytes == (None if header else source.length), "memory is held for the file"
                stored = await store_video(session, objects, key, source)
                source.close()
                assert (stored.size_bytes, stored.sha256) == (len(video), hashlib.sha256(video).hexdigest())
            await fetcher.close()

    fetcher = Fetcher(allow_private=True)
    asyncio.run(run())
    assert b"".join(objects.chunks(key)) == video


def test_a_compressed_video_that_is_cut_is_not_taken_for_the_whole() -> None:
    async def run() -> None:
        async with serving(Files(gzip.compress(os.urandom(100_000))[:-2000], {"Content-Encoding": "gzip"})) as port:
            with pytest.raises(DownloadFailed, match="breaks off"):
                await read(Fetcher(allow_private=True), f"http://127.0.0.1:{port}/v.mp4")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("bytes 0-9/10", True),
        ("bytes 0-9/*", False),
        ("bytes 0-9/20", False),
        ("bytes 1-10/11", False),
        ("bytes 0-10/11", False),
        ("", False),
    ],
)
def test_a_206_for_the_whole_file_is_the_file(said: str, *, good: bool) -> None:
    async def run() -> None:
        async with serving(Files(b"0123456789", {"Content-Range": said} if said else {}, status=206)) as port:
            reading = read(Fetcher(allow_private=True), f"http://127.0.0.1:{port}/v.mp4")
            if good:
                assert await reading == b"0123456789"
            else:
                with pytest.raises(DownloadFailed, match="not the whole file"):
                    await reading

    asyncio.run(run())


def test_the_key_goes_to_the_gateway_itself_and_nowhere_else() -> None:
    async def run() -> None:
        other, bearer = Files(b"other"), f"Bearer {KEY}"
        async with serving(other) as elsewhere:
            gateway = Files(b"video", wants_key=True)
            async with serving(gateway) as port:
                own = OwnOrigin(f"http://127.0.0.1:{port}/api/v3", KEY)
                gateway.redirects = {
                    "/same": "/v1/videos/1/content",
                    "/other-port": f"http://127.0.0.1:{elsewhere}/v.mp4",
                    "/other-name": f"http://localhost:{elsewhere}/v.mp4",
                }
                base = f"http://127.0.0.1:{port}"
                assert await read(Fetcher(), f"{base}/v1/videos/1/content", own) == b"video"
                assert await read(Fetcher(), f"{base}/other-port", own) == b"other"
                assert await read(Fetcher(), f"{base}/other-name", own) == b"other"
                asked = ["/v1/videos/1/content", "/other-port", "/other-name"]
                assert gateway.asked == [(path, bearer) for path in asked]
                assert other.asked == [("/v.mp4", None)] * 2
                assert await read(Fetcher(), f"http://127.0.0.1:{elsewhere}/v.mp4", own) == b"other"
                with pytest.raises(UrlRefused, match="HTTP 401"):
                    await read(Fetcher(), f"http://localhost:{port}/v1/videos/1/content", own)
                gateway.asked.clear()
                for signed in ("X-Tos-Signature=1", "Expires=9&Signature=1", "sig=1", "token=1"):
                    with pytest.raises(UrlRefused, match="HTTP 401"):
                        await read(Fetcher(), f"{base}/v1/videos/1/content?{signed}", own)
                with pytest.raises(UrlRefused, match="HTTP 401"):  # never along a redirect, not even to itself
                    await read(Fetcher(), f"{base}/same", own)
                assert [key for _, key in gateway.asked] == [None] * 4 + [bearer, None]
        assert {key for _, key in other.asked} == {None}

    asyncio.run(run())


def test_a_file_that_wants_no_key_is_fetched_without() -> None:
    async def run() -> None:
        gateway = Files(b"video")  # refuses a key with 400, as stores do
        async with serving(gateway) as port:
            own = OwnOrigin(f"http://127.0.0.1:{port}", KEY)
            assert await read(Fetcher(), f"http://127.0.0.1:{port}/v.mp4", own) == b"video"

    asyncio.run(run())
    assert KEY not in repr(OwnOrigin("http://127.0.0.1", KEY))


@pytest.mark.parametrize("by", ["proxy", "variables"])
def test_the_store_is_used_through_the_proxy_with_its_private_authority(
    settings: Settings, s3: Bucket, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str
) -> None:
    host, port = s3.endpoint_url.rpartition("/")[2].split(":")
    with (
        door((host, int(port)), tls=certificates.server()) as tls,
        forward_proxy({"s3.case.test": ("127.0.0.1", tls.port)}, login="me:p@ss") as proxy,
    ):
        url = proxy.url.replace("://", "://me:p%40ss@")
        changes: dict[str, object] = {"s3_endpoint_url": "https://s3.case.test"}
        authority = str(certificates.authority)
        if by == "proxy":
            changes |= {"proxy": url, "ca_file": authority}
            monkeypatch.setenv("NO_PROXY", "other.example")
        else:
            monkeypatch.setenv("HTTPS_PROXY", url)
            monkeypatch.setenv("SSL_CERT_FILE", authority)
        ours = Settings.model_validate(settings.model_dump() | changes)
        ok, message, _ = prove_store(ours)
        assert ok, message
        assert f"through the proxy {proxy.url}" in message
        assert authority in message
        assert "p@ss" not in message
        objects = Objects(ours)
        objects.check_bucket()
        (tmp_path / "v").write_bytes(b"content")
        objects.put_file(tmp_path / "v", "videos/through-a-proxy")
        found = objects.head("videos/through-a-proxy")  # by boto3
        assert found is not None
        assert found.size_bytes == 7
        assert proxy.asked
        assert {method for method, _ in proxy.asked} == {"CONNECT"}
        gone = Settings.model_validate(settings.model_dump() | changes | {"proxy": "http://127.0.0.1:1"})
        ok, message = _proof(gone)
        assert not ok
        assert "the proxy http://127.0.0.1:1 cannot be reached" in message


def _proof(settings: Settings) -> tuple[bool, str]:
    try:
        return prove_store(settings)[:2]
    except Exception as exc:  # noqa: BLE001 - doctor prints it
        return False, str(exc)

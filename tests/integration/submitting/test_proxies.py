"""Gateways behind a proxy or a private authority: what was sent, and what was not."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from seedance.account import Account
from seedance.client import GatewayClient
from seedance.errors import GatewayError, NotSent, OutcomeUnknown
from seedance.gateways.base import AttemptOptions, Submitted
from seedance.gateways.registry import DIALECTS
from seedance.network.outbound import DIRECT, Outbound, read_outbound
from tests.certificates import Certificates, make_certificates
from tests.forward_proxy import forward_proxy
from tests.integration.submitting.test_never_sent import ANSWER, BODY, REQUEST, read_request, serve
from tests.waiting import PATIENCE_S

NAME = "gateway.case.test"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"), NAME)


async def submit(base_url: str, outbound: Outbound, timeout_s: float = PATIENCE_S) -> Submitted | GatewayError:
    account = Account.model_validate(
        {"name": "a", "gateway": "anyfast", "base_url": base_url, "api_key": "sk-test-key"}
    )
    dialect = DIALECTS["anyfast"]
    async with GatewayClient(
        account, dialect, submit_timeout_s=timeout_s, query_timeout_s=timeout_s, outbound=outbound
    ) as client:
        try:
            return await client.submit(REQUEST, AttemptOptions())
        except GatewayError as exc:
            return exc


class Gateway:
    """Answers each POST; `seen` are the requests."""

    def __init__(self, answer: bytes = ANSWER) -> None:
        self.answer = answer
        self.seen: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(await read_request(reader))
        writer.write(self.answer)
        await writer.drain()


@pytest.mark.parametrize("proxy_speaks_tls", [False, True])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_post_goes_through_the_proxy(certificates: Certificates, scheme: str, *, proxy_speaks_tls: bool) -> None:
    gateway = Gateway()
    tls = certificates.server()

    async def run() -> None:
        async with serve(gateway, tls if scheme == "https" else None) as port:
            with forward_proxy(
                {NAME: ("127.0.0.1", port)}, login="me:p@ss", tls=tls if proxy_speaks_tls else None
            ) as proxy:
                url = proxy.url.replace("://", "://me:p%40ss@")
                outbound = read_outbound({}, url, str(certificates.authority))
                found = await submit(f"{scheme}://{NAME}", outbound)
                assert found == Submitted("asyntask_1"), found
                assert proxy.asked == [("CONNECT" if scheme == "https" else "POST", NAME)]
                wrong = await submit(f"https://{NAME}", read_outbound({}, proxy.url, str(certificates.authority)))
                assert isinstance(wrong, NotSent)
                assert "HTTP 407" in str(wrong)
                assert "check the user and password" in str(wrong)
        assert len(gateway.seen) == 1
        assert b"authorization: bearer sk-test-key" in gateway.seen[0].lower()
        assert b"proxy-auth" not in gateway.seen[0].lower()

    asyncio.run(run())


@pytest.mark.parametrize("status", [403, 502, 504])
def test_a_proxy_that_refuses_to_connect_has_sent_nothing(status: int) -> None:
    async def run() -> None:
        with forward_proxy({}, refusal=status) as proxy:
            found = await submit(f"https://{NAME}", read_outbound({"HTTPS_PROXY": proxy.url}))
            assert isinstance(found, NotSent), found
            assert f"the proxy {proxy.url} refuses to connect to {NAME}:443: HTTP {status}" in str(found)
            # Without CONNECT the answer may be the gateway's own.
            doubt = await submit(f"http://{NAME}", read_outbound({"HTTP_PROXY": proxy.url}))
            assert isinstance(doubt, OutcomeUnknown) is (status != 403), doubt

    asyncio.run(run())


def test_a_proxy_that_is_gone_has_sent_nothing(closed_port: int) -> None:
    outbound = read_outbound({"ALL_PROXY": f"http://me:secret@127.0.0.1:{closed_port}"})
    for scheme in ("http", "https"):
        found = asyncio.run(submit(f"{scheme}://{NAME}", outbound))
        assert isinstance(found, NotSent)
        assert f"the proxy http://127.0.0.1:{closed_port} cannot be reached" in str(found)
        assert "secret" not in str(found)


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n\r\nnot TLS", None])
def test_a_proxy_that_breaks_off_at_connect_has_sent_nothing(answer: bytes | None) -> None:
    asked: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if answer is None:
            await asyncio.Event().wait()
        writer.write(answer or b"")
        await writer.drain()

    async def run() -> None:
        async with serve(behave) as port:
            outbound = read_outbound({}, f"http://127.0.0.1:{port}")
            found = await submit(f"https://{NAME}", outbound, 2.0 if answer is None else PATIENCE_S)
            assert isinstance(found, NotSent), repr(found)
            assert asked[0].startswith(f"CONNECT {NAME}:443".encode())

    asyncio.run(run())


def test_a_connection_that_breaks_after_connect_leaves_a_doubt(certificates: Certificates) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    async def run() -> None:
        async with serve(behave, certificates.server()) as port:
            with forward_proxy({NAME: ("127.0.0.1", port)}) as proxy:
                outbound = read_outbound({}, proxy.url, str(certificates.authority))
                assert isinstance(await submit(f"https://{NAME}", outbound), OutcomeUnknown)

    asyncio.run(run())


def test_what_no_proxy_names_and_this_machine_are_reached_directly(closed_port: int) -> None:
    async def run() -> None:
        async with serve(Gateway()) as port:
            outbound = read_outbound({}, f"http://127.0.0.1:{closed_port}")
            assert await submit(f"http://127.0.0.1:{port}", outbound) == Submitted("asyntask_1")
            assert await submit(f"http://localhost:{port}", outbound) == Submitted("asyntask_1")

    asyncio.run(run())


@pytest.mark.parametrize("by", ["ca_file", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"])
def test_a_private_authority_is_trusted_where_it_is_named(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    async def run() -> None:
        async with serve(Gateway(), certificates.server()) as port:
            url = f"https://127.0.0.1:{port}"
            found = await submit(url, DIRECT)
            assert isinstance(found, NotSent)
            assert f"the certificate of 127.0.0.1:{port} cannot be verified" in str(found)
            assert "ca_file" in str(found)
            path = str(certificates.authority)
            if by == "SSL_CERT_FILE":
                monkeypatch.setenv(by, path)
            outbound = read_outbound({}, None, path) if by == "ca_file" else read_outbound({by: path})
            assert await submit(url, outbound) == Submitted("asyntask_1")

    asyncio.run(run())


def test_a_private_authority_is_added_to_those_of_the_system(certificates: Certificates) -> None:
    ours = read_outbound({}, None, str(certificates.authority)).authorities.new_context()
    system = ssl.create_default_context()
    assert {str(c) for c in system.get_ca_certs()} < {str(c) for c in ours.get_ca_certs()}
    assert ours.verify_mode is ssl.CERT_REQUIRED
    assert ours.check_hostname


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zlib": zlib.compress, "plain": bytes}


@pytest.mark.parametrize("header", ["gzip", "deflate", "br", ""])
@pytest.mark.parametrize("form", list(COMPRESS))
def test_the_id_of_an_accepted_task_is_read_from_any_compression(form: str, header: str) -> None:
    body = COMPRESS[form](BODY)
    named = f"Content-Encoding: {header}\r\n" if header else ""
    answer = f"HTTP/1.1 200 OK\r\n{named}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def run() -> None:
        async with serve(Gateway(answer)) as port:
            assert await submit(f"http://127.0.0.1:{port}", DIRECT) == Submitted("asyntask_1")

    asyncio.run(run())


def test_a_bomb_is_an_answer_that_cannot_be_read() -> None:
    body = gzip.compress(bytes(32 * 2**20))
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def run() -> None:
        async with serve(Gateway(answer)) as port:
            found = await submit(f"http://127.0.0.1:{port}", DIRECT)
            assert isinstance(found, OutcomeUnknown)
            assert "once decompressed" in str(found)

    asyncio.run(run())


def test_a_gateway_with_an_ipv6_address_is_reached() -> None:
    async def run() -> None:
        async with serve(Gateway(), host="::1") as port:
            assert await submit(f"http://[::1]:{port}", DIRECT) == Submitted("asyntask_1")

    asyncio.run(run())


def test_a_missing_authority_is_named_at_the_start(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    for environ, path, says in (
        ({}, "/no/such.pem", "ca_file: /no/such.pem cannot be read: No such file"),
        ({}, str(empty), f"ca_file: {empty} holds no certificate"),
        ({"SSL_CERT_FILE": "/no/such.pem"}, None, "SSL_CERT_FILE: /no/such.pem cannot be read"),
        ({"SSL_CERT_DIR": "/no/such"}, None, "SSL_CERT_DIR: /no/such cannot be read"),
    ):
        with pytest.raises(Exception, match=says):
            read_outbound(environ, None, path)

"""Whose address a request has behind a trusted proxy."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from producer.http.doors.proxies import TrustedProxies


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),  # only the last one is the proxy's word
        ("198.51.100.1, 203.0.113.9, 10.2.2.2", "203.0.113.9"),
        # With the port, as Azure's and IIS's proxies write it.
        ("203.0.113.9:4711", "203.0.113.9"),
        ("203.0.113.9:4711, 10.2.2.2:80", "203.0.113.9"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        # No address: that of the proxy stays.
        ("unknown", "10.0.0.1"),
        ("fe80::1%x key_id=forged", "10.0.0.1"),
        ("203.0.113.9:4711:1", "10.0.0.1"),
    ],
)
def test_the_address_of_the_client(forwarded_for: str, client: str) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["client"])

    async def nothing(*_: Any) -> Any:
        return {}

    headers = [(b"host", b"a"), (b"x-forwarded-for", forwarded_for.encode())]
    scope = {"type": "http", "client": ("10.0.0.1", 1), "scheme": "http", "headers": headers}
    asyncio.run(TrustedProxies(app, [ip_network("10.0.0.0/8")])(scope, nothing, nothing))
    assert seen[0][0] == client

"""Whose socket it is, in the kernel's tables."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from producer.http.doors import peers
from producer.http.doors.local_programs import forwarding_header
from producer.http.doors.peers import Peer, owner
from storage.configuration.access import AccessSettings

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the lines are those of a little-endian machine")

SERVER = "0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4253038 1 0"
CLIENT = "0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000    33        0 4253037 1 0"
CLOSED = "0100007F:D432 0100007F:1F90 06 00000000:00000000 03:00001761 00000000     0        0 0 3 0"
IPV6 = (
    "00000000000000000000000001000000:D433 00000000000000000000000001000000:1F90 "
    "01 00000000:00000000 00:00000000 00000000  1000        0 55 1 0"
)
MAPPED = (
    "0000000000000000FFFF00000100007F:D434 0000000000000000FFFF00000100007F:1F90 "
    "01 00000000:00000000 00:00000000 00000000  1001        0 56 1 0"
)
LINES = [f"   {number}: {line}" for number, line in enumerate((SERVER, CLIENT, CLOSED, IPV6, MAPPED))]


@pytest.mark.parametrize(
    ("client", "server", "user"),
    [
        (("127.0.0.1", 0xD431), ("127.0.0.1", 8080), 33),
        (("127.0.0.1", 0xD431), ("127.0.0.1", 8081), None),
        (("127.0.0.1", 0xD432), ("127.0.0.1", 8080), None),  # closed: the kernel says 0, which is not root
        (("::1", 0xD433), ("::1", 8080), 1000),
        (("127.0.0.1", 0xD434), ("127.0.0.1", 8080), 1001),  # an IPv4 connection of an IPv6 socket
        (("::ffff:127.0.0.1", 0xD431), ("::ffff:127.0.0.1", 8080), 33),
    ],
)
def test_the_owner_of_the_other_end(client: tuple[str, int], server: tuple[str, int], user: int | None) -> None:
    assert owner(LINES, client, server) == user


def test_headers_of_proxies_are_recognised_and_those_of_clients_are_not() -> None:
    assert forwarding_header(["host", "X-Forwarded-For"]) == "X-Forwarded-For"
    usual = (
        "Host",
        "User-Agent",
        "Accept",
        "Origin",
        "Referer",
        "Cookie",
        "Idempotency-Key",
        "X-API-Key",
        "X-Request-Id",
    )
    assert forwarding_header(usual) is None


def test_public_urls_on_this_machine_do_not_ask_for_keys() -> None:
    assert not AccessSettings(public_url="http://127.0.0.1:8080").keys_for_all
    assert not AccessSettings(public_url="http://localhost:8080/").keys_for_all
    assert AccessSettings(public_url="http://10.0.0.5:8080").keys_for_all
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/8"):
        AccessSettings.model_validate({"trusted_proxies": "proxy.example"})


def test_a_table_that_cannot_be_read_makes_no_one_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tcp").mkdir()
    monkeypatch.setattr(peers, "_PROC", tmp_path)
    assert asyncio.run(Peer(("127.0.0.1", 50_000), ("127.0.0.1", 8080)).is_our_user()) is False

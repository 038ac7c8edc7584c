"""Networks that count as public because the operator says so."""

from __future__ import annotations

import pytest

from seedance.network.allowed import is_allowed, parse_network


@pytest.mark.parametrize(
    ("address", "networks", "allowed"),
    [
        ("198.18.3.4", ["198.18.0.0/15"], True),
        ("198.20.0.1", ["198.18.0.0/15"], False),
        ("::ffff:198.18.3.4", ["198.18.0.0/15"], True),
        ("64:ff9b::c612:304", ["198.18.0.0/15"], True),
        ("fc00::5", ["fc00::/18"], True),
        ("10.0.0.1", [], False),
        ("not an address", ["0.0.0.0/0"], False),
        ("10.0.0.1", ["0.0.0.0/0"], True),
        # This host and metadata services, only where they are named.
        ("127.0.0.1", ["0.0.0.0/0"], False),
        ("127.0.0.1", ["127.0.0.0/8"], True),
        ("127.0.0.1", ["127.0.0.1/32"], True),
        ("::ffff:127.0.0.1", ["0.0.0.0/0", "::/0"], False),
        ("::1", ["::/0"], False),
        ("::1", ["::1/128"], True),
        ("169.254.169.254", ["169.0.0.0/8"], False),
        ("169.254.169.254", ["169.254.169.254/32"], True),
        ("100.100.100.200", ["100.64.0.0/10"], False),
        ("100.64.0.1", ["100.64.0.0/10"], True),
        ("fd00:ec2::254", ["fd00::/8"], False),
        ("fd00:ec2::23", ["fd00::/8"], False),
        ("fd20:ce::254", ["fd00::/8"], False),
        ("fd20:ce::254", ["fd20:ce::254/128"], True),
        # A connection to the unspecified address goes to this machine.
        ("0.0.0.0", ["0.0.0.0/0"], False),
        ("::ffff:0.0.0.0", ["::/0", "0.0.0.0/0"], False),
        ("::", ["::/0"], False),
        ("::127.0.0.1", ["::/0"], False),
    ],
)
def test_an_address_counts_if_its_network_is_named(address: str, networks: list[str], *, allowed: bool) -> None:
    assert is_allowed(address, [parse_network(network) for network in networks]) is allowed


@pytest.mark.parametrize(
    ("text", "says"), [("198.18.0.0", None), ("198.18.0.1/15", "write 198.18.0.0/15"), ("lan", "is not a network")]
)
def test_a_network_is_a_prefix(text: str, says: str | None) -> None:
    if says is None:
        assert parse_network(text).num_addresses == 1
        return
    with pytest.raises(ValueError, match=says):
        parse_network(text)

"""Which user of this machine a connection comes from.

A proxy on this machine connects from loopback, like any program on it. But it runs as a user of its own (`www-data`,
`nginx`, `caddy`), and the kernel knows who owns the other end of a loopback connection.

It is asked for one socket (`socket_owners`); where it does not answer that, its table of all sockets is read.

Source: proc_net_tcp in the kernel's documentation; columns: local and remote address, state, …, uid, …, inode.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from producer.http.doors.socket_owners import owner_of_socket

log = logging.getLogger("reelq.api")

TABLES = ("tcp", "tcp6")
_PROC = Path("/proc/net")
_LOCAL, _REMOTE, _UID, _INODE = 1, 2, 7, 9


@dataclass(slots=True)
class Peer:
    """The other end of a connection. It is asked for its user once, when that is first needed: while the client waits
    for an answer its socket is open, and no other program can have the same port."""

    client: tuple[str, int]
    server: tuple[str, int]
    unanswered: tuple[str, str] | None = field(default=None, init=False)
    """The tenant and the key of the last request on this connection whose answer may yet be lost, for doors whose
    clients repeat requests; see `storage.jobs.repeated_requests`."""
    _same: bool | None = field(default=None, init=False)

    async def is_our_user(self) -> bool:
        """Whether a process of this server's own user holds the other end. Where the system does not say (not Linux):
        True, so that the other signs of a proxy decide. False where Linux refuses to say."""
        if self._same is None:
            try:
                (client, client_port), (server, server_port) = _plain(*self.client), _plain(*self.server)
                found = owner_of_socket((str(client), client_port), (str(server), server_port))
                self._same = found == os.geteuid()
            except OSError:  # it has gone, or a sandbox does not allow to ask
                self._same = await asyncio.to_thread(self._read_tables)
        return self._same

    def _read_tables(self) -> bool:
        tables = [path for name in TABLES if (path := _PROC / name).exists()]
        if not tables and sys.platform != "linux":
            return True
        try:
            lines = (line for path in tables for line in path.read_text().splitlines()[1:])
            return owner(lines, self.client, self.server) == os.geteuid()
        except OSError as exc:  # a sandbox may forbid it
            log.warning("api.peer_unknown %s", exc)
            return False


def owner(lines: Iterable[str], client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """The user id of the socket that is bound to `client` and connected to `server`, from the lines of the kernel's
    tables; None if there is none, or if no process holds it any more."""
    wanted, port = (_plain(*client), _plain(*server)), f":{client[1]:04X} "
    for line in lines:
        if port not in line:  # a busy machine has thousands
            continue
        columns = line.split()
        if (_read(columns[_LOCAL]), _read(columns[_REMOTE])) == wanted:
            return int(columns[_UID]) if columns[_INODE] != "0" else None
    return None


def _plain(host: str, port: int) -> tuple[IPv4Address | IPv6Address, int]:
    """An address and a port; an IPv4 address in IPv6 form is the IPv4 address."""
    address = ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address, port


def _read(column: str) -> tuple[IPv4Address | IPv6Address, int]:
    """An address as the kernel prints it: words of 32 bits in the machine's own byte order."""
    host, _, port = column.partition(":")
    words = (bytes.fromhex(host[at : at + 8]) for at in range(0, len(host), 8))
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return _plain(str(ip_address(packed)), int(port, 16))

"""Where the records of a TLS connection end: in the middle of one, something has come that TLS cannot read yet.

OpenSSL takes the beginning of a record as soon as it comes, and Python does not tell that it has one. So the bytes are
looked at on their way from asyncio to it.

Source: RFC 8446 §5.1 (record layer; the same in TLS 1.2)
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

_HEADER_BYTES = 5
_TYPES = frozenset({20, 21, 22, 23})  # a change of ciphers, an alert, a handshake, application data


class _Received:
    """What asyncio writes to, in place of the buffer that OpenSSL reads from: passes everything on."""

    def __init__(self, buffer: ssl.MemoryBIO) -> None:
        self._buffer = buffer
        self._header = b""
        self._left = 0
        self._has_lost_its_place = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._buffer, name)

    @property
    def ends_with_a_record(self) -> bool:
        """Whether no record is incomplete."""
        return not (self._left or self._header or self._has_lost_its_place)

    def write(self, data: memoryview) -> int:
        """Pass on what was received."""
        at, size = 0, len(data)
        while at < size:
            if not self._left:
                missing = _HEADER_BYTES - len(self._header)
                self._header += data[at : at + missing]
                at += missing
                if at > size:
                    break
                self._left = int.from_bytes(self._header[3:], "big")
                # The bytes are looked at from the end of the handshake on, which may lie in the middle of a record.
                self._has_lost_its_place = self._has_lost_its_place or self._header[0] not in _TYPES
                self._header = b""
            taken = min(self._left, size - at)
            self._left -= taken
            at += taken
        return self._buffer.write(data)


def watch_records(transport: asyncio.BaseTransport | None) -> None:
    """Look at what a new connection receives from now on, and at what carries it, if that is TLS as well."""
    while (tls := getattr(transport, "_ssl_protocol", None)) is not None:
        tls._incoming = _Received(tls._incoming)
        transport = tls._transport


def has_part_of_record(transport: asyncio.BaseTransport | None) -> bool:
    """Whether a connection has received a part of a record. False without TLS."""
    while (tls := getattr(transport, "_ssl_protocol", None)) is not None:
        if isinstance(tls._incoming, _Received) and not tls._incoming.ends_with_a_record:
            return True
        transport = tls._transport
    return False

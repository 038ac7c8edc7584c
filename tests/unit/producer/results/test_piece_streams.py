"""Answers in pieces: whatever a client does, what they are made from is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest

from producer.http.piece_streams import FileBlocks, PieceStream


@pytest.mark.parametrize("messages", [0, 1, 2])
def test_the_file_is_closed_when_the_client_leaves(messages: int) -> None:
    file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=2**23)  # noqa: SIM115 - who closes it is tested
    file.write(b"x" * 2**20)
    file.seek(0)
    left = messages

    async def send(_: MutableMapping[str, Any]) -> None:
        nonlocal left
        if left == 0:
            raise ConnectionError("the client has left")
        left -= 1

    with pytest.raises(ConnectionError):
        asyncio.run(PieceStream(FileBlocks(file), "x/y", {}).stream_response(send))
    assert file.closed


def test_many_small_pieces_are_sent_together() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    def pieces() -> Iterator[bytes]:
        yield from [b"piece"] * 1_000

    asyncio.run(PieceStream(pieces(), "text/html", {}).stream_response(send))
    assert [len(message.get("body", b"")) for message in sent] == [0, 5_000, 0]

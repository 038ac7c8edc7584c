"""POST a body to a URL that somebody else gave us, and keep a little of the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from seedance.errors import redact
from seedance.gateways.http_errors import retry_after_s
from seedance.public_addresses import is_public
from worker.public_hosts import AddressNotPublic, Judge, public_connector

CONNECTIONS = 256
MAX_ANSWER_BYTES = 4096
KEPT_ANSWER_CHARS = 1000
ANSWER_S = 2.0
"""The status is what counts; for what is said beside it nobody waits long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST."""

    status: int | None
    """None: no answer."""
    error: str = ""
    """Why there was none."""
    text: str = ""
    """The beginning of its body."""
    retry_after_s: float | None = None
    never: bool = False
    """The URL cannot be used by anybody at any time."""
    took_s: float = 0.0


class WebhookSender:
    """One session for all receivers; follows no redirects. To be used on one event loop."""

    def __init__(
        self,
        *,
        timeout_s: float,
        allow_private: bool = False,
        resolver: AbstractResolver | None = None,
        judge: Judge = is_public,
    ) -> None:
        self.timeout_s = timeout_s
        self._judge = (lambda _address: True) if allow_private else judge
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send it once; whatever goes wrong is an answer without a status. The text of an answer is without what was
        sent to sign."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_s):
                response = await self._open().post(
                    URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                )
                text = await _beginning(response)
        except TimeoutError:
            return Answer(None, f"no answer within {self.timeout_s:g} s", took_s=time.monotonic() - began)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as exc:
            return Answer(None, f"the URL cannot be used: {type(exc).__name__}", never=True)
        except AddressNotPublic as exc:
            return Answer(None, str(exc), took_s=time.monotonic() - began)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Answer(None, redact(f"{type(exc).__name__}: {exc}")[:300], took_s=time.monotonic() - began)
        said = redact(text, headers.get("webhook-signature", ""))[:KEPT_ANSWER_CHARS]
        wait_s = retry_after_s({name.lower(): value for name, value in response.headers.items()})
        return Answer(response.status, text=said, retry_after_s=wait_s, took_s=time.monotonic() - began)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=public_connector(
                    resolver=self._resolver, judge=self._judge, limit=CONNECTIONS, keepalive_timeout=30.0
                ),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "User-Agent": f"reelq/{version('reelq')}",
                    "Content-Type": "application/json",
                    "Accept-Encoding": "identity",
                },
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The beginning of a body, as far as it comes soon; its connection is kept only if that was all."""
    read = bytearray()
    try:
        async with asyncio.timeout(ANSWER_S):
            while len(read) < MAX_ANSWER_BYTES and (piece := await response.content.read(MAX_ANSWER_BYTES - len(read))):
                read += piece
        if response.content.at_eof():
            response.release()
    except (TimeoutError, aiohttp.ClientError):
        pass
    finally:
        response.close()
    return read.decode("utf-8", "replace")

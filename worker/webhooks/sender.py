"""POST a body to a URL that a user gave us, and keep the start of the answer."""

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
from storage.own_services import OwnServices, target_of
from worker.public_hosts import AddressNotPublic, Judge, public_connector
from worker.webhooks.own_targets import ForeignResolver, OwnTarget, OwnTargets

CONNECTIONS = 256
MAX_ANSWER_BYTES = 4096
KEPT_ANSWER_CHARS = 1000
ANSWER_S = 2.0
"""The status decides; the body is not waited for longer than this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a POST."""

    status: int | None
    """None: no answer."""
    error: str = ""
    """Why there is no answer."""
    text: str = ""
    """The start of the body."""
    retry_after_s: float | None = None
    never: bool = False
    """The URL can never be used: a retry cannot help."""
    took_s: float = 0.0


class WebhookSender:
    """One session for all receivers; follows no redirects. Use it on one event loop only."""

    def __init__(
        self,
        *,
        timeout_s: float,
        allow_private: bool = False,
        own: OwnServices | None = None,
        resolver: AbstractResolver | None = None,
        judge: Judge = is_public,
    ) -> None:
        self.timeout_s = timeout_s
        self._judge = (lambda _address: True) if allow_private else judge
        self._own = None if own is None else OwnTargets(own)
        self._resolver = resolver if self._own is None else ForeignResolver(self._own, resolver)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body once. Every failure gives an answer without a status. The signature that was sent is removed from
        the text of the answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_s):
                if self._own is not None and (target := target_of(url)) is not None:
                    await self._own.check(*target)
                response = await self._open().post(
                    URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                )
                text = await _read_start(response)
        except TimeoutError:
            return Answer(None, f"no answer within {self.timeout_s:g} s", took_s=time.monotonic() - started)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as exc:
            return Answer(None, f"the URL cannot be used: {type(exc).__name__}", never=True)
        except (AddressNotPublic, OwnTarget) as exc:
            return Answer(None, str(exc), took_s=time.monotonic() - started)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Answer(None, redact(f"{type(exc).__name__}: {exc}")[:300], took_s=time.monotonic() - started)
        kept = redact(text, headers.get("webhook-signature", ""))[:KEPT_ANSWER_CHARS]
        wait_s = retry_after_s({name.lower(): value for name, value in response.headers.items()})
        return Answer(response.status, text=kept, retry_after_s=wait_s, took_s=time.monotonic() - started)

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


async def _read_start(response: aiohttp.ClientResponse) -> str:
    """The start of a body, as far as it arrives in time. The connection is kept only if that was the whole body."""
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

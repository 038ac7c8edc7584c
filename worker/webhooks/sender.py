"""POST a body to a URL that a user gave us, and keep the start of the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
from aiohttp.abc import AbstractResolver

from seedance.errors import redact
from seedance.gateways.http_errors import retry_after_s
from seedance.network.allowed import Network
from seedance.network.outbound import DIRECT, Outbound
from seedance.network.public_hosts import AddressNotPublic, Judge, PublicSessions, literal_address
from seedance.network.sessions import failure_text
from seedance.network.urls import sendable
from seedance.public_addresses import is_public
from storage.own_services import OwnServices
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
    """The connections to all receivers; follows no redirects. Use it on one event loop only."""

    def __init__(
        self,
        *,
        timeout_s: float,
        outbound: Outbound = DIRECT,
        allow_private: bool = False,
        own: OwnServices | None = None,
        allowed: Sequence[Network] = (),
        resolver: AbstractResolver | None = None,
        judge: Judge = is_public,
        connections: int = CONNECTIONS,
    ) -> None:
        """`connections`: at least as many as POSTs at once, or one receiver would wait for those of another."""
        self.timeout_s = timeout_s
        self._own = None if own is None else OwnTargets(own)
        self._sessions = PublicSessions(
            outbound,
            allow_private=allow_private,
            allowed=allowed,
            resolver=resolver if self._own is None else ForeignResolver(self._own, resolver),
            judge=judge,
            connections=connections,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            headers={
                "User-Agent": f"reelq/{version('reelq')}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            },
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body once. Every failure gives an answer without a status. The signature that was sent is removed from
        the text of the answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.timeout_s):
                target = sendable(url)
                if self._own is not None and target.host and target.port:
                    await self._own.check(literal_address(target.host) or target.host, target.port)
                session = self._sessions.for_url(target)
                response = await session.post(target, data=body, headers=headers, allow_redirects=False)
                text = await _read_start(response)
        except TimeoutError:
            return Answer(None, f"no answer within {self.timeout_s:g} s", took_s=time.monotonic() - started)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as exc:
            return Answer(None, f"the URL cannot be used: {type(exc).__name__}", never=True)
        except (AddressNotPublic, OwnTarget) as exc:
            return Answer(None, str(exc), took_s=time.monotonic() - started)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Answer(None, redact(failure_text(exc))[:300], took_s=time.monotonic() - started)
        kept = redact(text, headers.get("webhook-signature", ""))[:KEPT_ANSWER_CHARS]
        wait_s = retry_after_s({name.lower(): value for name, value in response.headers.items()})
        return Answer(response.status, text=kept, retry_after_s=wait_s, took_s=time.monotonic() - started)

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()


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

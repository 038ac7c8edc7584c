"""Fetch the media that requests name by URL, as their gateway would, and look at each file once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiohttp

from producer.intake.media_check import MediaFacts, Probe
from seedance.media import MEDIA_TYPES
from seedance.network.public_hosts import AddressNotPublic, PublicSessions
from seedance.network.sessions import NotConnected, failure_text
from seedance.network.urls import sendable
from seedance.request import Modality
from storage.settings import Settings

MAX_BYTES: Final[Mapping[Modality, int]] = {"image": 64 * 2**20, "video": 256 * 2**20, "audio": 64 * 2**20}
"""Above what any gateway takes."""
PARALLEL: Final = 16
WHOLE_S: Final = 60.0
"""The longest that one file may take."""
MAX_REDIRECTS: Final = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STALL_S = 20.0
_BLOCK = 2**18
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Fetched:
    """What was found, by URL: `facts` of good files, and for the others the `problems`."""

    facts: dict[str, MediaFacts] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def fetch_all(
    wanted: Mapping[str, Modality],
    settings: Settings,
    progress: Progress | None = None,
    within_s: float | None = None,
) -> Fetched:
    """Fetch each URL once and look at what came. Only public addresses are fetched from, at every redirect, unless the
    settings allow private networks. `within_s`: how long all of them may take together; None: no limit."""
    found = Fetched()
    if wanted:
        probe = Probe()
        try:
            asyncio.run(_fetch_in_time(wanted, settings, probe, found, progress, within_s))
        finally:
            probe.close()
    return found


async def _fetch_in_time(
    wanted: Mapping[str, Modality],
    settings: Settings,
    probe: Probe,
    found: Fetched,
    progress: Progress | None,
    within_s: float | None,
) -> None:
    try:
        async with asyncio.timeout(within_s):
            await _fetch_all(wanted, settings, probe, found, progress)
    except TimeoutError:
        late = f"was not checked: all files together took more than {within_s:g} s; check fewer rows at a time"
        found.problems |= {url: late for url in wanted if url not in found.facts and url not in found.problems}


async def _fetch_all(
    wanted: Mapping[str, Modality], settings: Settings, probe: Probe, found: Fetched, progress: Progress | None
) -> None:
    sessions = PublicSessions(
        settings.outbound(),
        allow_private=settings.allow_private_networks,
        allowed=settings.allowed_networks.downloads,
        connections=PARALLEL,
        timeout=aiohttp.ClientTimeout(total=WHOLE_S, sock_connect=_STALL_S, sock_read=_STALL_S),
        headers={"User-Agent": "reelq"},
    )
    looking = asyncio.Lock()  # the probe is one process
    slots = asyncio.Semaphore(PARALLEL)

    async def one(url: str, modality: Modality) -> None:
        async with slots:
            try:
                with tempfile.TemporaryDirectory(prefix="reelq-media-") as directory:
                    path, size = await _download(sessions, url, modality, Path(directory))
                    async with looking:
                        facts = await asyncio.to_thread(probe.look, path, modality, size)
                found.facts[url] = replace(facts, name=_name_of(url))
            except ValueError as exc:
                found.problems[url] = _plain(str(exc))
        if progress is not None:
            progress(len(found.facts) + len(found.problems), len(wanted))

    try:
        await asyncio.gather(*(one(url, modality) for url, modality in wanted.items()))
    finally:
        await sessions.close()


async def _download(sessions: PublicSessions, url: str, modality: Modality, directory: Path) -> tuple[Path, int]:
    """The file and its size.

    Raises:
        ValueError: it could not be fetched; the text says why.
    """
    path = directory / f"file.{_extension(url, modality)}"
    target = sendable(url)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            session = sessions.for_url(target)
            async with session.get(target, allow_redirects=False) as response:
                if response.status in _REDIRECTS and "Location" in response.headers:
                    target = target.join(sendable(response.headers["Location"]))
                    continue
                return path, await _save(response, path, MAX_BYTES[modality])
    except AddressNotPublic as exc:
        raise ValueError(f"cannot be fetched: {exc}") from exc
    except TimeoutError as exc:
        raise ValueError("cannot be fetched: no answer in time") from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise ValueError(f"cannot be fetched: {_words(exc)}") from exc
    raise ValueError(f"cannot be fetched: it redirects more than {MAX_REDIRECTS} times")


async def _save(response: aiohttp.ClientResponse, path: Path, most: int) -> int:
    """Write the body to a file; returns its size.

    Raises:
        ValueError: it is no file, empty, or too large.
    """
    if response.status != 200:
        raise ValueError(f"answers HTTP {response.status} {response.reason or ''}".rstrip())
    size = 0
    with path.open("wb") as file:
        async for block in response.content.iter_chunked(_BLOCK):
            size += len(block)
            if max(size, response.content_length or 0) > most:
                raise ValueError(f"is larger than {most // 2**20} MiB")
            file.write(block)
    if size == 0:
        raise ValueError("is empty")
    return size


def _words(exc: Exception) -> str:
    cause = exc.__cause__ if isinstance(exc, NotConnected) else exc
    if type(cause) is aiohttp.ClientConnectorDNSError:
        return f"there is no host {cause.host}"
    if type(cause) is aiohttp.ClientConnectorError:
        return f"no connection to {cause.host}:{cause.port}"
    return failure_text(exc)


def _plain(message: str) -> str:
    """A message of the probe without the name of our copy."""
    return message.partition("/file.")[2].partition(" ")[2] if "/file." in message else message


def _name_of(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2]) or urlsplit(url).netloc


def _extension(url: str, modality: Modality) -> str:
    ending = urlsplit(url).path.rpartition(".")[2].lower()
    return ending if ending in MEDIA_TYPES[modality] else "bin"

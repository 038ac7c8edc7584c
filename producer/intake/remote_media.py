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
from seedance.public_addresses import is_public
from seedance.public_hosts import AddressNotPublic, public_connector
from seedance.request import Modality
from storage.settings import Settings

MAX_BYTES: Final[Mapping[Modality, int]] = {"image": 64 * 2**20, "video": 256 * 2**20, "audio": 64 * 2**20}
"""Above what any gateway takes."""
PARALLEL: Final = 16
WHOLE_S: Final = 60.0
"""The longest that one file may take."""
_STALL_S = 20.0
_BLOCK = 2**18
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Fetched:
    """What was found, by URL: `facts` of good files, and for the others the `problems`."""

    facts: dict[str, MediaFacts] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def fetch_all(wanted: Mapping[str, Modality], settings: Settings, progress: Progress | None = None) -> Fetched:
    """Fetch each URL once and look at what came. Only public addresses are fetched from, at every redirect, unless the
    settings allow private networks."""
    found = Fetched()
    if wanted:
        probe = Probe()
        try:
            asyncio.run(_fetch_all(wanted, settings.allow_private_networks, probe, found, progress))
        finally:
            probe.close()
    return found


async def _fetch_all(
    wanted: Mapping[str, Modality], private: bool, probe: Probe, found: Fetched, progress: Progress | None
) -> None:
    connector = public_connector(judge=(lambda _: True) if private else is_public, limit=PARALLEL, limit_per_host=8)
    timeout = aiohttp.ClientTimeout(total=WHOLE_S, sock_connect=_STALL_S, sock_read=_STALL_S)
    looking = asyncio.Lock()  # the probe is one process
    left = asyncio.Semaphore(PARALLEL)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True) as session:

        async def one(url: str, modality: Modality) -> None:
            async with left:
                try:
                    with tempfile.TemporaryDirectory(prefix="reelq-media-") as directory:
                        path, size = await _download(session, url, modality, Path(directory))
                        async with looking:
                            facts = await asyncio.to_thread(probe.look, path, modality, size)
                    found.facts[url] = replace(facts, name=_name_of(url))
                except ValueError as exc:
                    found.problems[url] = _plain(str(exc))
            if progress is not None:
                progress(len(found.facts) + len(found.problems), len(wanted))

        await asyncio.gather(*(one(url, modality) for url, modality in wanted.items()))


async def _download(session: aiohttp.ClientSession, url: str, modality: Modality, directory: Path) -> tuple[Path, int]:
    """The file and its size.

    Raises:
        ValueError: it could not be fetched; the text says why.
    """
    most = MAX_BYTES[modality]
    path = directory / f"file.{_extension(url, modality)}"
    size = 0
    try:
        async with session.get(url, max_redirects=5) as response:
            if response.status != 200:
                raise ValueError(f"answers HTTP {response.status} {response.reason or ''}".rstrip())
            if (response.content_length or 0) > most:
                raise ValueError(f"is larger than {most // 2**20} MiB")
            with path.open("wb") as file:
                async for block in response.content.iter_chunked(_BLOCK):
                    size += len(block)
                    if size > most:
                        raise ValueError(f"is larger than {most // 2**20} MiB")
                    file.write(block)
    except AddressNotPublic as exc:
        raise ValueError(f"cannot be fetched: {exc}") from exc
    except TimeoutError as exc:
        raise ValueError("cannot be fetched: no answer in time") from exc
    except aiohttp.TooManyRedirects as exc:
        raise ValueError("cannot be fetched: it redirects more than 5 times") from exc
    except aiohttp.ClientConnectorError as exc:
        raise ValueError(f"cannot be fetched: {exc.os_error.strerror or exc.os_error}") from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise ValueError(f"cannot be fetched: {exc or type(exc).__name__}") from exc
    if size == 0:
        raise ValueError("is empty")
    return path, size


def _plain(message: str) -> str:
    """A message of the probe without the name of our copy."""
    return message.partition("/file.")[2].partition(" ")[2] if "/file." in message else message


def _name_of(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2]) or urlsplit(url).netloc


def _extension(url: str, modality: Modality) -> str:
    ending = urlsplit(url).path.rpartition(".")[2].lower()
    return ending if ending in MEDIA_TYPES[modality] else "bin"

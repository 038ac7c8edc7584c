"""Checks of what lies around reelq: the URL at which others reach it, the disk, and the variables of this process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from producer.health.findings import Finding, bad, good, warn
from producer.health.variables import unknown_variables
from seedance.network.sessions import failure_text, open_session
from storage.settings import STACK_FILE, Settings

FETCH_S = 6.0
LITTLE_BYTES, TOO_LITTLE_BYTES = 5 * 10**9, 10**9
"""Free space of the data directory that is worth a warning, and that is nearly none."""
_LIVES = b'{"status":"ok"}'


def check_public_url(settings: Settings) -> Iterator[Finding]:
    """Whether `public_url` leads to this API, as far as this host can see; nothing if it is not set."""
    if settings.public_url is None:
        return
    url = f"{settings.public_url.rstrip('/')}/healthz"

    async def fetch() -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=FETCH_S)
        async with (
            open_session(settings.outbound(), timeout=timeout) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.content.read(4096)

    host = urlsplit(settings.public_url).netloc.rpartition("@")[2]
    try:
        status, body = asyncio.run(fetch())
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        text = (
            f"{host} cannot be reached from this host ({failure_text(exc)}); gateways' callbacks and links to the API "
            "fail if it cannot from outside either: correct public_url, DNS or the proxy in front"
        )
        yield warn("public_url", text, "public_url_unreachable")
        return
    if status != 200 or body.replace(b" ", b"") != _LIVES:
        text = (
            f"another program answers at {host} (HTTP {status} for /healthz); correct public_url, or let the proxy in "
            "front pass every path on to the API"
        )
        yield bad("public_url", text, "public_url_elsewhere")
    else:
        yield good("public_url", f"{host} leads to the API")


def check_disk(directory: Path) -> Iterator[Finding]:
    """Whether the disk of a local stack has space left; nothing if no stack lives there."""
    if not (directory / STACK_FILE).exists():
        return
    free = shutil.disk_usage(directory).free
    text = f"{free / 10**9:.1f} GB are free for {directory}; free space, or move the directory to a larger disk"
    if free < TOO_LITTLE_BYTES:
        yield bad("disk", f"{text}, before the database stops", "disk_full")
    elif free < LITTLE_BYTES:
        yield warn("disk", text, "disk_full")
    else:
        yield good("disk", f"{free / 10**9:.0f} GB are free for {directory}")


def check_variables(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Variables that look like settings but are none."""
    for name, meant in unknown_variables(environ, settings):
        hint = f"did you mean {meant}?" if meant else "remove it"
        yield warn("configuration", f"{name} is not a setting, so it has no effect; {hint}", "unknown_variable")

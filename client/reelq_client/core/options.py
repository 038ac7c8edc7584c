"""Where the API is, and how to talk to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import httpx

from reelq_client.core.errors import ConfigurationError
from reelq_client.core.requests import Request

URL_VARIABLE, KEY_VARIABLE = "REELQ_API_URL", "REELQ_API_KEY"
_KEEP_OPEN_S = 45.0
"""How long a stream may be silent: the API sends a comment every 15 s."""


@dataclass(frozen=True)
class Options:
    """The options of a client."""

    base_url: str
    api_key: str | None = field(repr=False)
    timeout_s: float
    max_retries: int

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        found = {"User-Agent": f"reelq-client/{_version()} httpx/{httpx.__version__}"}
        return found if self.api_key is None else found | {"Authorization": f"Bearer {self.api_key}"}

    def timeout(self, request: Request | None = None) -> httpx.Timeout:
        """How long each step of a request may take."""
        longest = self.timeout_s if request is None or request.timeout_s is None else request.timeout_s
        return httpx.Timeout(longest, connect=min(self.timeout_s, 10.0))

    @property
    def stream_timeout(self) -> httpx.Timeout:
        """The same for a stream of events."""
        return httpx.Timeout(_KEEP_OPEN_S, connect=min(self.timeout_s, 10.0))


def read_options(
    base_url: str | None,
    api_key: str | None,
    timeout: float,
    max_retries: int,
    environment: Mapping[str, str] | None = None,
) -> Options:
    """The options, with those that are missing from the environment.

    Raises:
        ConfigurationError: there is no URL, or it is none.
    """
    environment = os.environ if environment is None else environment
    url = base_url or environment.get(URL_VARIABLE, "")
    if not url:
        raise ConfigurationError(f'the URL of the API is missing; set {URL_VARIABLE}, or give it: Reelq("https://…")')
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"the URL of the API must begin with http:// or https://, not {url[:40]!r}")
    key = api_key or environment.get(KEY_VARIABLE) or None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the key has characters that a key never has; copy it again")
    return Options(url.rstrip("/"), key, timeout, max_retries)


def _version() -> str:
    try:
        return version("reelq-client")
    except PackageNotFoundError:
        return "0"

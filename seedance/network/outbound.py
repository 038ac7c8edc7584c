"""How this process reaches others over HTTP: one value, read once and passed down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from seedance.network.authorities import Authorities, read_authorities
from seedance.network.proxies import Proxies, read_proxies


@dataclass(frozen=True, slots=True)
class Outbound:
    """The proxies and the certificate authorities."""

    proxies: Proxies = field(default_factory=Proxies)
    authorities: Authorities = field(default_factory=Authorities)

    def describe(self, url: str) -> str:
        """The way to a URL, for people: through which proxy, with whose certificates."""
        proxy = self.proxies.of(url)
        way = f"through the proxy {proxy.url}" if proxy is not None else "directly"
        if url.startswith("https:") and self.authorities.sources:
            way += f", with certificates of {self.authorities.describe()} too"
        return way


DIRECT = Outbound()
"""No proxy, and the system's authorities."""


def read_outbound(
    environ: Mapping[str, str] = os.environ, proxy: str | None = None, ca_file: str | None = None
) -> Outbound:
    """What the settings and the environment say.

    Raises:
        InvalidInput: a proxy or a file cannot be used.
    """
    return Outbound(read_proxies(environ, proxy), read_authorities(environ, ca_file))

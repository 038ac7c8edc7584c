"""Which proxy a URL goes through: the rule, in one place. Pure.

`HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY` (lower case wins) name it, or one setting for all. What `NO_PROXY` names
goes directly, and so does what can only be near: loopback, and host names without a dot, such as another container's.

Sources: https://everything.curl.dev/usingcurl/proxies/env.html,
https://about.gitlab.com/blog/we-need-to-talk-no-proxy/ (how programs differ).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, unquote, urlsplit

from seedance.problems import InvalidInput, Problem

NONE = "none"
"""The value of the setting that ignores the environment."""
_PORTS = {"http": 80, "https": 443}
_WITH_PORT = re.compile(r"\[([0-9a-f:.]+)\](?::(\d+))?|([^:]+):(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. `url` has no user and password, so it may be shown."""

    url: str
    username: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def full_url(self) -> str:
        """With user and password, for programs that want one string. Never log it."""
        if self.username is None:
            return self.url
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{quote(self.username, safe='')}:{quote(self.password, safe='')}@{rest}"


def parse_proxy(text: str) -> Proxy:
    """Parse a proxy's URL. Without a scheme it is http.

    Raises:
        ValueError: it cannot be used; the text says why and has no password.
    """
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
        if ":" in (host or ""):
            ip_address(host or "")
    except ValueError as exc:
        raise ValueError("is not a URL such as http://proxy.example:3128") from exc
    if parts.scheme.startswith("socks"):
        raise ValueError(f"{parts.scheme}:// is not supported; use the proxy's http:// port")
    if parts.scheme not in _PORTS:
        raise ValueError(f"must be an http:// or https:// URL, not {parts.scheme}://")
    if not host or any(c.isspace() for c in host):
        raise ValueError("has no host; write http://proxy.example:3128")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must have nothing after the port; encode special characters of a password, such as / as %2F")
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port or _PORTS[parts.scheme]}"
    username = None if parts.username is None else unquote(parts.username)
    return Proxy(shown, username, unquote(parts.password or ""))


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of this process, by the scheme of the URL. `exceptions`: the entries of `NO_PROXY`."""

    http: Proxy | None = None
    https: Proxy | None = None
    exceptions: tuple[str, ...] = ()

    def of(self, url: str) -> Proxy | None:
        """The proxy for a URL, None for a direct connection."""
        if self.http is None and self.https is None:
            return None
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".").lower()
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            return None
        proxy = {"http": self.http, "https": self.https}.get(parts.scheme)
        if proxy is None or _is_near(host) or any(_names(entry, host, port) for entry in self.exceptions):
            return None
        return proxy


def read_proxies(environ: Mapping[str, str], setting: str | None = None) -> Proxies:
    """The proxies of the setting, else those of the environment. `NO_PROXY` counts for both; `none`: no proxy at all.

    Raises:
        InvalidInput: one of them cannot be used; the message names it.
    """
    if setting == NONE:
        return Proxies()
    http: Proxy | None
    https: Proxy | None
    if setting:
        http = https = _parsed("proxy", setting)
    else:
        http, https = (_first(environ, f"{scheme}_proxy", "all_proxy") for scheme in ("http", "https"))
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return Proxies(http, https, tuple(entry.lower() for entry in re.split(r"[,\s]+", listed) if entry))


def _first(environ: Mapping[str, str], *names: str) -> Proxy | None:
    for name in names:
        for spelling in (name, name.upper()):
            if value := environ.get(spelling, "").strip():
                return _parsed(spelling, value)
    return None


def _parsed(name: str, text: str) -> Proxy:
    try:
        return parse_proxy(text)
    except ValueError as exc:
        raise InvalidInput([Problem(name, f'{exc}; or set proxy = "{NONE}" to use no proxy')]) from exc


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_near(host: str) -> bool:
    """Whether a host is this machine, or a name that only our own network can resolve."""
    address = _address(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    return "." not in host or host.endswith(".localhost")


def _names(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `NO_PROXY` names a host and port. A name stands for its subdomains too, with or without a
    leading dot."""
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ip_network(entry, strict=False)
        except ValueError:
            return False
    if _address(entry) is None and (found := _WITH_PORT.fullmatch(entry)) is not None:
        named, wanted = found[1] or found[3], found[2] or found[4]
        if wanted and int(wanted) != port:
            return False
        entry = named
    if (same := _address(entry)) is not None:
        return same == address
    name = entry.removeprefix("*").strip(".")
    return bool(name) and address is None and (host == name or host.endswith(f".{name}"))

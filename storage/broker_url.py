"""Parse `broker_url` in the spellings that Celery, redis-py and Valkey document.

Celery's transport and redis-py read such URLs differently: each refuses parameters of the other, and Celery's transport
does not verify certificates for a plain `rediss://`. So the URL is parsed here once, and both get the same arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from storage.addresses.url_authority import HINT, is_broken_by_password

PORT, SENTINEL_PORT = 6379, 26379
_TLS = {"redis": False, "valkey": False, "rediss": True, "valkeys": True, "sentinel": False}
_SOCKETS = ("unix", "redis+socket")
_VERIFICATION = {"required": "required", "optional": "optional", "none": "none"}
_FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_TLS_PARAMETERS = (*_FILES, "ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_data", "ssl_password")
_SENTINEL_PARAMETERS = ("sentinel_username", "sentinel_password")
_PARAMETERS = ("db", "virtual_host", "username", "password", "protocol", "ssl", "socket_connect_timeout")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """A parsed URL."""

    hosts: tuple[tuple[str, int], ...] = ()
    """The server, or the Sentinels; empty for a Unix socket."""
    socket_path: str | None = None
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_master: str | None = None
    """The name under which the Sentinels know the server; None: `hosts` is the server itself."""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: Mapping[str, str | bool] | None = None
    """redis-py's `ssl_…` arguments; None: no TLS."""
    connect_timeout_s: float | None = None

    @property
    def where(self) -> str:
        """Host and port, for messages."""
        if self.socket_path is not None:
            return self.socket_path
        found = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{self.sentinel_master} of the Sentinels {found}" if self.sentinel_master else found


def parse_broker_url(url: str, sentinel_master: str | None = None, ca_file: str | None = None) -> BrokerUrl:
    """Parse a URL. Separate several Sentinels with `;` (each with its scheme, as in Celery) or with `,`.

    `ca_file`: the authorities to trust in addition to the system's, if the URL itself names none.

    Raises:
        ValueError: it cannot be used; the text says why and has no password.
    """
    first, *others = url.split(";")
    if is_broken_by_password(first):
        raise ValueError(f"has no readable host; {HINT.format('broker_password')}")
    parts = _split(first)
    if parts.scheme in _SOCKETS:
        if sentinel_master:
            raise ValueError("broker_sentinel_master needs a URL sentinel://HOST:26379/0")
        return _socket(parts)
    if parts.scheme not in _TLS:
        known = ", ".join(f"{scheme}://" for scheme in (*_TLS, *_SOCKETS))
        raise ValueError(f"the scheme {parts.scheme!r} is not supported; use one of {known}")
    is_sentinel = parts.scheme == "sentinel"
    if is_sentinel and not sentinel_master:
        raise ValueError("names Sentinels; set broker_sentinel_master to the name of their master")
    if not is_sentinel and sentinel_master:
        raise ValueError("broker_sentinel_master is set, but this names no Sentinels (sentinel://HOST:26379/0)")
    port = SENTINEL_PORT if is_sentinel else PORT
    hosts = [*_hosts(parts, port), *(host for other in others for host in _hosts(_split(other), port))]
    if len(hosts) > 1 and not is_sentinel:
        raise ValueError("names several servers; only Sentinels may be several")
    given = _query(parts, (*_PARAMETERS, *_TLS_PARAMETERS, *(_SENTINEL_PARAMETERS if is_sentinel else ())))
    # In a list the last URL may carry the path: sentinel://a;sentinel://b/1.
    path = next((path for path in (parts.path, *(_split(o).path for o in reversed(others))) if path.strip("/")), "")
    return BrokerUrl(
        hosts=tuple(hosts),
        db=_db(path.strip("/") or given.get("db") or given.get("virtual_host") or "0"),
        username=unquote(parts.username or "") or given.get("username"),
        password=unquote(parts.password or "") or given.get("password"),
        sentinel_master=sentinel_master or None,
        sentinel_username=given.get("sentinel_username"),
        sentinel_password=given.get("sentinel_password"),
        tls=_tls(_TLS[parts.scheme], given, ca_file),
        connect_timeout_s=_seconds(given),
    )


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url.strip())
    except ValueError as exc:
        raise ValueError("is not a URL") from exc


def _hosts(parts: SplitResult, default: int) -> list[tuple[str, int]]:
    found = []
    for one in parts.netloc.rpartition("@")[2].split(","):
        try:
            each = urlsplit(f"//{one}")
            found.append((unquote(each.hostname or "") or "127.0.0.1", each.port or default))
        except ValueError as exc:
            raise ValueError("has a port that is not a number from 1 to 65535") from exc
    return found


def _socket(parts: SplitResult) -> BrokerUrl:
    given = _query(parts, ("db", "virtual_host", "username", "password", "protocol"))
    return BrokerUrl(
        socket_path=unquote(parts.path),
        db=_db(given.get("db") or given.get("virtual_host") or "0"),
        username=unquote(parts.username or "") or given.get("username"),
        password=unquote(parts.password or "") or given.get("password"),
    )


def _query(parts: SplitResult, known: tuple[str, ...]) -> dict[str, str]:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "ssl_keyfile_password" in given:
        given["ssl_password"] = given.pop("ssl_keyfile_password")
    for name in given:
        if name not in known:
            raise ValueError(f"has the parameter {name}, which is not supported; supported are {', '.join(known)}")
    return given


def _db(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"has the database {text!r}, which is not a number such as /0")
    return int(text)


def _seconds(given: Mapping[str, str]) -> float | None:
    text = given.get("socket_connect_timeout")
    try:
        return None if text is None else float(text)
    except ValueError as exc:
        raise ValueError("socket_connect_timeout must be a number of seconds") from exc


def _boolean(name: str, text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(f"{name} must be true or false")
    return text.lower() in _TRUE


def _tls(by_scheme: bool, given: Mapping[str, str], ca_file: str | None) -> dict[str, str | bool] | None:
    """TLS arguments. Certificates are verified unless the URL turns that off."""
    wanted = _boolean("ssl", given["ssl"]) if "ssl" in given else by_scheme
    ours = {name: given[name] for name in _TLS_PARAMETERS if name in given}
    if not wanted:
        if ours:
            raise ValueError(f"has {next(iter(ours))}, but no TLS; write rediss:// (for Sentinels, ssl=true)")
        return None
    for name in _FILES:
        if name in ours and not Path(ours[name]).exists():
            raise ValueError(f"{name}: the file {ours[name]} does not exist")
    if ca_file is not None and not {"ssl_ca_certs", "ssl_ca_path", "ssl_ca_data"} & set(ours):
        ours["ssl_ca_certs"] = ca_file
    said = ours.pop("ssl_cert_reqs", "required")
    verification = _VERIFICATION.get(said.lower().removeprefix("ssl.").removeprefix("cert_"))
    if verification is None:
        raise ValueError(
            f"ssl_cert_reqs must be required, optional or none (CERT_REQUIRED, CERT_OPTIONAL, CERT_NONE), not {said!r}"
        )
    by_name = _boolean("ssl_check_hostname", ours.pop("ssl_check_hostname", "true")) and verification != "none"
    return {**ours, "ssl_cert_reqs": verification, "ssl_check_hostname": by_name}

"""Parse `database_url`. All its parameters are kept; ours are defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from storage.addresses.url_authority import HINT, is_broken_by_password

KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 10, 5, 3
TCP_USER_TIMEOUT_MS = 20_000

# A server that vanished must not hold a thread for the kernel's two hours.
_KEEP_ALIVE: Mapping[str, int] = {
    "keepalives_idle": KEEPALIVE_IDLE_S,
    "keepalives_interval": KEEPALIVE_INTERVAL_S,
    "keepalives_count": KEEPALIVE_COUNT,
    "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
}
_SCHEMA = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",\s]*))\s*(?:,|$)')
_ARGUMENT = re.compile(r"(?:\\.|\S)+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NAMED = re.compile(r"(?:-c|--)\s*([\w.-]+)=(.*)", re.DOTALL)


class UnusableUrl(ValueError):
    """The URL cannot be read. The text is one line, without the password."""


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A parsed URL."""

    parameters: Mapping[str, str]
    """libpq's parameters, without `search_path`."""
    search_path: str | None
    """The schemas of `options=-csearch_path=…`. None: the server's default. It is set in each transaction, because a
    pooler may refuse or drop `options`, or give the session to another client."""

    @property
    def where(self) -> str:
        """Hosts, ports and database, for messages."""
        hosts = (self.parameters.get("host") or self.parameters.get("hostaddr") or "localhost").split(",")
        ports = (self.parameters.get("port") or "5432").split(",")
        if len(ports) != len(hosts):
            ports = ports[:1] * len(hosts)
        pairs = ",".join(f"{host}:{port or 5432}" for host, port in zip(hosts, ports, strict=True))
        database = self.parameters.get("dbname")
        return f"{pairs}/{database}" if database else pairs

    @property
    def schema(self) -> str | None:
        """The first schema of `search_path`, where tables are created. None: the URL names none."""
        for quoted, plain in _SCHEMA.findall(self.search_path or ""):
            name = quoted.replace('""', '"') if quoted else plain.lower()
            if name not in ("", "$user"):
                return str(name)
        return None

    def conninfo(self, name: str, connect_timeout_s: int) -> str:
        """The connection string. `name` and `connect_timeout_s` count unless the URL or libpq's variables set them."""
        defaults: dict[str, str | int] = {**_KEEP_ALIVE, "fallback_application_name": name}
        if "PGCONNECT_TIMEOUT" not in os.environ:
            defaults["connect_timeout"] = connect_timeout_s
        # Without it psycopg reads the text of a SQL_ASCII database as bytes.
        return make_conninfo("", **{**defaults, **self.parameters, "client_encoding": "UTF8"})


def parse_database_url(url: str) -> DatabaseUrl:
    """Parse a URL as libpq does. SQLAlchemy's driver suffix (`postgresql+psycopg://`) is dropped.

    Raises:
        UnusableUrl: libpq cannot read it.
    """
    scheme, separator, rest = url.partition("://")
    if is_broken_by_password(url):  # what follows would be read as host or port, and shown in messages
        raise UnusableUrl(f"the host cannot be found in it; {HINT.format('database_password')}")
    try:
        found = conninfo_to_dict(f"{scheme.split('+')[0]}{separator}{rest}" if separator else url)
    except psycopg.ProgrammingError as exc:
        raise UnusableUrl(_without_password(str(exc).splitlines()[0], url)) from exc
    parameters = {key: str(value) for key, value in found.items() if value is not None}
    for port in parameters.get("port", "").split(","):
        if port and not port.isdecimal():
            raise UnusableUrl(f"the port {port!r} is not a number")
    others, search_path = _split_options(parameters.pop("options", ""))
    if others:
        parameters["options"] = others
    return DatabaseUrl(parameters, search_path)


def _without_password(message: str, url: str) -> str:
    try:
        password = urlsplit(url).password
    except ValueError:
        return message.split('"')[0].rstrip(": ")
    return message.replace(password, "***") if password else message


def _split_options(options: str) -> tuple[str, str | None]:
    """Split `search_path` off the server's options."""
    kept: list[str] = []
    search_path: str | None = None
    arguments = _ARGUMENT.findall(options)
    while arguments:
        argument = arguments.pop(0)
        whole = f"{argument}{arguments.pop(0)}" if argument == "-c" and arguments else argument
        named = _NAMED.fullmatch(_ESCAPED.sub(r"\1", whole))
        if named and named[1].replace("-", "_").lower() == "search_path":
            search_path = named[2]
        else:
            kept.append(whole)
    return " ".join(kept), search_path

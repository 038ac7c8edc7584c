"""Which certificate authorities count: those of the system, and private ones that the configuration adds.

`SSL_CERT_FILE` and `SSL_CERT_DIR` are OpenSSL's own names for the system's authorities. `ca_file`,
`REQUESTS_CA_BUNDLE` and `AWS_CA_BUNDLE` add to them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from seedance.problems import InvalidInput, Problem

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Authorities:
    """Files and directories with certificates, each with the setting or variable that names it."""

    sources: tuple[tuple[str, str], ...] = ()

    def context(self) -> ssl.SSLContext:
        """What verifies servers; shared, so do not change it."""
        return _context(self.sources)

    def new_context(self) -> ssl.SSLContext:
        """The same, for a caller that changes it."""
        context = ssl.create_default_context()
        for _, path in self.sources:
            _load(context, path)
        return context

    def describe(self) -> str:
        """The settings and paths, for people; empty if there are only the system's own."""
        return ", ".join(f"{name} {path}" for name, path in self.sources)


def read_authorities(environ: Mapping[str, str], ca_file: str | None = None) -> Authorities:
    """The authorities that the setting and the environment name.

    Raises:
        InvalidInput: a file is missing, cannot be read or has no certificate; the message names it.
    """
    named = [("ca_file", ca_file), *((name, environ.get(name)) for name in VARIABLES)]
    found = []
    for name, path in named:
        for one in (path or "").split(os.pathsep) if name == "SSL_CERT_DIR" else [path or ""]:
            if one:
                _check(name, one)
                found.append((name, one))
    return Authorities(tuple(found))


def _check(name: str, path: str) -> None:
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            state = os.stat(path)
            _read(path, state.st_mtime_ns, state.st_size)
    except ssl.SSLError as exc:
        raise InvalidInput([Problem(name, f"{path} holds no certificate in PEM form")]) from exc
    except OSError as exc:
        raise InvalidInput([Problem(name, f"{path} cannot be read: {exc.strerror or exc}")]) from exc


@lru_cache(maxsize=8)
def _read(path: str, _mtime_ns: int, _size: int) -> None:
    """Read a file's certificates, once for each state of the file: the system's take 18 ms, often several variables
    name one file, and a process reads its settings several times."""
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), path)


def _load(context: ssl.SSLContext, path: str) -> None:
    if os.path.isdir(path):
        context.load_verify_locations(capath=path)
    else:
        context.load_verify_locations(cafile=path)


@lru_cache(maxsize=8)
def _context(sources: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    context = Authorities(sources).new_context()
    context.set_alpn_protocols(["http/1.1"])
    return context

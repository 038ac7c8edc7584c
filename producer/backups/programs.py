"""Find PostgreSQL's own programs for dumps, in a version that fits the server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from producer.backups.errors import BackupFailed
from producer.local.errors import StackError
from producer.local.servers.wheels import postgres_bin
from storage.database import CONNECT_TIMEOUT_S
from storage.database_url import parse_database_url

NAMES = ("pg_dump", "pg_restore", "psql")
_DEBIAN = Path("/usr/lib/postgresql")
_VERSION_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Programs:
    """A directory with `pg_dump`, `pg_restore` and `psql`, and their major version."""

    directory: Path
    major: int

    def path(self, name: str) -> str:
        """The path of one of them."""
        return str(self.directory / name)


def programs_since(major: int) -> list[Programs]:
    """The programs for a server of that major version: of the same one, and of newer ones. An older `pg_dump` refuses a
    newer server.

    Raises:
        BackupFailed: there are none.
    """
    found: dict[int, Programs] = {}
    for directory in _directories():
        version = _version(directory)
        if version is not None and version >= major:
            found.setdefault(version, Programs(directory, version))
    if not found:
        raise BackupFailed(
            f"the server is PostgreSQL {major}, and no pg_dump of that version or later was found on PATH; install "
            f"PostgreSQL's client {major} (Debian: postgresql-client-{major}), or reelq with its `backup` extra"
        )
    return [found[version] for version in sorted(found)]


def _directories() -> Iterator[Path]:
    """Directories that may have the programs, in the order in which they are preferred."""
    for part in os.environ.get("PATH", "").split(os.pathsep):
        if part:
            yield Path(part)
    yield from sorted(_DEBIAN.glob("*/bin"))
    try:
        yield postgres_bin()
    except StackError:
        return


def _version(directory: Path) -> int | None:
    """The major version of the programs in a directory; None if one is missing or does not run."""
    if not all(shutil.which(name, path=str(directory)) for name in NAMES):
        return None
    try:
        done = subprocess.run(
            [str(directory / "pg_dump"), "--version"],
            capture_output=True,
            text=True,
            timeout=_VERSION_LIMIT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\b(\d+)\.\d+", done.stdout)
    return int(found[1]) if found is not None else None


@dataclass(frozen=True, slots=True)
class Target:
    """A database for the programs: `conninfo` without a password, which goes through the environment, `where` for
    messages, and the schema that has our tables."""

    conninfo: str
    where: str
    schema: str
    major: int
    environ: Mapping[str, str]


def target_of(url: str) -> Target:
    """Ask the database at this URL for its version and schema.

    Raises:
        BackupFailed: it does not answer.
    """
    parsed = parse_database_url(url)
    conninfo = parsed.conninfo("reelq backup", CONNECT_TIMEOUT_S)
    try:
        with psycopg.connect(conninfo, autocommit=True, prepare_threshold=None) as conn:
            row = conn.execute("SELECT coalesce(%s::text, current_schema(), 'public')", [parsed.schema]).fetchone()
            schema = "public" if row is None else str(row[0])
            major = conn.info.server_version // 10_000
    except psycopg.Error as exc:
        raise BackupFailed(f"the database does not answer: {str(exc).splitlines()[0]}") from exc
    parts = conninfo_to_dict(conninfo)
    password = parts.pop("password", None)
    secret = {"PGPASSWORD": str(password)} if password else {}
    return Target(make_conninfo("", **parts), parsed.where, schema, major, dict(os.environ) | secret)


def failure_of(program: str, code: int, errors: str) -> BackupFailed:
    """The error of a program that ended with a code."""
    lines = [line for line in errors.splitlines() if line.strip()]
    said = next((line for line in lines if "error:" in line or "ERROR:" in line or "FATAL:" in line), None)
    return BackupFailed(f"{program}: {said or (lines[-1] if lines else f'exit code {code}')}")


def run(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Run a program to its end; returns what it printed.

    Raises:
        BackupFailed: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, env=dict(environ), check=False)
    if done.returncode != 0:
        raise failure_of(Path(command[0]).name, done.returncode, done.stderr)
    return done.stdout

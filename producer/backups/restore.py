"""Restore a dump: all of it in one transaction, or nothing."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlmodel import SQLModel

import storage.schema  # noqa: F401 - registers the tables
from producer.backups.errors import BackupFailed
from producer.backups.programs import Programs, Target, failure_of, programs_since, run, target_of
from storage import heartbeats
from storage.database import connect
from storage.journal.state import RESTORED

IN_USE_S = 15.0
_ENTRY = re.compile(r"\d+; \d+ \d+ (?P<kind>TABLE DATA|SEQUENCE SET|[A-Z ]+?) (?P<schema>\S+) (?P<name>\S+)")
_OWN = ("alembic_version", "jobs", "attempts")
_NEWER_ONLY = (b"SET transaction_timeout",)
"""Settings in the preamble of newer programs that older servers do not know."""
_FUNCTIONS = """
SELECT DISTINCT p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))
  AND c.relname = ANY(%(ours)s)
"""
_SESSIONS = """
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'reelq %' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Backup:
    """A dump that fits a database. `objects`: kind and name of what it creates and of what goes before that;
    `entries`: its table of contents, without the schema itself."""

    path: Path
    target: Target
    programs: Programs
    objects: Collection[tuple[str, str]]
    entries: str


def read_backup(url: str, path: Path) -> Backup:
    """Check that a file is a dump of reelq for the schema that the database's URL names.

    Raises:
        BackupFailed: it is not, or no program can read it.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(5) != b"PGDMP":
            raise BackupFailed(f"{path} is not a dump of `reelq db dump` (pg_dump's custom format)")
    target = target_of(url)
    programs, lines = _list(path, target)
    found = [match for line in lines if (match := _ENTRY.match(line))]
    tables = {(match["schema"], match["name"]) for match in found if match["kind"] == "TABLE"}
    schemas = {schema for schema, name in tables if name in _OWN}
    if not schemas or len(schemas) > 1:
        raise BackupFailed(f"{path} is a dump of another program: it has no tables of reelq")
    [schema] = schemas
    if schema != target.schema:
        raise BackupFailed(
            f"{path} has the schema {schema}, and database_url leads to {target.schema}; "
            f"add options=-csearch_path={schema} to database_url"
        )
    objects = {
        (m["kind"], m["name"].partition("(")[0]) for m in found if m["kind"] in ("TABLE", "SEQUENCE", "FUNCTION")
    }
    objects |= {("FUNCTION", name) for name in _functions(url)}
    # The schema may exist, and may belong to another role.
    kept = [line for line in lines if not re.match(r"\d+; \d+ \d+ (SCHEMA|COMMENT|ACL) ", line)]
    return Backup(path, target, programs, objects, "\n".join(kept) + "\n")


def _list(path: Path, target: Target) -> tuple[Programs, list[str]]:
    """A dump's table of contents, and the programs that can read it: a newer `pg_dump` may have made it than that of
    the server's version."""
    fitting = programs_since(target.major)
    for programs in fitting:
        try:
            return programs, run([programs.path("pg_restore"), "--list", str(path)], target.environ).splitlines()
        except BackupFailed as exc:
            if "unsupported version" not in str(exc):
                raise
    raise BackupFailed(
        f"{path} was made by a newer pg_dump than that of PostgreSQL {fitting[-1].major}, the newest that was found; "
        "install the client that made it, or reelq with its `backup` extra"
    )


def _functions(url: str) -> list[str]:
    """The functions of triggers on our tables, as they are now: a dump of an older release does not name them."""
    with connect(url) as conn:
        return [row[0] for row in conn.execute(_FUNCTIONS, {"ours": list(SQLModel.metadata.tables)})]


def users_of(url: str, *, alone: bool = False) -> list[str]:
    """What still uses the database: open sessions of ours, and parts that were seen in the last seconds, for poolers
    hide sessions. Parts that have just stopped are waited for. `alone`: no part can run, so only sessions count.

    Raises:
        DatabaseUnavailable: as `connect`.
    """
    until = time.monotonic() + IN_USE_S
    while True:
        with connect(url) as conn:
            sessions = {row[0].removeprefix("reelq ") for row in conn.execute(_SESSIONS)} - {"backup", "migration"}
            has_tables = conn.execute("SELECT to_regclass('heartbeats') IS NOT NULL").fetchone() == (True,)
            parts = heartbeats.fresh_components(conn, IN_USE_S) if has_tables and not alone else set()
        if sessions or not parts or time.monotonic() > until:
            return sorted(sessions | parts)
        time.sleep(0.5)


def contents_of(url: str) -> Mapping[str, int] | None:
    """How many jobs of each state the database has; None: it has no tables of ours."""
    with connect(url) as conn:
        if conn.execute("SELECT to_regclass('jobs') IS NOT NULL").fetchone() != (True,):
            return None
        return dict(conn.execute("SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state").fetchall())


def restore(backup: Backup) -> None:
    """Replace reelq's tables by those of the dump, in one transaction.

    Raises:
        BackupFailed: it failed, and nothing has changed.
    """
    with tempfile.TemporaryDirectory(prefix="reelq-restore-") as directory:
        contents = Path(directory) / "contents"
        contents.write_text(backup.entries)
        reading = [backup.programs.path("pg_restore"), "--no-owner", "--no-privileges", f"--use-list={contents}"]
        errors = Path(directory) / "errors"
        with errors.open("w+b") as said:
            psql = _psql(backup, said)
            pg_restore = subprocess.Popen(
                [*reading, "--file=-", str(backup.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(backup.target.environ),
            )
            _feed(backup, psql, pg_restore)
            _, complaint = pg_restore.communicate()
            code = psql.wait()
            said.seek(0)
            text = said.read().decode(errors="replace")
    if pg_restore.returncode != 0 and code == 0:
        raise failure_of("pg_restore", pg_restore.returncode, complaint.decode(errors="replace"))
    if code != 0:
        raise failure_of("psql", code, text)


def _psql(backup: Backup, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [backup.programs.path("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--no-password"]
    return subprocess.Popen(
        [*command, f"--dbname={backup.target.conninfo}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        env=dict(backup.target.environ),
    )


def _feed(backup: Backup, psql: subprocess.Popen[bytes], pg_restore: subprocess.Popen[bytes]) -> None:
    """Send the script. Only a whole one is committed: at the end of its input psql rolls back what is open."""
    assert psql.stdin is not None  # noqa: S101 - as `_psql` made it
    assert pg_restore.stdout is not None  # noqa: S101 - a pipe
    try:
        psql.stdin.write("".join(f"{statement};\n" for statement in _before(backup)).encode())
        for line in pg_restore.stdout:
            if not line.startswith(_NEWER_ONLY):
                psql.stdin.write(line)
        if pg_restore.wait() == 0:
            psql.stdin.write(f"\n{_held(backup)};\nCOMMIT;\n".encode())
        psql.stdin.close()
    except BrokenPipeError:  # psql has stopped at an error, and says which
        pg_restore.kill()


def _before(backup: Backup) -> Iterator[str]:
    schema = _quoted(backup.target.schema)
    ours = {("TABLE", name) for name in (*SQLModel.metadata.tables, "alembic_version")}
    yield "BEGIN"
    yield f"CREATE SCHEMA IF NOT EXISTS {schema}"
    for kind, name in sorted(ours | set(backup.objects), reverse=True):  # tables before sequences and functions
        yield f"DROP {kind} IF EXISTS {schema}.{_quoted(name)} CASCADE"


def _held(backup: Backup) -> str:
    """Hold all submits until the scheduler has compared the database with its journal. A dump of an older release has
    no place for that; its database counts as never compared."""
    table = f"{_quoted(backup.target.schema)}.journal"
    literal = table.replace("'", "''")
    hold = (
        f"jsonb_build_object('code', '{RESTORED}', 'since', now(), 'message', "
        "'the database was restored, and the scheduler has not compared it with its journal yet')"
    )
    update = f"UPDATE {table} SET hold = {hold}"  # noqa: S608 - a quoted name and constants
    return f"DO $do$ BEGIN IF to_regclass('{literal}') IS NOT NULL THEN {update}; END IF; END $do$"


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))

"""Files of OpenAI's Files API: lines of requests, kept in parts of whole lines, until they expire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import uuid_utils.compat
from psycopg.rows import class_row

from storage.database import Connection

MAX_FILES = 200
MAX_TENANT_BYTES = 512 * 2**20
"""Both of one tenant."""
_SWEPT = 20


class NoRoom(Exception):
    """A tenant has as many files as it may."""

    def __init__(self, files: int, size: int) -> None:
        self.files = files
        self.size = size
        super().__init__(files, size)

    def __str__(self) -> str:
        return (
            f"there are {self.files} files of {self.size / 2**20:.0f} MiB together; at most {MAX_FILES} and "
            f"{MAX_TENANT_BYTES // 2**20} MiB"
        )


@dataclass(frozen=True, slots=True)
class File:
    """A file."""

    id: UUID
    tenant: str
    filename: str
    bytes: int
    lines: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """Some whole lines of a file; `first_line` counts from 1."""

    number: int
    first_line: int
    content: bytes


_COLUMNS: LiteralString = "id, tenant, filename, bytes, lines, created_at, expires_at"
_ADD: LiteralString = f"""
INSERT INTO batch_files (id, tenant, filename, bytes, lines, expires_at)
VALUES (%(id)s, %(tenant)s, %(filename)s, %(bytes)s, %(lines)s, now() + make_interval(secs => %(life_s)s))
RETURNING {_COLUMNS}
"""  # noqa: S608 - put together from constants
# A batch that is not stored yet still needs its file.
_SWEEP: LiteralString = """
DELETE FROM batch_files WHERE id IN (
    SELECT id FROM batch_files f WHERE expires_at < now()
      AND NOT EXISTS (SELECT FROM batches b WHERE b.file_id = f.id AND b.due_at IS NOT NULL AND b.next_part IS NOT NULL)
    ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""
_LIST: LiteralString = f"""
SELECT {_COLUMNS} FROM batch_files
WHERE tenant = %(tenant)s AND expires_at > now() AND (%(id)s::uuid IS NULL OR id = %(id)s)
  AND (%(after)s::uuid IS NULL OR id < %(after)s)
ORDER BY id DESC LIMIT %(limit)s
"""  # noqa: S608 - as above
_DELETE: LiteralString = """
DELETE FROM batch_files f WHERE id = %(id)s AND tenant = %(tenant)s
  AND NOT EXISTS (SELECT FROM batches b WHERE b.file_id = f.id AND b.due_at IS NOT NULL AND b.next_part IS NOT NULL)
RETURNING id
"""


def add_file(conn: Connection, tenant: str, filename: str, parts: Sequence[bytes], life_s: float) -> File:
    """Store a file. Each part is some whole lines; only the last line may lack its end.

    Raises:
        NoRoom: the tenant has as many files, or bytes, as it may.
    """
    conn.execute(_SWEEP, {"limit": _SWEPT})
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('batch_files:' || %s, 0))", [tenant])
    size, lines = sum(map(len, parts)), sum(map(_lines, parts))
    row = conn.execute(
        "SELECT count(*), coalesce(sum(bytes), 0) FROM batch_files WHERE tenant = %s", [tenant]
    ).fetchone()
    files, used = (0, 0) if row is None else (int(row[0]), int(row[1]))
    if files >= MAX_FILES or used + size > MAX_TENANT_BYTES:
        raise NoRoom(files, used)
    values = {
        "id": uuid_utils.compat.uuid7(),
        "tenant": tenant,
        "filename": filename,
        "bytes": size,
        "lines": lines,
        "life_s": life_s,
    }
    with conn.cursor(row_factory=class_row(File)) as cursor:
        made = cursor.execute(_ADD, values).fetchone()
    assert made is not None  # noqa: S101 - an INSERT of one row returns it
    first = 1
    for number, content in enumerate(parts):
        conn.execute(
            "INSERT INTO batch_file_parts (file_id, number, first_line, content) VALUES (%s, %s, %s, %s)",
            [made.id, number, first, content],
        )
        first += _lines(content)
    return made


def _lines(content: bytes) -> int:
    return content.count(b"\n") + (0 if content.endswith(b"\n") else 1)


def list_files(conn: Connection, tenant: str, *, after: UUID | None = None, limit: int = 100) -> list[File]:
    """A tenant's files, newest first; `after`: the last one of the previous page."""
    with conn.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(_LIST, {"tenant": tenant, "id": None, "after": after, "limit": limit}).fetchall()


def get_file(conn: Connection, tenant: str, file_id: UUID) -> File | None:
    """The tenant's file with this id; None: there is none, or it has expired."""
    with conn.cursor(row_factory=class_row(File)) as cursor:
        return cursor.execute(_LIST, {"tenant": tenant, "id": file_id, "after": None, "limit": 1}).fetchone()


def delete_file(conn: Connection, tenant: str, file_id: UUID) -> bool:
    """Delete a file; False: a batch still reads it, or there is none."""
    return conn.execute(_DELETE, {"id": file_id, "tenant": tenant}).fetchone() is not None


def get_part(conn: Connection, file_id: UUID, number: int) -> Part | None:
    """One part of a file; None: it has no such part, or the file is gone."""
    row = conn.execute(
        "SELECT number, first_line, content FROM batch_file_parts WHERE file_id = %s AND number = %s",
        [file_id, number],
    ).fetchone()
    return None if row is None else Part(row[0], row[1], bytes(row[2]))


def parts_of(conn: Connection, file_id: UUID) -> Iterator[Part]:
    """Every part of a file in order, one in memory at a time."""
    number = 0
    while (part := get_part(conn, file_id, number)) is not None:
        yield part
        number += 1

"""Find secrets where they must not be: in logs and in rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from psycopg import sql

from storage.database import Connection
from storage.settings import Settings

SIGNATURE = re.compile(r"X-(?:Tos|Amz)-Signature=[0-9A-Fa-f]{16,}")
# A row keeps a signed URL for as long as the video must be downloaded from it.
NEEDED = {"jobs": ("video_url", "last_frame_url")}


def secrets_of(settings: Settings, *more: str) -> list[str]:
    """All secrets: keys of accounts and of the store, passwords in URLs."""
    found = [account.key() for account in settings.accounts]
    if settings.s3_secret_access_key is not None:
        found.append(settings.s3_secret_access_key.get_secret_value())
    for url in (settings.database_url, settings.broker_url):
        if url is not None and (password := re.search(r"://[^:/]*:([^@]+)@", url)):
            found.append(password.group(1))
    return [*found, *more]


def leaks_in_text(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets in a text, cut so that the report does not show them too."""
    found = [f"{secret[:6]}…" for secret in secrets if secret in text]
    return found + [f"{match[:24]}…" for match in SIGNATURE.findall(text)]


def leaks_in_logs(logs: Iterable[Path], secrets: Sequence[str]) -> list[str]:
    return [
        f"{path.name}: {leak}"
        for path in logs
        for leak in sorted(set(leaks_in_text(path.read_text(encoding="utf-8", errors="replace"), secrets)))
    ]


def leaks_in_rows(conn: Connection, secrets: Sequence[str]) -> list[str]:
    """Search every column of every table as text. Only a live job may keep a signed URL."""
    columns = conn.execute(
        """SELECT table_name, column_name FROM information_schema.columns
           WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"""
    ).fetchall()
    found = []
    for table, column in columns:
        live = sql.SQL("")
        if column in NEEDED.get(table, ()):
            live = sql.SQL(" AND finished_at IS NOT NULL AND state = 'succeeded'")
        query = sql.SQL("SELECT {column}::text FROM {table} WHERE {column} IS NOT NULL{live}").format(
            column=sql.Identifier(column), table=sql.Identifier(table), live=live
        )
        text = "\n".join(row[0] for row in conn.execute(query))
        found += [f"{table}.{column}: {leak}" for leak in sorted(set(leaks_in_text(text, secrets)))]
    return found

"""The API key of a stack's owner: one per data directory, in a file that only the owner can read."""

from __future__ import annotations

from pathlib import Path

from producer.local.private_file import write_private
from storage.database import Connection
from storage.settings import API_KEY_FILE
from storage.tenants import keys
from storage.tenants.keys import Scope
from storage.tenants.tenants import DEFAULT_TENANT

NAME = "reelq up"


def keep(conn: Connection, directory: Path) -> None:
    """Keep the directory's key if this database knows it; otherwise create a new key and store it there."""
    path = directory / API_KEY_FILE
    key = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    found = keys.find(conn, public) if (public := keys.key_id(key)) else None
    if found is None or not found.matches(key):
        key, _ = keys.new_key(conn, DEFAULT_TENANT, NAME, [Scope.ADMIN])
        write_private(path, f"{key}\n")

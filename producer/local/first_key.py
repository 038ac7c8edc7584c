"""The API key that a stack makes for its owner: one a data directory, kept in a file that only he can read."""

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
    """See to it that the directory has a key that this database knows: the one it has, or a new one."""
    path = directory / API_KEY_FILE
    key = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    found = keys.find(conn, public) if (public := keys.key_id(key)) else None
    if found is None or not found.matches(key):
        key, _ = keys.new_key(conn, DEFAULT_TENANT, NAME, [Scope.ADMIN])
        write_private(path, f"{key}\n")

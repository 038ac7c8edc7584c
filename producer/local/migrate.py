"""Upgrade the database and create the first key, in a separate process, so that its memory is freed afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from producer.local import first_key
from storage.database import DatabaseUnavailable, connect, upgrade

CLEAR_HEARTBEATS = "--clear-heartbeats"


def main(arguments: list[str]) -> int:
    """Run the upgrade; returns 0, or 2 when the database does not answer."""
    url = os.environ["REELQ_DATABASE_URL"]
    try:
        upgrade(url)
        if CLEAR_HEARTBEATS in arguments:
            # Only this stack uses the database, so all its heartbeats are those of an earlier run.
            with connect(url) as conn:
                conn.execute("DELETE FROM heartbeats")
        with connect(url) as conn:
            first_key.keep(conn, Path(os.environ["REELQ_DATA_DIR"]))
    except DatabaseUnavailable as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

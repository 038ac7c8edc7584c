"""Bring the database up to date and make the first key, in a process of its own: what that needs in memory is gone
afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from producer.local import first_key
from storage.database import DatabaseUnavailable, connect, upgrade

FORGET = "--forget-heartbeats"


def main(arguments: list[str]) -> int:
    url = os.environ["REELQ_DATABASE_URL"]
    try:
        upgrade(url)
        if FORGET in arguments:
            # Nobody else uses this database, so whoever was seen in it belongs to a stack that is gone.
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

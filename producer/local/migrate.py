"""Upgrade the database and create the first key and missing buckets, in a separate process, so that its memory is freed
afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from producer.local import first_key
from storage import heartbeats
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.database import DatabaseUnavailable, connect, upgrade
from storage.settings import load_settings

CLEAR_HEARTBEATS = "--clear-heartbeats"
CREATE_BUCKETS = "--create-buckets"
"""For a store on this machine that the configuration names: it is as much of the stack as one that the stack starts."""


def main(arguments: list[str]) -> int:
    """Run the upgrade; returns 0, or 2 when the database does not answer."""
    url = os.environ["REELQ_DATABASE_URL"]
    try:
        upgrade(url)
        if CLEAR_HEARTBEATS in arguments:
            # Only this stack uses the database, so all its heartbeats are those of an earlier run.
            with connect(url) as conn:
                heartbeats.forget_all(conn)
        with connect(url) as conn:
            first_key.keep(conn, Path(os.environ["REELQ_DATA_DIR"]))
    except DatabaseUnavailable as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    if CREATE_BUCKETS in arguments:
        _create_buckets()
    return 0


def _create_buckets() -> None:
    """Create buckets that do not exist. If the store refuses, that is only logged: `/readyz` says what is missing."""
    try:
        for store in Objects(load_settings()).every():
            store.create_bucket()
    except StoreUnavailable as exc:
        sys.stderr.write(f"{exc}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

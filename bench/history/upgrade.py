"""An upgrade of a large database while it is written: the longest wait of a writer."""

from __future__ import annotations

import time
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from bench.growing.filling import fill
from bench.growing.sizes import Sizes
from bench.history.writers import Waits, writing
from storage import database, revisions
from storage.database import BULK, Database

WARM_UP_S = 3.0


@dataclass(frozen=True, slots=True)
class Upgraded:
    """`before` and `during`: the waits of writers; `seconds`: how long the upgrade took."""

    before: Waits
    during: Waits
    seconds: float


def prepare(url: str, jobs: int, revision: str) -> None:
    """Bring an empty database to an older revision, and fill it with ended jobs."""
    config = Config()
    config.set_main_option("script_location", str(revisions.MIGRATIONS))
    engine = create_engine(url.replace("://", "+psycopg://", 1))
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, revision)
    engine.dispose()
    db = Database(url, name="bench", size=1, limits=BULK)
    try:
        sizes = Sizes(ended=jobs, queued=0, generating=0, transferring=0, receivers=0)
        fill(db, sizes, counted=False)  # the counts are as new as the schema of today
    finally:
        db.close()


def upgrade_under_load(url: str) -> Upgraded:
    """Upgrade a prepared database to the newest revision while jobs are enqueued, claimed and polled."""
    with writing(url) as before:
        time.sleep(WARM_UP_S)
    with writing(url) as during:
        time.sleep(WARM_UP_S)
        start = time.monotonic()
        database.upgrade(url)
        seconds = time.monotonic() - start
        time.sleep(WARM_UP_S)
    return Upgraded(before, during, seconds)

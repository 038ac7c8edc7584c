"""The benchmark of upgrades fills schemas that are older than what today's code keeps."""

from __future__ import annotations

import psycopg

from bench.history.run import SINCE
from bench.history.upgrade import prepare
from storage.database import upgrade
from tests.servers import TestServers


def test_a_database_of_an_older_schema_is_filled_and_can_be_upgraded(servers: TestServers) -> None:
    with servers.databases.database(migrated=False) as url:
        prepare(url, 20, SINCE)
        upgrade(url)
        with psycopg.connect(url) as conn:
            assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (20,)

"""`reelq up --only workers`: one more machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from producer.local.errors import StackError
from producer.local.stack import UpOptions
from producer.local.workers import ROLES, Workers
from seedance.problems import InvalidInput
from storage.database import connect
from storage.settings import Settings
from tests.servers import environ_for
from tests.waiting import PATIENCE_S


def test_it_names_everything_that_must_be_configured(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        asyncio.run(Workers(UpOptions(tmp_path, environ={})).start())
    assert [problem.field for problem in caught.value.problems] == [
        *("database_url", "broker_url", "s3_endpoint_url", "webhook_secret")
    ]


def test_workers_join_a_system_elsewhere_and_leave_it(settings: Settings, tmp_path: Path) -> None:
    async def run() -> dict[str, str]:
        workers = Workers(UpOptions(tmp_path, environ=environ_for(settings)))
        try:
            await workers.start()
            return await workers.wait_ready(2 * PATIENCE_S)
        finally:
            await workers.stop()

    assert asyncio.run(run()) == {}
    with connect(settings.require_database_url()) as conn:
        assert {row[0] for row in conn.execute("SELECT component FROM heartbeats")} == set(ROLES)
        conn.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(StackError, match="run `reelq db upgrade`"):
        asyncio.run(run())

"""What doctor and `/readyz` say about the journal."""

from __future__ import annotations

from typing import LiteralString

import pytest

from producer.health.findings import Level
from producer.health.journal import check_journal
from storage.database import connect
from storage.journal import state
from storage.settings import Settings
from tests.integration.health.test_readiness_of_faults import both, ready


@pytest.mark.parametrize(
    ("fault", "level", "code"),
    [
        ('UPDATE journal SET problem = \'{"code": "no_store", "message": "down"}\'', Level.BAD, "journal_not_read"),
        (
            'UPDATE journal SET problem = \'{"code": "not_listed", "message": "allow"}\'',
            Level.WARN,
            "journal_not_listed",
        ),
        ("UPDATE journal SET behind_at = now(), behind_error = 'down'", Level.WARN, "journal_behind"),
        ("UPDATE journal SET behind_at = now() - interval '1 hour', behind_error = 'down'", Level.OK, None),
    ],
)
def test_each_fault_of_the_journal_is_found(
    settings: Settings, fault: LiteralString, level: Level, code: str | None
) -> None:
    with connect(settings.require_database_url()) as conn:
        conn.execute(fault)
        [found] = check_journal(conn)
    assert (found.level, found.code) == (level, code)


def test_a_held_database_takes_jobs_and_does_not_run_them(settings: Settings) -> None:
    with ready(settings) as api:
        with connect(settings.require_database_url()) as conn:
            state.hold(conn, "copy", "the journal of this database is in http://10.1.2.3/bucket")
            assert next(iter(check_journal(conn))).code == "journal_held"
        jobs, intake, missing, _ = both(api)
    assert (jobs, intake) == (503, 200)
    assert "10.1.2.3" not in missing["journal"]
    assert "reelq db status" in missing["journal"]

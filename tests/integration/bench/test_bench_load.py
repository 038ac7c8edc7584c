"""The API load of `make bench` counts accepted and refused jobs, and the accepted ones are in the table."""

from __future__ import annotations

import asyncio
from uuid import UUID

import psycopg

from bench.api.load import load
from storage.settings import Settings
from tests.integration.api.api_server import serving, with_account


def test_every_job_that_the_load_counts_as_accepted_is_in_the_table(settings: Settings) -> None:
    with serving(with_account(settings)) as client:
        url = str(client.base_url).rstrip("/")
        offered = asyncio.run(load(url, 0.5, rate=40.0, connections=0))
        most = asyncio.run(load(url, 0.3, rate=None, connections=3))
    with psycopg.connect(settings.require_database_url()) as conn:
        known = {row[0] for row in conn.execute("SELECT id FROM jobs")}
    accepted = {UUID(job) for job in [*offered["ids"], *most["ids"]]}
    assert accepted == known
    assert offered["accepted"] == 20
    assert most["accepted"] >= 3
    assert offered["refused"] == most["refused"] == {}
    assert offered["p99_ms"] >= offered["p50_ms"] > 0


def test_the_load_counts_refused_jobs_by_status(settings: Settings) -> None:
    with serving(settings) as client:  # no account can serve a job
        figures = asyncio.run(load(str(client.base_url).rstrip("/"), 0.2, rate=20.0, connections=0))
    assert figures["accepted"] == 0
    assert sum(figures["refused"].values()) == 4
    assert figures["p99_ms"] is None

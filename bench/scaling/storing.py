"""Measure jobs that are stored one by one and in batches, twice, in a system that does nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psutil
import psycopg

from bench.scaling.costs import WAL
from bench.scaling.cpu import PaceWatch, tree_cpu_s
from bench.scaling.observed import Observed
from bench.transfer_rig import rig
from producer.client import Producer
from seedance.account import Account
from storage.settings import Settings

SINGLES, BATCHES, BATCH = 250, 25, 50
WARM = 5
"""Calls before the measured ones."""
_ACCOUNT = {"name": "sim", "gateway": "evolink", "base_url": "http://127.0.0.1:1", "api_key": "sk-bench"}
_ROW = {"prompt": "one of many", "duration": 5}


def stored() -> list[Observed]:
    """Both ways twice, each with the CPU of this process and of PostgreSQL."""
    with rig() as servers:
        changes: dict[str, Any] = {"accounts": (Account.model_validate(_ACCOUNT),), "broker_url": None}
        settings = servers.settings.model_copy(update=changes)
        with Producer(settings) as producer:
            return [
                run
                for _ in range(2)
                for run in (
                    _measured("one by one", settings, lambda: producer.enqueue_row(_ROW), SINGLES, 1),
                    _measured("in batches", settings, lambda: producer.enqueue_many([_ROW] * BATCH), BATCHES, BATCH),
                )
            ]


def _measured(name: str, settings: Settings, call: Callable[[], object], calls: int, jobs: int) -> Observed:
    postgres = _postgres_pid()
    for _ in range(WARM):
        call()
    with closing(psycopg.connect(settings.require_database_url(), autocommit=True)) as conn, PaceWatch() as pace:
        time.sleep(1.0)  # until the watch works
        wal_bytes, own_s, database_s = _wal(conn), time.process_time(), tree_cpu_s(postgres)
        for _ in range(calls):
            call()
        own_s, database_s = time.process_time() - own_s, tree_cpu_s(postgres) - database_s
        took = {"producer": own_s * 1000, "database": database_s * 1000, WAL: _wal(conn) - wal_bytes}
    return Observed(name, took, pace.ms, {role: {"enqueue": calls, "enqueued": calls * jobs} for role in took})


def _wal(conn: psycopg.Connection[Any]) -> float:
    row = conn.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return float(row[0])


def _postgres_pid() -> int:
    """The PostgreSQL that `rig` started: a child of this process, with or without its launcher in between."""
    for child in psutil.Process().children(recursive=True):
        if child.name() == "postgres":
            return child.pid
    raise RuntimeError("no child of this process is PostgreSQL")

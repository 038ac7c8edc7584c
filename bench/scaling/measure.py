"""Measure every operation separately and write `bench/costs.toml`."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import psutil

from bench.scaling.costs import COSTS_FILE, Costs, OtherCosts, WorkerCosts, save_costs
from bench.scaling.cpu import PaceWatch
from bench.scaling.messages import measure_messages
from bench.scaling.requests import SMALL, measure_copies, measure_requests
from bench.scaling.statements import measure_accounts, measure_claims, measure_transactions
from bench.transfer_rig import rig

HOW = (
    "each operation separately: transactions with storage's functions against PostgreSQL, requests and copies with the "
    "workers' batch functions against a simulated gateway and S3, the rest with an idle stack and empty messages"
)


def measure(*, quick: bool = False) -> Costs:
    """Measure all costs on this machine."""
    share = 4 if quick else 1
    with PaceWatch() as pace, _logging():
        with rig() as servers:
            url, postgres = servers.settings.require_database_url(), _postgres_pid()
            transactions, tables = measure_transactions(url, postgres, 2000 // share)
            accounts = measure_accounts(url, postgres, 200, 100 // share)
            claims = measure_claims(url, postgres, 20, 100 // share)
            with servers.gateway(SMALL) as gateway:
                requests = measure_requests(servers, gateway, transactions, 200 // share)
            copies = measure_copies(servers, transactions, 120 // share)
        messages = measure_messages(400 // share, 8.0 / share)
    worker = {**requests, **copies, "receive_ms": messages.pop("receive_ms")}
    return Costs(
        datetime.now(UTC).date().isoformat(),
        f"{psutil.cpu_count()} cores of {_cpu_name()}, Python {platform.python_version()}",
        HOW,
        pace.ms,
        transactions,
        WorkerCosts(**worker),
        OtherCosts(**messages, **accounts, **claims),
        tables,
    )


@contextmanager
def _logging() -> Iterator[None]:
    """Write log lines as workers do, because logging is part of the cost."""
    with Path(os.devnull).open("w") as nowhere:
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(logging.Formatter("[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"))
        log = logging.getLogger("reelq")
        level = log.level
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        try:
            yield
        finally:
            log.setLevel(level)
            log.removeHandler(handler)


def _postgres_pid() -> int:
    """The PostgreSQL that `rig` started: a child of this process, with or without its launcher in between."""
    for child in psutil.Process().children(recursive=True):
        if child.name() == "postgres":
            return child.pid
    raise RuntimeError("no child of this process is PostgreSQL")


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main(quick: bool) -> int:
    """Measure the costs, write the file, and print its content."""
    costs = measure(quick=quick)
    save_costs(costs)
    print(f"{'transaction':18}{'client ms':>18}{'PostgreSQL ms':>18}{'WAL bytes':>20}   per call, per row")
    for name, each in costs.transactions.items():
        pairs = (each.client_ms, each.database_ms, each.wal_bytes)
        print(f"{name:18}" + "".join(f"{p.call:10.3f}{p.row:9.3f}" for p in pairs))
    for part in (costs.worker, costs.other, costs.tables):
        for name, value in asdict(part).items():
            print(f"{name:24}{value:12.4f}")
    print(f"written to {COSTS_FILE}")
    return 0

"""Measure a worker's CPU per message, POST, query and copy, without its SQL.

The batch functions of the workers run in this process, without Celery, against real servers and a simulated gateway.
Their transactions are counted, and the separately measured cost of these is subtracted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

import httpx
import psutil

from bench.scaling.costs import Transaction
from bench.scaling.cpu import PAUSE_S, tree_cpu_s
from bench.scaling.statements import LEASE_S, REQUEST
from bench.transfer_rig import Rig, video_url
from seedance.account import Account
from simulator.server.downloads import DOWNLOADS_OF_A_LINK
from storage.database import Connection, Database, Limits
from storage.jobs import claims
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.leases import Claimed
from tests.claiming import claim_submits
from worker import runtime as runtimes
from worker.polling.poll import poll_batch
from worker.runtime import Runtime
from worker.submitting.submit import submit_batch
from worker.transferring.transfer import transfer_batch

DECODER = "poster_process.py"
SMALL, LARGE = 256 * 1024, 8 * 2**20
COPIES_OF_A_LINK = DOWNLOADS_OF_A_LINK - 10
"""A gateway refuses more downloads of a link; a few are left for the one that prepares it and for repeats."""
Leases = Sequence[tuple[UUID, int]]


class CountingDatabase(Database):
    """Counts its transactions."""

    transactions = 0

    @contextmanager
    def begin(self, *, planned_once: bool = False, limits: Limits | None = None) -> Iterator[Connection]:
        self.transactions += 1
        with super().begin(planned_once=planned_once, limits=limits) as conn:
            yield conn


@dataclass(frozen=True, slots=True)
class Spent:
    """Averages per batch: CPU milliseconds here and in the decoder, transactions; and the median of the wall-clock."""

    cpu_ms: float
    decoder_ms: float
    wall_ms: float
    transactions: float


def measure_requests(
    servers: Rig, gateway: str, transactions: Mapping[str, Transaction], repeats: int
) -> dict[str, float]:
    """The values of `WorkerCosts` except those of Celery and of copies."""
    with _runtime(servers, gateway) as runtime:
        # No task may finish during the measurement: that would add another kind of transaction.
        httpx.put(f"{gateway}/_sim/timing", json={"kind": "fixed", "median_s": 3600}).raise_for_status()
        client_ms = {name: each.client_ms for name, each in transactions.items()}

        def post(size: int, times: int) -> Spent:
            with runtime.database.begin() as conn:
                enqueue_jobs(conn, [NewJob(new_job_id(), REQUEST, "h", ["anyfast"]) for _ in range(size * times)])
            return _each(runtime, times, _claim_submits(runtime, size), lambda x: submit_batch(runtime, "sim", x))

        def ask(size: int, times: int) -> Spent:
            with runtime.database.begin() as conn:
                conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'generating'")
            return _each(runtime, times, _claim_polls(runtime, size), lambda x: poll_batch(runtime, "sim", x))

        post(50, 2)
        one, many = post(1, repeats), post(50, repeats // 10)
        ask(50, 2)
        asked, asked_many = ask(1, repeats), ask(50, repeats // 10)
    # The first two transactions of a submit load the jobs and begin the attempts; the others write outcomes.
    head = client_ms["load"].of(1) + client_ms["begin"].of(1)
    head_many = client_ms["load"].of(50) + client_ms["begin"].of(50)
    submit = _split(one, many, head, head_many, client_ms["accepted"].call, client_ms["accepted"].row, 2)
    poll = _split(
        asked,
        asked_many,
        client_ms["load"].of(1),
        client_ms["load"].of(50),
        client_ms["still"].call,
        client_ms["still"].row,
        1,
    )
    return {
        "post_wall_s": _waited_s(one, transactions, "load", "begin", "accepted"),
        "query_wall_s": _waited_s(asked, transactions, "load", "still"),
        "submit_message_ms": submit[0],
        "submit_ms": submit[1],
        "poll_message_ms": poll[0],
        "poll_ms": poll[1],
    }


def _waited_s(one: Spent, transactions: Mapping[str, Transaction], *names: str) -> float:
    """The wait in a batch of one, without this process's CPU and the database."""
    database_ms = sum(transactions[name].wall_ms.of(1) - transactions[name].client_ms.of(1) for name in names)
    return max(0.5, one.wall_ms - one.cpu_ms - database_ms) / 1000


def _split(
    one: Spent, many: Spent, head: float, head_many: float, call_ms: float, row_ms: float, first: int
) -> tuple[float, float]:
    """CPU per message and per item in it, without SQL; the first `first` transactions do not write outcomes."""
    single = one.cpu_ms - head - call_ms * (one.transactions - first) - row_ms
    batch = many.cpu_ms - head_many - call_ms * (many.transactions - first) - row_ms * 50
    item = max(0.0, (batch - single) / 49)
    return max(0.0, single - item), item


def measure_copies(servers: Rig, transactions: Mapping[str, Transaction], repeats: int) -> dict[str, float]:
    """The cost of copies, from videos of 256 KiB in batches of 1 and 20, and of 8 MiB."""
    stored, loaded = transactions["stored"].client_ms, transactions["load_transfers"].client_ms
    found: dict[str, Spent] = {}
    for name, size, batch, times in (
        ("warm", SMALL, 5, 2),
        ("one", SMALL, 1, repeats),
        ("many", SMALL, 20, max(3, repeats // 10)),
        ("large", LARGE, 1, max(5, repeats // 4)),
    ):
        servers.clear()
        with servers.gateway(size) as gateway:
            for copies in shared(batch * times, COPIES_OF_A_LINK):
                servers.enqueue(video_url(gateway), copies)
            with _runtime(servers, gateway) as runtime:
                runtime.objects.check_bucket()
                work = _claim_transfers(runtime, batch)
                found[name] = _each(runtime, times, work, lambda x, r=runtime: transfer_batch(r, x))  # type: ignore[misc] # mypy cannot type the default
                with runtime.database.begin() as conn:
                    left = conn.execute("SELECT reason FROM jobs WHERE state <> 'succeeded'").fetchall()
                if left:
                    raise RuntimeError(f"{len(left)} of {batch * times} copies failed: {left[0][0]}")
    message, copy = _split_copies(found, loaded.of(1), loaded.of(20), stored.call, stored.row)
    mib = (found["large"].cpu_ms - found["one"].cpu_ms) / ((LARGE - SMALL) / 2**20)
    return {
        "transfer_message_ms": message,
        "copy_ms": copy - mib * SMALL / 2**20,
        "mib_ms": mib,
        "poster_ms": found["one"].decoder_ms,
        "copy_wall_s": found["one"].wall_ms / 1000,
    }


def shared(copies: int, most: int) -> Iterator[int]:
    """How often each link is used, at most `most` times."""
    for begin in range(0, copies, most):
        yield min(most, copies - begin)


def _split_copies(
    found: Mapping[str, Spent], load: float, load_many: float, call_ms: float, row_ms: float
) -> tuple[float, float]:
    one, many = found["one"], found["many"]
    single = one.cpu_ms - load - call_ms * (one.transactions - 1) - row_ms
    batch = many.cpu_ms - load_many - call_ms * (many.transactions - 1) - row_ms * 20
    item = max(0.0, (batch - single) / 19)
    return max(0.0, single - item), item


@contextmanager
def _runtime(servers: Rig, gateway: str) -> Iterator[Runtime]:
    account = {
        "name": "sim",
        "gateway": "anyfast",
        "base_url": f"{gateway}/anyfast",
        "api_key": "sk-bench",
        "max_in_flight": 100_000,
    }
    changes: dict[str, Any] = {"accounts": (Account.model_validate(account),), "lease_seconds": LEASE_S}
    settings = servers.settings.model_copy(update=changes)
    runtime = Runtime(settings)
    runtime.database.close()
    runtime.database = CountingDatabase(settings.require_database_url(), name="bench", size=4)
    runtimes.install(runtime)
    try:
        yield runtime
    finally:
        runtime.close()
        runtimes.install(None)


def _each(runtime: Runtime, times: int, claim: Callable[[], Leases], work: Callable[[Leases], None]) -> Spent:
    """Claim all batches, then run the worker's function on each."""
    batches = [claim() for _ in range(times)]
    assert isinstance(runtime.database, CountingDatabase)
    runtime.database.transactions = 0
    decoder_s, cpu_s, walls_ms = _decoder_cpu_s(), time.process_time(), []
    for batch in batches:
        time.sleep(PAUSE_S)
        begun_s = time.perf_counter()
        work(batch)
        walls_ms.append((time.perf_counter() - begun_s) * 1000)
    cpu_s = time.process_time() - cpu_s
    spent = (cpu_s, _decoder_cpu_s() - decoder_s)
    cpu_ms, decoder_ms = (value * 1000 / times for value in spent)
    return Spent(cpu_ms, decoder_ms, median(walls_ms), runtime.database.transactions / times)


def _decoder_cpu_s() -> float:
    """CPU seconds of the process that decodes posters; 0 if it is not running."""
    children = psutil.Process().children(recursive=True)
    return sum(tree_cpu_s(child.pid) for child in children if DECODER in " ".join(child.cmdline()))


def _leases(claimed: Sequence[Claimed]) -> Leases:
    return [(item.id, item.claim) for item in claimed]


def _claim_submits(runtime: Runtime, size: int) -> Callable[[], Leases]:
    def claim() -> Leases:
        with runtime.database.begin() as conn:
            return _leases(claim_submits(conn, "sim", "anyfast", size, LEASE_S))

    return claim


def _claim_polls(runtime: Runtime, size: int) -> Callable[[], Leases]:
    def claim() -> Leases:
        with runtime.database.begin() as conn:
            return _leases(claims.claim_polls(conn, size, LEASE_S))

    return claim


def _claim_transfers(runtime: Runtime, size: int) -> Callable[[], Leases]:
    def claim() -> Leases:
        with runtime.database.begin() as conn:
            return _leases(claims.claim_transfers(conn, size, LEASE_S))

    return claim

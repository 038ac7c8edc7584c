"""Writers of a database in use, as an older release writes it; each notes how long its statements take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg

PAUSE_S = 0.02
_ENQUEUE: LiteralString = """
WITH stored AS (
    INSERT INTO jobs (id, tenant, request, request_hash, gateways, lane)
    SELECT uuidv7(), 'bench', '{"prompt": "a harbour at dawn"}', 'h', '{anyfast}', 'fast/text/720p'
    FROM generate_series(1, 20) RETURNING id
), logged AS (
    INSERT INTO job_events (job_id, target, reason) SELECT id, 'queued', 'enqueued' FROM stored
)
SELECT count(*) FROM stored
"""
_CLAIM: LiteralString = """
WITH due AS (
    SELECT id FROM jobs WHERE tenant = 'bench' AND state = 'queued' ORDER BY id LIMIT 20 FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE jobs j SET state = 'generating', account = 'a', gateway = 'anyfast', attempt = 1,
                      gateway_task_id = j.id::text, due_at = now(), claim = claim + 1
    FROM due WHERE j.id = due.id RETURNING j.id
), sent AS (
    INSERT INTO attempts (job_id, number, account, model) SELECT id, 1, 'a', 'm' FROM claimed
), logged AS (
    INSERT INTO job_events (job_id, source, target, reason) SELECT id, 'queued', 'generating', 'submitted' FROM claimed
)
SELECT count(*) FROM claimed
"""
_POLL: LiteralString = """
UPDATE jobs SET due_at = now() + interval '1 s', polls = polls + 1, polled_at = now(), reason = 'generating'
WHERE id = ANY(ARRAY(
    SELECT id FROM jobs WHERE tenant = 'bench' AND state = 'generating' ORDER BY id DESC LIMIT 50
    FOR UPDATE SKIP LOCKED))
"""
KINDS: dict[str, LiteralString] = {"enqueue": _ENQUEUE, "claim": _CLAIM, "poll": _POLL}


@dataclass(slots=True)
class Waits:
    """Seconds of each statement, by kind; with what failed."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    failures: list[str] = field(default_factory=list)

    def longest_s(self) -> float:
        """The longest of all."""
        return max((max(values, default=0.0) for values in self.seconds.values()), default=0.0)


@contextmanager
def writing(url: str) -> Iterator[Waits]:
    """Write while the block runs: one session of each kind."""
    waits, stop = Waits(), threading.Event()

    def run(kind: str) -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            while not stop.is_set():
                start = time.perf_counter()
                try:
                    conn.execute(KINDS[kind])
                except psycopg.Error as exc:
                    waits.failures.append(f"{kind}: {exc}".splitlines()[0])
                waits.seconds[kind].append(time.perf_counter() - start)
                stop.wait(PAUSE_S)

    threads = [threading.Thread(target=run, args=[kind], daemon=True) for kind in KINDS]
    for thread in threads:
        thread.start()
    try:
        yield waits
    finally:
        stop.set()
        for thread in threads:
            thread.join()

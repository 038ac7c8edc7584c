"""A long queue: the time of a scheduler's round with a million jobs queued in a thousand campaigns.

The part starts its own PostgreSQL. Half of the jobs belong to the first campaign.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.report import Report, Table, Target, Value, quantile
from producer.local.servers.servers import local_servers, running
from producer.local.state import load_state
from seedance.account import Account
from storage import database
from storage.admission.grants import grants
from storage.campaigns import controls
from storage.database import Connection, Database
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.leases import Claimed
from storage.settings import Settings
from tests.claiming import claim_submits
from worker.scheduling.maintenance import due_tasks

SLOTS, LEASE_S, CHUNK, FILL_S, ENQUEUED = 10, 90.0, 50_000, 60.0, 20_000
REQUEST = '{"prompt": "a cat by the sea", "resolution": "720p", "duration": 5}'

_FILL = """
INSERT INTO jobs (id, campaign_id, request, request_hash, gateways)
SELECT uuidv7(), (%(campaigns)s::uuid[])[CASE WHEN n %% 2 = 0 THEN 1 ELSE 1 + (n / 2) %% %(count)s END],
       %(request)s, 'h', '{anyfast}'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n
"""
_END = """
UPDATE jobs SET state = 'cancelled', due_at = NULL, finished_at = now() WHERE id = ANY(%s)
RETURNING campaign_id
"""


def fill(db: Database, count: int, campaigns: int) -> int:
    """Queue `count` jobs, or as many as a minute allows; returns their number."""
    with db.begin() as conn:
        ids = [controls.ensure_campaign(conn, "default", f"campaign {number}") for number in range(campaigns)]
    stop_at, done = time.monotonic() + FILL_S, 0
    while done < count and time.monotonic() < stop_at:
        last = min(done + CHUNK, count)
        with db.begin() as conn:
            parameters = {"campaigns": ids, "count": campaigns, "request": REQUEST, "first": done + 1, "last": last}
            conn.execute(_FILL, parameters)
        done = last
    with db.begin() as conn:
        conn.execute("ANALYZE jobs")
    return done


def enqueue_rate(db: Database, count: int) -> float:
    """Jobs per second through `jobs.enqueue`, events included, from one process."""
    request = json.loads(REQUEST)
    start = time.perf_counter()
    with db.begin() as conn:
        enqueue_jobs(conn, [NewJob(new_job_id(), request, "h", ["anyfast"], priority=0) for _ in range(count)])
    return count / (time.perf_counter() - start)


def claim_round(conn: Connection, settings: Settings) -> list[Claimed]:
    """Claim submits as a scheduler does in one round."""
    found: list[Claimed] = []
    for grant in grants(conn, settings):
        found += claim_submits(conn, grant.account.name, grant.account.gateway, grant.slots, LEASE_S)
    return found


def timed(db: Database, work: Callable[[Connection], object]) -> tuple[float, object]:
    """Milliseconds of one transaction, and the result of `work`."""
    start = time.perf_counter()
    with db.begin() as conn:
        result = work(conn)
    return (time.perf_counter() - start) * 1000, result


def measure(db: Database, rounds: int, settings: Settings) -> tuple[list[float], list[float], Counter[object]]:
    """Milliseconds of the maintenance and of the claims of each round; the number of jobs claimed per campaign."""
    maintenance_ms: list[float] = []
    claims: list[float] = []
    served: Counter[object] = Counter()
    for _ in range(rounds):
        maintenance_ms.append(timed(db, lambda conn: [task(conn, settings) for task in due_tasks(conn)])[0])
        took, found = timed(db, lambda conn: claim_round(conn, settings))
        claims.append(took)
        assert isinstance(found, list)
        with db.begin() as conn:  # end the jobs, which frees their slots
            served.update(row[0] for row in conn.execute(_END, [[item.id for item in found]]))
    return maintenance_ms, claims, served


def figures_of(wanted: int, campaigns: int, rounds: int) -> dict[str, float]:
    """Fill a table and measure rounds on it; milliseconds and jobs per second."""
    account = Account.model_validate(
        {"name": "a", "gateway": "anyfast", "base_url": "https://g", "api_key": "k", "max_in_flight": SLOTS}
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        servers = local_servers(directory, load_state(directory), valkey=False, s3=False)
        servers.prepare("reelq")
        assert servers.postgres is not None
        with running(servers.specs()):
            database.upgrade(servers.postgres.url)
            db = Database(servers.postgres.url, name="bench", size=1)
            start = time.perf_counter()
            queued = fill(db, wanted, campaigns)
            filled_s = time.perf_counter() - start
            maintenance_ms, claims, served = measure(db, rounds, Settings(accounts=(account,)))
            rates = [enqueue_rate(db, ENQUEUED) for _ in range(3)]
            db.close()
    whole = [one + other for one, other in zip(maintenance_ms, claims, strict=True)]
    small = [count for campaign, count in served.items() if campaign != served.most_common(1)[0][0]]
    found = {"queued": queued, "fill_s": filled_s, "enqueue_jobs_per_s": median(rates), "campaigns_served": len(served)}
    for kind, values in (("round", whole), ("claims", claims), ("maintenance", maintenance_ms)):
        found |= {f"{kind}_p50_ms": median(values), f"{kind}_p99_ms": quantile(values, 0.99) or 0.0}
    return found | {"least_served": min(served.values()), "most_served": max(served.values()), "others": median(small)}


def measure_part(quick: bool) -> Report:
    """The table and the targets."""
    jobs_, campaigns, rounds = (20_000, 50, 20) if quick else (1_000_000, 1000, 200)
    found = figures_of(jobs_, campaigns, rounds)
    table: list[dict[str, Value]] = [
        {"what": f"jobs queued, in {campaigns:,} campaigns, half of them in one", "p50": int(found["queued"])},
        {"what": "a scheduler's round, ms", "p50": found["round_p50_ms"], "p99": found["round_p99_ms"]},
        {"what": "  claims of ten submits, ms", "p50": found["claims_p50_ms"], "p99": found["claims_p99_ms"]},
        {"what": "  maintenance, ms", "p50": found["maintenance_p50_ms"], "p99": found["maintenance_p99_ms"]},
        {"what": f"jobs claimed from the largest campaign in {rounds} rounds", "p50": int(found["most_served"])},
        {"what": "jobs claimed from each other campaign, median", "p50": found["others"]},
        {"what": f"jobs/s into the table, {ENQUEUED:,} at once", "p50": found["enqueue_jobs_per_s"]},
    ]
    targets = [
        Target("scheduler's round with this queue, median", found["round_p50_ms"], "<=", 20.0, " ms"),
        Target("bulk enqueue into the table", found["enqueue_jobs_per_s"], ">=", 20_000.0, " jobs/s"),
        Target(
            "jobs claimed from the largest campaign over another", found["most_served"] / found["others"], "<=", 2.0
        ),
    ]
    title = "Backlog: rounds of the scheduler with a long queue"
    return Report("backlog", [Table(title, ("what", "p50", "p99"), table)], targets, details=found)

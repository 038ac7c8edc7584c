"""A long queue: how long a scheduler's round takes with a million jobs queued in a thousand campaigns.

Against a real PostgreSQL of its own, started for it. Half of the jobs belong to the first campaign.

    python -m bench.backlog --jobs 1000000 --campaigns 1000 --json backlog.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

from producer.local.servers import local_servers, running
from producer.local.state import load_state
from seedance.account import Account
from storage import database, jobs
from storage.database import Connection, Database
from storage.records import Claimed, NewJob
from storage.settings import Settings
from worker.admission import grants
from worker.duties import DUTIES

SLOTS, LEASE_S, CHUNK, FILL_S = 10, 90.0, 50_000, 60.0
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
    """Queue so many jobs, or as many as a minute allows; gives their number."""
    with db.begin() as conn:
        ids = [jobs.ensure_campaign(conn, "default", f"campaign {number}") for number in range(campaigns)]
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
    """Jobs a second through `jobs.enqueue`, events included, one process."""
    request = json.loads(REQUEST)
    start = time.perf_counter()
    with db.begin() as conn:
        jobs.enqueue(conn, [NewJob(jobs.new_job_id(), request, "h", ["anyfast"], priority=0) for _ in range(count)])
    return count / (time.perf_counter() - start)


def claim_round(conn: Connection, settings: Settings) -> list[Claimed]:
    """What a scheduler does for submits in a round."""
    found: list[Claimed] = []
    for grant in grants(conn, settings):
        found += jobs.claim_submits(conn, grant.account.name, grant.account.gateway, grant.slots, LEASE_S)
    return found


def timed(db: Database, work: Callable[[Connection], object]) -> tuple[float, object]:
    """Milliseconds of one transaction, and what it gave."""
    start = time.perf_counter()
    with db.begin() as conn:
        result = work(conn)
    return (time.perf_counter() - start) * 1000, result


def measure(db: Database, rounds: int, settings: Settings) -> tuple[list[float], list[float], Counter[object]]:
    """Milliseconds of the duties and of the claims of each round, and how many jobs each campaign was given."""
    duties: list[float] = []
    claims: list[float] = []
    given: Counter[object] = Counter()
    for _ in range(rounds):
        duties.append(sum(timed(db, lambda conn, d=duty: d(conn, settings))[0] for duty in DUTIES))  # type: ignore[misc] # mypy cannot type the default
        took, found = timed(db, lambda conn: claim_round(conn, settings))
        claims.append(took)
        assert isinstance(found, list)
        with db.begin() as conn:  # the jobs end, and their slots are free again
            given.update(row[0] for row in conn.execute(_END, [[item.id for item in found]]))
    return duties, claims, given


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--slots", type=int, default=SLOTS, help="slots that are free in each round")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    wanted = parser.parse_args()
    account = Account.model_validate(
        {"name": "a", "gateway": "anyfast", "base_url": "https://g", "api_key": "k", "max_in_flight": wanted.slots}
    )
    settings = Settings(accounts=(account,))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        servers = local_servers(directory, load_state(directory))
        servers.prepare("reelq")
        assert servers.postgres is not None
        with running(servers.specs()):
            database.upgrade(servers.postgres.url)
            db = Database(servers.postgres.url, name="bench", size=1)
            start = time.perf_counter()
            queued = fill(db, wanted.jobs, wanted.campaigns)
            filled_s = time.perf_counter() - start
            duties, claims, given = measure(db, wanted.rounds, settings)
            rate = enqueue_rate(db, 20_000)
            db.close()
    shares = sorted(given.values())
    figures = {
        "queued": queued,
        "campaigns": wanted.campaigns,
        "rounds": wanted.rounds,
        "slots_a_round": wanted.slots,
        "fill_s": filled_s,
        "claim_p50_ms": median(claims),
        "claim_p99_ms": sorted(claims)[int(len(claims) * 0.99)],
        "duties_p50_ms": median(duties),
        "duties_p99_ms": sorted(duties)[int(len(duties) * 0.99)],
        "enqueue_jobs_a_second": rate,
        "campaigns_served": len(shares),
        "least_served": shares[0],
        "most_served": shares[-1],
    }
    for key, value in figures.items():
        print(f"{key:24}{value:12.2f}" if isinstance(value, float) else f"{key:24}{value:12}")
    if wanted.json:
        wanted.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()

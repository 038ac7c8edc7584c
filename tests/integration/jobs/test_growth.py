"""What runs by itself reads a few rows, however many there are. The rows are counted, not the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

import psycopg
import pytest

from bench.growing.filling import fill, settings_of, settle_statistics
from bench.growing.sizes import Sizes
from producer.campaigns.status import campaign_page
from seedance.account import Account
from storage.admission import circuit_breaker, usage
from storage.admission.grants import Grant
from storage.admission.queue.queue_memory import QueueMemory
from storage.admission.queue.window import TENANTS
from storage.admission.seekers import Which
from storage.batches.batches import count_ended, list_batches
from storage.campaigns import failures, rows
from storage.campaigns.completion import lacking_rows
from storage.campaigns.reviews import Review
from storage.configuration.account_book import Serves
from storage.database import Connection, Database
from storage.jobs import claims, history, queries
from storage.jobs.due_work import due_duties
from storage.jobs.events.log import EventLog
from storage.jobs.events.positions import Position
from storage.jobs.expiry_alarms import raise_expiry_alarms
from storage.jobs.states import JobState
from storage.reporting import costs, job_counts, overview
from storage.reporting.ark_tasks import TaskFilter, list_tasks
from storage.reporting.gauges import read_gauges
from storage.reporting.waiting import waiting_in_campaign
from storage.uploads.records import LOOKED_AT, list_uploads
from storage.webhooks.delivery import WALK, Walk, claim_messages, sweep_messages
from storage.webhooks.messages import message_counts
from tests.claiming import claim_of
from tests.integration.admission.test_side_by_side import CountingCursor
from tests.servers import TestServers
from worker.scheduling import maintenance
from worker.scheduling.admission import claim_for

SIZES = Sizes(ended=2_000, queued=12_000, generating=500, transferring=3_000, receivers=2_100)
LEASE_S = 90.0
A_CLAIM = 300 + TENANTS
"""Rows that a claim may read: one of each of 200 tenants, and a few of each share of those that it serves; and once a
second, one of each tenant to find those to look at."""
_READ = """SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
           WHERE relname IN ('jobs', 'attempts', 'job_events', 'webhook_messages', 'campaign_rows')"""


@pytest.fixture(scope="module")
def filled(servers: TestServers) -> Iterator[Database]:
    """A database with the rows of a busy system; each test rolls back."""
    with servers.databases.database(migrated=True) as url:
        db = Database(url, name="growth", size=1)
        fill(db, SIZES)
        with psycopg.connect(url, autocommit=True) as conn:
            settle_statistics(conn)
        yield db
        db.close()


def rows_read(
    db: Database,
    run: Callable[[Connection], object],
    *,
    after: Callable[[Connection], object] | None = None,
    planned_once: bool = False,
) -> int:
    """How many rows of the large tables `run` reads, `after` a change if one is given. Nothing of it stays.
    `planned_once`: as the scheduler claims."""
    with db.begin(planned_once=planned_once) as conn:
        if after is not None:
            after(conn)
        before = _read_so_far(conn)
        run(conn)
        count = _read_so_far(conn) - before
        conn.execute("ROLLBACK")
    return count


def _read_so_far(conn: Connection) -> int:
    return sum(int(row[1]) for row in conn.execute(_READ))


def grant_of(gateway: str, *tenants: str) -> Grant:
    """A grant of two slots for an account that serves these tenants."""
    account = Account.model_validate(
        {"name": "a1", "gateway": gateway, "base_url": "https://g.example", "api_key": "k"}
    )
    return Grant(account, 2, serves=Serves(only=frozenset(tenants)))


def claim(
    gateway: str, which: Which = Which.ANY, wanted: int = 2, tenants: tuple[str, ...] = ("t0", "t7", "t9")
) -> Callable[[Connection], object]:
    """A claim for three tenants, one of which has 3,000 jobs in one campaign that only `ark` can serve."""

    def run(conn: Connection) -> None:
        found = claim_of(conn, grant_of(gateway, *tenants), LEASE_S, which)
        assert len(found) == wanted

    return run


def _with_a_retry(conn: Connection) -> None:
    """A row of the big campaign has a second version."""
    row = conn.execute("SELECT id FROM campaign_rows WHERE campaign_id = %s LIMIT 1", [campaign_of(conn)]).fetchone()
    assert row is not None
    conn.execute(
        """WITH other AS (SELECT id FROM jobs WHERE state = 'failed' ORDER BY id LIMIT 1), noted AS (
               INSERT INTO campaign_versions (row_id, version, job_id, kind) SELECT %(row)s, 2, id, 'retry' FROM other)
           UPDATE campaign_rows SET job_id = other.id, versions = 2 FROM other WHERE campaign_rows.id = %(row)s""",
        {"row": row[0]},
    )


def _doubts(conn: Connection) -> None:
    """A thousand old doubts, and one that is young."""
    conn.execute(
        """UPDATE jobs SET state = 'unconfirmed', updated_at = now() - interval '1 hour'
           WHERE id IN (SELECT id FROM jobs WHERE state = 'transferring' LIMIT 1000)"""
    )
    conn.execute(
        "UPDATE jobs SET updated_at = now() WHERE id = (SELECT id FROM jobs WHERE state = 'unconfirmed' LIMIT 1)"
    )


def _late(conn: Connection) -> None:
    """All but the queued jobs are past their deadlines, and one of these."""
    conn.execute(
        "UPDATE jobs SET deadline_at = now() - interval '1 hour' WHERE state IN ('generating', 'transferring')"
    )
    conn.execute(
        """UPDATE jobs SET deadline_at = now() - interval '1 hour'
           WHERE id = (SELECT id FROM jobs WHERE state = 'queued' LIMIT 1)"""
    )


def _one_account_is_late(conn: Connection) -> None:
    """All that was queued is a due poll of one account."""
    conn.execute(
        """UPDATE jobs SET state = 'generating', account = 'late', attempt = 1, gateway_task_id = 'late ' || id,
                           due_at = now() - interval '1 hour' WHERE state = 'queued'"""
    )


def _urgent_and_not_due(conn: Connection) -> None:
    """As in an outage of the store."""
    conn.execute(
        """UPDATE jobs SET due_at = now() + interval '1 hour', generated_at = now() - interval '20 hours',
                           video_expires_at = now() + interval '1 hour' WHERE state = 'transferring'"""
    )


def _leases_have_ended(conn: Connection) -> None:
    """Jobs that were claimed and not begun."""
    conn.execute("UPDATE jobs SET account = 'a1', due_at = now() - interval '1 minute' WHERE state = 'queued'")


def _nothing_waits(conn: Connection) -> None:
    conn.execute("UPDATE jobs SET reason = NULL WHERE reason = 'throttled' AND tenant IN ('t0', 't7')")


def campaign_of(conn: Connection) -> UUID:
    found = overview.campaign(conn, "t0", "campaign 0")
    assert found is not None
    return found.id


DUTIES: dict[str, tuple[Callable[[Connection], object], int]] = {
    "a claim": (claim("ark"), A_CLAIM),
    "a claim beside a share that the account cannot serve": (claim("uniall"), A_CLAIM),
    "a claim of an account that can serve nothing": (claim("fal", wanted=0), A_CLAIM),
    "a claim of what came back before": (claim("uniall", Which.TRIED), A_CLAIM),
    "a claim of what did not": (claim("uniall", Which.FRESH), A_CLAIM),
    "a claim of what did not come back where all of a share did": (
        claim("uniall", Which.FRESH, wanted=0, tenants=("t0", "t7")),
        A_CLAIM,
    ),
    "urgent copies when none is urgent": (lambda conn: claims.claim_transfers(conn, 20, LEASE_S, urgent=True), 20),
    "alarms when none is due": (lambda conn: raise_expiry_alarms(conn, 500), 20),
    "webhook messages when none is due": (lambda conn: claim_messages(conn, 16, 64, 20, LEASE_S), 20),
    "old webhook messages": (lambda conn: sweep_messages(conn, 30, 30, 2_000), 20),
    "breakers that may close": (lambda conn: circuit_breaker.close_recovered(conn, [f"a{n}" for n in range(50)]), 80),
    "all counts of jobs": (job_counts.all_counts, 0),
    "counts of a tenant": (lambda conn: overview.counts(conn, "t0"), 0),
    "metrics": (lambda conn: read_gauges(conn, 60.0), 6_000),
    "deadlines": (lambda conn: maintenance.deadlines(conn, settings_of(SIZES)), 20),
    "the first page of an export": (
        lambda conn: queries.jobs_in_order(conn, queries.JobFilter("t0", campaign="campaign 0"), limit=100),
        300,
    ),
    "the newest jobs of a tenant": (lambda conn: queries.page_of_jobs(conn, queries.JobFilter("t0"), limit=100), 300),
    "tasks of Ark": (lambda conn: list_tasks(conn, TaskFilter("t0"), offset=0, limit=10), 300),
    "how many rows a campaign has": (lambda conn: rows.count_states(conn, campaign_of(conn)), 20),
    "rows of a campaign in a rare state": (
        lambda conn: rows.find_rows(conn, campaign_of(conn), rows.RowFilter(states=[JobState.FAILED])),
        20,
    ),
    "rows of a campaign that were rejected": (
        lambda conn: rows.find_rows(conn, campaign_of(conn), rows.RowFilter(reviews=[Review.REJECTED])),
        20,
    ),
    "rows of a campaign's sheet": (lambda conn: rows.count_rows(conn, campaign_of(conn)), 20),
    "why rows of a campaign failed": (lambda conn: failures.failures_of(conn, campaign_of(conn)), 20),
    "whether a campaign lacks rows": (lambda conn: lacking_rows(conn, campaign_of(conn)), 20),
    "live jobs of a campaign": (lambda conn: queries.live_ids(conn, campaign_of(conn), limit=100), 100),
    "costs of a campaign": (lambda conn: costs.campaign_costs(conn, "t0", "campaign 0"), 0),
    "costs of the last days of a tenant": (lambda conn: costs.recent_costs(conn, "t0", 90 * 86_400.0), 0),
    "when jobs of a tenant ended": (lambda conn: overview.finished_lately(conn, "t0", 10_800, 720), 0),
    "why a campaign waits": (lambda conn: waiting_in_campaign(conn, campaign_of(conn)), 20),
    "when jobs of a campaign ended": (
        lambda conn: overview.finished_in_campaign(conn, campaign_of(conn), (60, 86400), 60),
        20,
    ),
    "videos that expire soon when none does": (lambda conn: overview.expiring(conn, "t0", 50), 20),
    "counts of webhook messages": (message_counts, 20),
    "events when there is no new one": (lambda conn: EventLog(Position(history.last_event(conn))).read(conn), 20),
    "lost submits": (lambda conn: maintenance.lost_submits(conn, settings_of(SIZES)), 20),
}


@pytest.mark.parametrize("what", DUTIES)
def test_it_reads_a_few_rows_of_20_000(filled: Database, what: str) -> None:
    run, most = DUTIES[what]
    read = rows_read(filled, run)
    assert read <= most


def test_a_claim_of_what_came_back_reads_nothing_when_nothing_did(filled: Database) -> None:
    with filled.begin() as conn:
        _nothing_waits(conn)
        before = _read_so_far(conn)
        claim("uniall", Which.TRIED, wanted=0)(conn)
        assert _read_so_far(conn) - before <= 20 + TENANTS
        conn.execute("ROLLBACK")


def test_states_of_rows_of_which_one_has_several_versions_read_those(filled: Database) -> None:
    """PostgreSQL expects nearly all rows to have several, and would join all jobs."""
    in_campaign = SIZES.queued // 4  # it may read all rows of a small one
    read = rows_read(filled, lambda conn: rows.count_states(conn, campaign_of(conn)), after=_with_a_retry)
    assert read <= in_campaign + 20


def test_slots_in_use_read_the_young_doubts(filled: Database) -> None:
    assert rows_read(filled, lambda conn: usage.slots_in_use(conn, 60.0, ["a1", "a2"]), after=_doubts) <= 40


def test_slots_in_use_do_not_read_jobs_that_are_due_again(filled: Database) -> None:
    assert rows_read(filled, lambda conn: usage.slots_in_use(conn, 60.0), after=_leases_have_ended) <= 60


@pytest.mark.parametrize("late", [{}, {"late": 5}], ids=["free", "limited"])
def test_an_account_with_very_many_due_polls_is_not_read_for_each_other_account(
    filled: Database, late: dict[str, int]
) -> None:
    """It has 12,000, and 50 others have eight each."""
    most = {f"a{number}": 5 for number in range(1, 50, 5)} | late

    def run(conn: Connection) -> None:
        claimed = Counter(item.account for item in claims.claim_polls(conn, 400, LEASE_S, most))
        assert all(claimed[account] == limit for account, limit in most.items())
        assert claimed.total() == (400 if not late else 10 * 5 + 5 + 40 * 8)

    read = rows_read(filled, run, after=_one_account_is_late, planned_once=True)
    assert read <= claims.DUE_POLLS + 4 * 400


def test_urgent_copies_of_which_none_is_due_are_not_all_read(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hosts have a thousand each."""
    few = claims._CLAIM_URGENT.replace(f"LIMIT {claims.URGENT_LOOKED_AT}", "LIMIT 50")
    monkeypatch.setattr(claims, "_CLAIM_URGENT", few)

    def run(conn: Connection) -> None:
        assert claims.claim_transfers(conn, 20, LEASE_S, urgent=True) == []

    assert rows_read(filled, run, after=_urgent_and_not_due, planned_once=True) <= 3 * 50 + 20


def test_deadlines_read_the_queued_jobs_that_are_past_theirs(filled: Database) -> None:
    def look(conn: Connection) -> None:
        assert due_duties(conn).past_deadline
        assert len(claims.past_deadline(conn, 500)) == 1

    assert rows_read(filled, look, after=_late) <= 20


def test_a_list_of_campaigns_takes_as_many_statements_as_one_of_them(filled: Database) -> None:
    with filled.begin() as conn:
        campaign_page(conn, "t1", None, 5)  # makes the rows that they lack
        conn.cursor_factory = CountingCursor
        counts = []
        for limit in (1, 5):
            before = CountingCursor.count
            assert len(campaign_page(conn, "t1", None, limit)) == limit
            counts.append(CountingCursor.count - before)
        conn.cursor_factory = psycopg.Cursor
        conn.execute("ROLLBACK")
    assert counts == [7, 7]


def test_what_an_account_cannot_serve_is_not_walked_again(filled: Database) -> None:
    """One walk finds that nothing is for it, one reads all places; then only the first job of each tenant is read."""
    memory = QueueMemory()
    account = Account.model_validate({"name": "a1", "gateway": "fal", "base_url": "https://g.example", "api_key": "k"})

    def in_vain(conn: Connection) -> None:
        assert claim_for(conn, [Grant(account, 2)], 2, LEASE_S, memory) == []

    walked, _, remembered = (rows_read(filled, in_vain) for _ in range(3))
    assert walked > 700
    assert remembered <= 200


def test_a_page_of_a_narrow_list_looks_at_a_bounded_number_of_jobs(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tenant has three thousand."""
    monkeypatch.setattr(queries, "LOOKED_AT", 25)
    wanted = queries.JobFilter("t0", account="none")
    assert rows_read(filled, lambda conn: queries.find_page(conn, wanted, limit=3)) <= 8 * 25 * queries.LOOKS


_FILE = """
WITH file AS (
    INSERT INTO uploads (id, tenant, reference, object_key, size_bytes, stored_at)
    VALUES (gen_random_uuid(), 'one', 'upload://logo', 'inputs/logo', 1, now()) RETURNING id
)
INSERT INTO upload_uses (job_id, upload_id) SELECT j.id, f.id FROM jobs j, file f WHERE j.state = 'succeeded'
"""
_ANOTHER_USE = """
INSERT INTO upload_uses (job_id, upload_id)
SELECT j.id, u.id FROM (SELECT id FROM jobs WHERE state = 'queued' ORDER BY id DESC LIMIT 1) j, uploads u
WHERE u.tenant = 'one'
"""


def test_a_file_that_very_many_jobs_have_needed_is_shown_from_the_newest(filled: Database) -> None:
    with filled.begin() as conn:
        assert conn.execute(_FILE).rowcount > 1_500
        before = _read_so_far(conn)
        [ended] = list_uploads(conn, "one")
        assert _read_so_far(conn) - before <= 2 * LOOKED_AT
        conn.execute(_ANOTHER_USE)
        [used] = list_uploads(conn, "one")
        assert (ended.in_use, used.in_use) == (False, True)
        assert ended.last_used_at == used.last_used_at
        conn.execute("ROLLBACK")


_BATCH = """
WITH batch AS (
    INSERT INTO batches (id, tenant, file_id, lines, window_s, state, next_part, due_at, ended_at, expires_at)
    VALUES (gen_random_uuid(), 'one', gen_random_uuid(), 2000, 86400, 'completed', NULL, NULL, now(), now())
    RETURNING id
)
INSERT INTO batch_lines (batch_id, line, custom_id, job_id)
SELECT b.id, row_number() OVER (), j.id::text, j.id FROM jobs j, batch b WHERE j.state = 'succeeded'
"""


def test_the_requests_of_a_batch_that_has_ended_are_counted_once(filled: Database) -> None:
    with filled.begin() as conn:
        count = conn.execute(_BATCH).rowcount
        assert [batch.completed for batch in list_batches(conn, "one")] == [count]
        while count_ended(conn):
            pass
        before = _read_so_far(conn)
        assert [batch.completed for batch in list_batches(conn, "one")] == [count]
        assert _read_so_far(conn) == before
        conn.execute("ROLLBACK")


def test_posts_of_the_last_minute_are_found_for_each_account_by_index(filled: Database) -> None:
    """Also by PostgreSQL before 18, which cannot skip over the first column of an index."""
    with filled.begin() as conn:
        plan = conn.execute("EXPLAIN " + usage._STARTED, {"paced": ["a1", "a2"]}).fetchall()
        conn.execute("ROLLBACK")
    text = "\n".join(row[0] for row in plan)
    assert "attempts_account_started_idx" in text and "account = n.name" in text


_MANY = """
INSERT INTO webhook_messages (id, tenant, type, url, target, due_at)
SELECT gen_random_uuid(), 't1', 'job.succeeded', 'https://a.example/', 'a.example', now() - make_interval(secs => n)
FROM generate_series(1, 9000) n
"""


def test_one_receiver_with_very_many_messages_hides_no_other_and_costs_no_more(filled: Database) -> None:
    """Nine thousand, before and behind the message of another receiver, which is found by the walk over all."""
    with filled.begin() as conn:
        conn.execute(_MANY)
        conn.execute("UPDATE webhook_messages SET due_at = now() - interval '1 hour' WHERE target = 'r2000.example'")
        before, found, walk = _read_so_far(conn), set[str](), Walk()
        claims_needed = SIZES.receivers // WALK + 1
        for _ in range(claims_needed):
            found |= {item.account for item in claim_messages(conn, 16, 64, 1, LEASE_S, walk)}
        assert found == {"t1 a.example", "t0 r2000.example"}
        assert _read_so_far(conn) - before <= 6_000 * claims_needed
        assert (walk.tenant, walk.target) == ("", "")
        conn.execute("ROLLBACK")

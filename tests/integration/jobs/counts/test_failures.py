"""Why rows of a campaign failed: the same from kept counts as from a look at every job."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from storage.campaigns import controls
from storage.campaigns.failures import SHOWN_ROWS, SHOWN_WORDS, WORDS_READ, FailureGroup, Words, failures_of
from storage.database import Connection, connect, upgrade
from storage.jobs.reasons import Reason
from storage.jobs.states import JobState
from tests.integration.jobs.counts.kept_counts import miscounted
from tests.integration.jobs.counts.test_job_counts import check
from tests.integration.jobs.migrations.test_migrations import migrate

# The definition: every lost job of the campaign, but those of rows with several versions; of each of these rows its
# newest job, if that is lost and no earlier one stands.
_LOST: LiteralString = """
WITH of_several AS (
    SELECT id FROM campaign_rows WHERE campaign_id = %(campaign)s AND job_id <> id
    UNION SELECT v.job_id FROM campaign_versions v JOIN campaign_rows r ON r.id = v.row_id
    WHERE r.campaign_id = %(campaign)s AND r.job_id <> r.id
), lost_jobs AS (
    SELECT *, coalesce(error ->> 'code', reason, '') AS code FROM jobs
    WHERE state IN ('failed', 'cancelled') OR (state = 'unconfirmed' AND reason = 'held')
), lost AS (
    SELECT id AS row_id, j.* FROM lost_jobs j
    WHERE campaign_id = %(campaign)s AND id NOT IN (SELECT id FROM of_several)
    UNION ALL
    SELECT r.id, j.* FROM campaign_rows r JOIN lost_jobs j ON j.id = r.job_id
    WHERE r.campaign_id = %(campaign)s AND r.job_id <> r.id AND r.kept_job_id IS NULL
)
SELECT l.state, l.code, l.error ->> 'stage', l.error ->> 'modality', r.number, coalesce(l.error ->> 'message', ''),
       coalesce(l.error ->> 'gateway_code', '')
FROM lost l LEFT JOIN campaign_rows r ON r.id = l.row_id ORDER BY l.row_id
"""
_JOBS: LiteralString = """
INSERT INTO jobs (id, campaign_id, request, request_hash, gateways)
SELECT id, %(campaign)s, '{}', 'h', '{ark}' FROM unnest(%(ids)s::uuid[]) id
"""
_ROWS: LiteralString = """
INSERT INTO campaign_rows (id, campaign_id, number, job_id)
SELECT id, campaign_id, row_number() OVER (ORDER BY id) + 1, id FROM jobs
WHERE campaign_id IS NOT NULL AND id = ANY(%(ids)s)
"""
_ERRORS = (
    *('{"code": "generation_failed", "message": "no"}', '{"code": "generation_failed", "message": "out of memory"}'),
    *('{"code": "generation_failed", "message": "no", "gateway_code": "E1"}', '{"code": "not_served"}'),
    '{"code": "moderation_blocked", "stage": "input", "modality": "image", "message": "a face"}',
    '{"code": "moderation_blocked", "stage": "output", "message": "a \\"brand\\" {x, NULL}"}',
    # What only other programs write.
    *("7", "[]", '"held"', "{}", '{"code": 5, "stage": null, "message": []}', '{"code": {"a": 1}, "modality": "NULL"}'),
)
_LIVE = "due_at = now(), finished_at = NULL, account = 'main', attempt = 1"
_DEAD = "due_at = NULL, finished_at = now()"
_WRITES: tuple[LiteralString, ...] = (
    f"state = 'failed', error = %(error)s, {_DEAD}",
    f"state = 'failed', error = %(error)s, reason = 'poll_failed', {_DEAD}",
    f"state = 'cancelled', error = NULL, reason = NULL, {_DEAD}",
    f"state = 'cancelled', error = NULL, reason = 'cancelled', {_DEAD}",
    f"state = 'unconfirmed', reason = 'held', error = %(error)s, {_LIVE}",
    f"state = 'unconfirmed', reason = NULL, {_LIVE}",
    f"state = 'unconfirmed', reason = 'submit_unknown', {_LIVE}",
    f"state = 'queued', reason = 'held', {_LIVE}",
    f"state = 'succeeded', object_key = 'k', sha256 = 's', size_bytes = 1, {_DEAD}",
    "error = %(error)s",
    "claim = claim + 1",
    "campaign_id = NULL",
    "campaign_id = (SELECT id FROM campaigns WHERE name = 'summer')",
    "campaign_id = (SELECT id FROM campaigns WHERE name = 'spring')",
)
_VERSION: LiteralString = """
WITH noted AS (
    INSERT INTO campaign_versions (row_id, version, job_id, kind)
    SELECT id, versions + 1, %(new)s, 'retry' FROM campaign_rows WHERE id = %(row)s
)
UPDATE campaign_rows SET versions = versions + 1, job_id = %(new)s,
    kept_job_id = CASE WHEN %(keeps)s THEN job_id ELSE kept_job_id END
WHERE id = %(row)s
"""
# Jobs that are no version of a row yet.
_FREE: LiteralString = """
SELECT j.id FROM jobs j WHERE NOT EXISTS (SELECT FROM campaign_rows o WHERE j.id IN (o.id, o.job_id))
AND NOT EXISTS (SELECT FROM campaign_versions v WHERE v.job_id = j.id) ORDER BY j.id
"""
_MANY: LiteralString = """
INSERT INTO jobs (id, campaign_id, request, request_hash, gateways, state, due_at, finished_at, error)
SELECT id, %(campaign)s, '{}', 'h', '{ark}', 'failed', NULL, now(),
       jsonb_build_object('code', 'c' || n %% 3, 'message', 'word ' || n %% 4)
FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY made (id, n)
"""
# Groups by their labels: how many rows, their first numbers, and the words with how many rows, most first.
Found = dict[tuple[str | None, ...], tuple[int, list[int], list[tuple[int, str, str]]]]


def new_ids(chance: random.Random, jobs: int) -> list[UUID]:
    """Ids of jobs, the oldest first. All that a test chooses comes from its seed, so that it can be repeated."""
    return sorted(UUID(int=chance.getrandbits(128)) for _ in range(jobs))


def insert_rows(conn: Connection, chance: random.Random) -> None:
    """Make rows of nine in ten jobs of the campaigns."""
    ids = [row[0] for row in conn.execute("SELECT id FROM jobs ORDER BY id") if chance.random() < 0.9]
    conn.execute(_ROWS, {"ids": ids})


def by_definition(conn: Connection, campaign: UUID) -> Found:
    """The groups, from a look at every job."""
    lost: dict[tuple[str | None, ...], list[tuple[Any, ...]]] = {}
    for *group, number, message, code in conn.execute(_LOST, {"campaign": campaign}):
        lost.setdefault(tuple(group), []).append((number, message, code))
    found: Found = {}
    for labels, rows in lost.items():
        read = rows[-WORDS_READ:]
        words = Counter((message, code) for _, message, code in read if message)
        most = sorted(words.items(), key=lambda item: (-item[1], *item[0]))[:SHOWN_WORDS]
        share = Fraction(len(rows), len(read))
        numbers = sorted(number for number, _, _ in rows[:SHOWN_ROWS] if number is not None)
        found[labels] = (len(rows), numbers, [(floor(count * share + Fraction(1, 2)), *said) for said, count in most])
    return found


def shown(groups: Sequence[FailureGroup]) -> Found:
    assert [group.rows for group in groups] == sorted((group.rows for group in groups), reverse=True)
    return {
        (group.state, group.code, group.stage, group.modality): (
            group.rows,
            group.numbers,
            [(words.rows, words.message, words.gateway_code) for words in group.said],
        )
        for group in groups
    }


def write(conn: Connection, chance: random.Random) -> None:
    """One of the things that programs do to jobs and rows."""
    ids = [row[0] for row in conn.execute("SELECT id FROM jobs ORDER BY id")]
    some = chance.sample(ids, chance.choice([1, 2, 7, len(ids) // 2]))
    what = chance.random()
    if what < 0.3:
        for _ in range(chance.choice([1, 5])):
            rows, free = (
                [row[0] for row in conn.execute(query)] for query in ("SELECT id FROM campaign_rows ORDER BY id", _FREE)
            )
            if rows and free:
                chosen = {"row": chance.choice(rows), "new": chance.choice(free)}
                conn.execute(_VERSION, chosen | {"keeps": chance.random() < 0.4})
    elif what < 0.35:
        conn.execute("DELETE FROM jobs WHERE id = ANY(%s)", [some[:2]])
    else:
        change = chance.choice(_WRITES)
        conn.execute(
            f"UPDATE jobs SET {change} WHERE id = ANY(%(ids)s)",
            {"ids": some, "error": chance.choice(_ERRORS)},
        )


@pytest.mark.parametrize("seed", range(6))
def test_failures_are_those_of_a_look_at_every_job(postgres_url: str, seed: int) -> None:
    chance = random.Random(seed)
    with connect(postgres_url) as conn:
        campaigns = [controls.ensure_campaign(conn, "default", name) for name in ("spring", "summer")]
        for campaign in (*campaigns, None):
            conn.execute(_JOBS, {"campaign": campaign, "ids": new_ids(chance, 45)})
        insert_rows(conn, chance)
    for _ in range(40):
        with connect(postgres_url) as conn:
            write(conn, chance)
            for campaign in campaigns:
                assert shown(failures_of(conn, campaign)) == by_definition(conn, campaign)
            assert miscounted(conn) == []
    check(postgres_url)


def test_words_of_a_large_group_are_those_of_its_newest_jobs(postgres_url: str) -> None:
    ids = new_ids(random.Random(1), 3 * 10 * WORDS_READ)
    newest = ids[-3 * WORDS_READ :]  # each third one is of the same group
    words: LiteralString = "UPDATE jobs SET error = error || jsonb_build_object('message', %s::text) WHERE id = ANY(%s)"
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "default", "spring")
        conn.execute(_MANY, {"campaign": campaign, "ids": ids})
        conn.execute(words, ["the newest word", newest])
        conn.execute(words, ["rare", newest[:30]])
        groups = failures_of(conn, campaign)
    assert {group.code: group.rows for group in groups} == dict.fromkeys(("c0", "c1", "c2"), 10 * WORDS_READ)
    for group in groups:
        assert group.said == [Words("the newest word", "", 200), Words("rare", "", 100)]
        assert group.numbers == []


def test_words_are_those_of_the_newest_rows_of_one_or_several_versions(postgres_url: str) -> None:
    """Seen: all rows with several versions were read beside the newest others, and so weighed too much."""
    chance = random.Random(1)
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "default", "spring")
        ids = new_ids(chance, 3 * 4 * WORDS_READ)
        conn.execute(_MANY, {"campaign": campaign, "ids": ids})
        conn.execute(_ROWS, {"ids": ids})
        again = new_ids(chance, len(ids) // 2)
        conn.execute(_MANY, {"campaign": campaign, "ids": again})
        for row, new in zip(chance.sample(ids, len(again)), again, strict=True):
            conn.execute(_VERSION, {"row": row, "new": new, "keeps": False})
        assert shown(failures_of(conn, campaign)) == by_definition(conn, campaign)


def test_a_campaign_without_statistics_is_not_read_whole(postgres_url: str) -> None:
    read = """SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables
              WHERE relname IN ('jobs', 'campaign_rows', 'campaign_versions')"""
    chance = random.Random(1)
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "default", "spring")
        conn.execute(_MANY, {"campaign": campaign, "ids": new_ids(chance, 3_000)})
        insert_rows(conn, chance)
    with connect(postgres_url) as conn:
        assert len(failures_of(conn, campaign)) == 3
        [(count,)] = conn.execute(read).fetchall()
    assert count <= 3 * (2 * SHOWN_ROWS + WORDS_READ)


def test_no_error_stops_the_statement_that_writes_it(postgres_url: str) -> None:
    noise = random.Random(1)
    long = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(20_000))
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "default", "spring")
        conn.execute(_JOBS, {"campaign": campaign, "ids": new_ids(noise, 2)})
        conn.execute(
            f"""UPDATE jobs SET state = 'failed', {_DEAD},
                error = jsonb_build_object('code', %(text)s::text, 'stage', %(text)s::text, 'modality', %(text)s::text)
            """,
            {"text": long},
        )
        [group] = failures_of(conn, campaign)
    assert (group.code, group.stage, group.modality, group.rows) == (*[long[:200]] * 3, 2)
    check(postgres_url)
    with connect(postgres_url) as conn:
        conn.execute("TRUNCATE jobs CASCADE")
        assert failures_of(conn, campaign) == []
    check(postgres_url)


def test_counts_are_exact_before_and_after_the_migration_and_back(empty_postgres_url: str) -> None:
    url = empty_postgres_url
    chance = random.Random(3)

    def change() -> None:
        with psycopg.connect(url) as conn:
            for _ in range(12):
                write(conn, chance)
                assert miscounted(conn) == []

    migrate(url, "0058")
    with connect(url) as conn:
        campaigns = [controls.ensure_campaign(conn, "default", name) for name in ("spring", "summer")]
        for campaign in campaigns:
            conn.execute(_MANY, {"campaign": campaign, "ids": new_ids(chance, 20)})
        conn.execute(_JOBS, {"campaign": None, "ids": new_ids(chance, 20)})
        insert_rows(conn, chance)
    change()
    upgrade(url)
    change()
    with connect(url) as conn:
        assert shown(failures_of(conn, campaigns[0])) == by_definition(conn, campaigns[0])
    migrate(url, "0058")
    change()
    upgrade(url)
    with connect(url) as conn:
        assert shown(failures_of(conn, campaigns[1])) == by_definition(conn, campaigns[1])
    check(url)


def test_a_batch_of_failures_adds_a_row_for_each_group_and_other_moves_none(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "default", "spring")
        conn.execute(_JOBS, {"campaign": campaign, "ids": new_ids(random.Random(1), 30)})
        conn.execute(f"UPDATE jobs SET state = 'generating', gateway_task_id = id::text, {_LIVE}")
        counted = "SELECT labels, jobs FROM failure_counts WHERE campaign_id = %s ORDER BY labels"
        assert conn.execute(counted, [campaign]).fetchall() == []
        conn.execute(f"UPDATE jobs SET state = 'cancelled', reason = 'cancelled', {_DEAD}")
        conn.execute("UPDATE jobs SET claim = claim + 1")
        assert conn.execute(counted, [campaign]).fetchall() == [
            ([JobState.CANCELLED, Reason.CANCELLED, None, None], 30)
        ]

"""The job SQL against a real PostgreSQL: each job is stored, leased and moved once."""

from __future__ import annotations

import threading
from collections import Counter
from uuid import UUID

import pytest
from psycopg import sql

from storage.admission import usage
from storage.admission.usage import total
from storage.database import Connection, Database, connect
from storage.jobs import attempts, claims, history, queries, transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import (
    AttemptOutcome,
    Begun,
    Correlation,
    IdempotencyConflict,
    Move,
    Moved,
    NewJob,
    Postponement,
)
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from storage.leases import Claimed
from storage.reporting import overview
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import claim_submits

S = JobState
LEASE_S = 30.0


def a_job(prompt: str = "a cat", key: str | None = None, **fields: object) -> NewJob:
    return NewJob(
        id=new_job_id(),
        request={"prompt": prompt},
        request_hash=f"hash of {prompt}",
        gateways=["anyfast"],
        idempotency_key=key,
        **fields,  # type: ignore[arg-type] # a test's own keywords
    )


def enqueue(url: str, *new: NewJob) -> list[UUID]:
    with connect(url) as conn:
        return [item.id for item in enqueue_jobs(conn, new)]


def claim(conn: Connection, limit: int = 100) -> list[Claimed]:
    return claim_submits(conn, "main", "anyfast", limit, LEASE_S)


def begin(conn: Connection, claimed: list[Claimed]) -> list[Begun]:
    patch = {"gateway": "anyfast", "model": "seedance"}
    return attempts.begin_attempts(
        conn,
        [
            Move(item.id, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, item.claim, due_in_s=LEASE_S, patch=patch)
            for item in claimed
        ],
        {item.id: Correlation(seed=7) for item in claimed},
    )


def accept(conn: Connection, begun: list[Begun]) -> list[Moved]:
    return attempts.finish_attempts(
        conn,
        [AttemptOutcome(item.id, item.attempt, Reason.ACCEPTED, 200, f"task-{item.id}") for item in begun],
        [
            Move(
                item.id,
                (S.SUBMITTING, S.UNCONFIRMED),
                S.GENERATING,
                Reason.ACCEPTED,
                attempt=item.attempt,
                patch={"gateway_task_id": f"task-{item.id}"},
            )
            for item in begun
        ],
    )


def generating(url: str, *new: NewJob) -> list[Claimed]:
    enqueue(url, *new)
    with connect(url) as conn:
        accept(conn, begin(conn, claim(conn)))
    with connect(url) as conn:
        return claims.claim_polls(conn, 100, LEASE_S)


def state_of(url: str, job_id: UUID) -> S:
    with connect(url) as conn:
        return queries.get_jobs(conn, DEFAULT_TENANT, [job_id])[job_id].state


# --- enqueue -----------------------------------------------------------------


def test_a_known_key_gives_the_earlier_job(postgres_url: str) -> None:
    (first,) = enqueue(postgres_url, a_job(key="k"))
    with connect(postgres_url) as conn:
        again = enqueue_jobs(conn, [a_job(key="k"), a_job("another", key="m"), a_job(key="k")])
    assert [(item.id == first, item.created) for item in again] == [(True, False), (False, True), (True, False)]
    with connect(postgres_url) as conn:
        assert overview.counts(conn, DEFAULT_TENANT) == {S.QUEUED: 2}


def test_a_known_key_with_another_request_is_refused_and_stores_nothing(postgres_url: str) -> None:
    enqueue(postgres_url, a_job(key="k"))
    with pytest.raises(IdempotencyConflict) as caught, connect(postgres_url) as conn:
        enqueue_jobs(conn, [a_job("new"), a_job("a dog", key="k")])
    assert (caught.value.key, caught.value.index) == ("k", 1)
    with pytest.raises(IdempotencyConflict), connect(postgres_url) as conn:
        enqueue_jobs(conn, [a_job("x", key="same"), a_job("y", key="same")])
    with connect(postgres_url) as conn:
        assert overview.counts(conn, DEFAULT_TENANT) == {S.QUEUED: 1}


def test_concurrent_enqueues_of_one_key_give_one_job(postgres_url: str) -> None:
    seen: list[UUID] = []
    threads = [threading.Thread(target=lambda: seen.extend(enqueue(postgres_url, a_job(key="k")))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 12
    assert len(set(seen)) == 1


def test_a_batch_keeps_its_order_and_every_character(postgres_url: str) -> None:
    prompts = [f"{i} 猫 🎹 \\u0000 \\ ' \" %s {{}}" for i in range(4100)]
    ids = enqueue(postgres_url, *(a_job(prompt) for prompt in prompts))
    with connect(postgres_url) as conn:
        found = queries.get_jobs(conn, DEFAULT_TENANT, ids)
    assert [found[job_id].request["prompt"] for job_id in ids] == prompts


def test_a_nul_from_a_gateway_does_not_lose_an_outcome(postgres_url: str) -> None:
    (polled,) = generating(postgres_url, a_job())
    with connect(postgres_url) as conn:
        error = {"code": "x", "message": "a\0b"}
        assert transitions.move(
            conn,
            [Move(polled.id, (S.GENERATING,), S.FAILED, Reason.STATUS_UNKNOWN, polled.claim, patch={"error": error})],
        )
        assert queries.get_jobs(conn, DEFAULT_TENANT, [polled.id])[polled.id].error == {
            "code": "x",
            "message": "a\ufffdb",
        }


# --- claims ------------------------------------------------------------------


def test_sixteen_threads_claim_four_hundred_jobs_each_once(postgres_url: str) -> None:
    enqueue(postgres_url, *(a_job(str(i)) for i in range(400)))
    database = Database(postgres_url, name="test", size=16)
    claimed: list[UUID] = []

    def take() -> None:
        while True:
            with database.begin() as conn:
                batch = claim(conn, 7)
            if not batch:
                return
            claimed.extend(item.id for item in batch)

    threads = [threading.Thread(target=take) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert Counter(claimed).most_common(1)[0][1] == 1
    assert len(claimed) == 400


def test_jobs_are_claimed_by_priority_then_in_order(postgres_url: str) -> None:
    first, urgent, last = enqueue(postgres_url, a_job("1"), a_job("2", priority=9), a_job("3"))
    with connect(postgres_url) as conn:
        taken = [claim(conn, 1)[0].id for _ in range(3)]
    assert taken == [urgent, first, last]


def test_a_pinned_job_is_claimed_only_for_its_account_and_gateway(postgres_url: str) -> None:
    enqueue(postgres_url, a_job(account_pin="other"))
    with connect(postgres_url) as conn:
        assert claim(conn) == []
        assert claim_submits(conn, "other", "ark", 9, LEASE_S) == []
        assert len(claim_submits(conn, "other", "anyfast", 9, LEASE_S)) == 1


def test_an_expired_lease_passes_to_the_next_worker_and_the_first_cannot_write(postgres_url: str) -> None:
    enqueue(postgres_url, a_job())
    with connect(postgres_url) as conn:
        (first,) = claim_submits(conn, "main", "anyfast", 1, 0.0)
    with connect(postgres_url) as conn:
        (second,) = claim(conn)
    assert second.id == first.id
    with connect(postgres_url) as conn:
        assert load_work(conn, S.QUEUED, [(first.id, first.claim)]) == []
        assert begin(conn, [first]) == []
        assert len(begin(conn, [second])) == 1


def test_a_job_is_not_loaded_after_its_lease(postgres_url: str) -> None:
    enqueue(postgres_url, a_job())
    with connect(postgres_url) as conn:
        (held,) = claim_submits(conn, "main", "anyfast", 1, 0.0)
    with connect(postgres_url) as conn:
        assert load_work(conn, S.QUEUED, [(held.id, held.claim)]) == []


def test_slots_in_use_are_counted_from_the_rows(postgres_url: str) -> None:
    enqueue(postgres_url, *(a_job(str(i)) for i in range(5)))
    with connect(postgres_url) as conn:
        claimed = claim(conn, 3)
        assert total(usage.slots_in_use(conn, 60.0)["main"]).in_flight == 3
        accept(conn, begin(conn, claimed[:2]))
    with connect(postgres_url) as conn:
        assert total(usage.slots_in_use(conn, 60.0)["main"]).in_flight == 3
        assert usage.read_usage(conn, 60.0, ["main"], ["main"], set()).started == {"main": 2}
        claims.release(conn, [(claimed[2].id, claimed[2].claim)])
        assert total(usage.slots_in_use(conn, 60.0)["main"]).in_flight == 2


def test_the_video_whose_url_expires_first_is_claimed_first(postgres_url: str) -> None:
    held = generating(postgres_url, *(a_job(str(i)) for i in range(3)))
    with connect(postgres_url) as conn:
        for item, life_s in zip(held, (900.0, 60.0, 300.0), strict=True):
            patch = {"video_url": "https://x"}
            transitions.move(
                conn,
                [
                    Move(
                        item.id,
                        (S.GENERATING,),
                        S.TRANSFERRING,
                        Reason.STATUS_UNKNOWN,
                        item.claim,
                        expires_in_s=life_s,
                        patch=patch,
                    )
                ],
            )
    with connect(postgres_url) as conn:
        order = [claims.claim_transfers(conn, 1, LEASE_S)[0].id for _ in range(3)]
    assert order == [held[1].id, held[2].id, held[0].id]


# --- moves -------------------------------------------------------------------


def test_two_holders_of_one_job_cannot_both_win(postgres_url: str) -> None:
    (polled,) = generating(postgres_url, a_job())
    barrier = threading.Barrier(2)
    won: list[str] = []

    def finish(code: Reason) -> None:
        with connect(postgres_url) as conn:
            barrier.wait()
            patch = {"error": {"code": code}}
            if transitions.move(conn, [Move(polled.id, (S.GENERATING,), S.FAILED, code, polled.claim, patch=patch)]):
                won.append(code)

    threads = [threading.Thread(target=finish, args=(code,)) for code in (Reason.TASK_LOST, Reason.DISCARDED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with connect(postgres_url) as conn:
        assert queries.get_jobs(conn, DEFAULT_TENANT, [polled.id])[polled.id].error == {"code": won[0]}
        assert [event["target"] for event in history.events_of(conn, polled.id)].count("failed") == 1


def test_a_late_task_id_is_kept_although_the_job_is_unconfirmed(postgres_url: str) -> None:
    (job_id,) = enqueue(postgres_url, a_job())
    with connect(postgres_url) as conn:
        begun = begin(conn, claim(conn))
    with connect(postgres_url) as conn:
        transitions.move(conn, [Move(job_id, (S.SUBMITTING,), S.UNCONFIRMED, Reason.SUBMIT_LOST, begun[0].claim)])
    with connect(postgres_url) as conn:
        assert len(accept(conn, begun)) == 1
    assert state_of(postgres_url, job_id) is S.GENERATING


def test_a_late_task_id_of_an_earlier_attempt_is_stored_and_moves_nothing(postgres_url: str) -> None:
    (job_id,) = enqueue(postgres_url, a_job())
    with connect(postgres_url) as conn:
        first = begin(conn, claim(conn))
        transitions.move(
            conn, [Move(job_id, (S.SUBMITTING,), S.QUEUED, Reason.STATUS_UNKNOWN, patch={"account": None})]
        )
    with connect(postgres_url) as conn:
        second = begin(conn, claim(conn))
        assert second[0].attempt == 2
    with connect(postgres_url) as conn:
        assert accept(conn, first) == []
        tasks = [attempt["gateway_task_id"] for attempt in history.attempts_of(conn, job_id)]
    assert tasks == [f"task-{job_id}", None]
    assert state_of(postgres_url, job_id) is S.SUBMITTING


def test_an_attempt_is_stored_before_its_post(postgres_url: str) -> None:
    (job_id,) = enqueue(postgres_url, a_job())
    with connect(postgres_url) as conn:
        begin(conn, claim(conn))
    with connect(postgres_url) as conn:
        (attempt,) = history.attempts_of(conn, job_id)
    assert (attempt["number"], attempt["outcome"], attempt["account"]) == (1, None, "main")


def test_the_timeline_has_every_transition(postgres_url: str) -> None:
    (polled,) = generating(postgres_url, a_job())
    patch = {"video_url": "https://x"}
    with connect(postgres_url) as conn:
        transitions.move(
            conn, [Move(polled.id, (S.GENERATING,), S.TRANSFERRING, Reason.GENERATED, polled.claim, patch=patch)]
        )
    with connect(postgres_url) as conn:
        (held,) = claims.claim_transfers(conn, 1, LEASE_S)
        stored = {"object_key": "k", "sha256": "ab", "size_bytes": 1}
        transitions.move(conn, [Move(held.id, (S.TRANSFERRING,), S.SUCCEEDED, Reason.STORED, held.claim, patch=stored)])
        assert [(event["source"], event["target"]) for event in history.events_of(conn, held.id)] == [
            (None, "queued"),
            ("queued", "submitting"),
            ("submitting", "generating"),
            ("generating", "transferring"),
            ("transferring", "succeeded"),
        ]
        job = queries.get_jobs(conn, DEFAULT_TENANT, [held.id])[held.id]
    assert job.due_at is None
    assert job.finished_at is not None


def test_a_released_job_is_due_at_once_and_a_renewed_one_is_not(postgres_url: str) -> None:
    held = generating(postgres_url, a_job("1"), a_job("2"))
    leases = [(item.id, item.claim) for item in held]
    with connect(postgres_url) as conn:
        assert claims.renew(conn, [*leases, (held[0].id, 999)], LEASE_S) == {item.id for item in held}
        claims.release(conn, leases[:1])
    with connect(postgres_url) as conn:
        assert [item.id for item in claims.claim_polls(conn, 9, LEASE_S)] == [held[0].id]


def test_a_postponed_job_comes_back_and_a_stale_holder_cannot_postpone_it(postgres_url: str) -> None:
    (held,) = generating(postgres_url, a_job())
    with connect(postgres_url) as conn:
        transitions.postpone(conn, [Postponement(held.id, held.claim - 1, 9999.0, Reason.STATUS_UNKNOWN, 1, 1)])
        transitions.postpone(conn, [Postponement(held.id, held.claim, 0.0, Reason.GENERATING, 0, 1)])
    with connect(postgres_url) as conn:
        (again,) = claims.claim_polls(conn, 9, LEASE_S)
        (work,) = load_work(conn, S.GENERATING, [(again.id, again.claim)])
    assert (work.reason, work.polls) == ("generating", 1)


def test_each_field_of_work_is_read_from_its_own_column(postgres_url: str) -> None:
    (held,) = generating(postgres_url, a_job())
    stored = {
        "refusals": 1,
        "setbacks": 2,
        "polls": 3,
        "missing_times": 4,
        "last_frame_url": "https://a.example/last",
        "account_pin": "pinned",
        "missing": "task_unknown",
        "draft_task_id": "draft",
        "draft_model": "model",
        "traceparent": "trace",
        "gateways": ["ark", "evolink"],
        "barred_accounts": ["other"],
    }
    with connect(postgres_url) as conn:
        columns = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in stored.items()
        )
        conn.execute(sql.SQL("UPDATE jobs SET {} WHERE id = {}").format(columns, held.id))
        (work,) = load_work(conn, S.GENERATING, [(held.id, held.claim)])
        (row,) = conn.execute("SELECT tenant, created_at, now(), request FROM jobs").fetchall()
    assert {name: getattr(work, name) for name in stored} == stored
    assert (work.id, work.claim, work.state, work.account) == (held.id, held.claim, S.GENERATING, "main")
    assert (work.tenant, work.created_at, work.read_at, work.request) == row

"""The Python client against a real PostgreSQL and a real S3: jobs are stored once, all or none."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from producer import DatabaseUnavailable, IdempotencyConflict, InvalidInput, Job, JobNotFound, NotPossible, Producer
from producer.operator_actions import job_actions
from storage.bucket.requests import StoreUnavailable
from storage.database import Database, connect
from storage.jobs import attempts, history, transitions
from storage.jobs.enqueue import enqueue_jobs
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Move
from storage.jobs.states import JobState
from storage.reporting import overview
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.media_files import picture
from tests.servers import Bucket
from tests.uploaded import key_of
from tests.waiting import PATIENCE_S

S = JobState
ACCOUNTS = {"accounts": [{"name": "main", "gateway": "anyfast", "api_key": "k"}]}


@pytest.fixture
def configured(settings: Settings) -> Settings:
    return Settings.model_validate(settings.model_dump() | ACCOUNTS)


def count(producer: Producer) -> int:
    with connect(producer.settings.require_database_url()) as conn:
        return sum(overview.counts(conn, DEFAULT_TENANT).values())


def bring(producer: Producer, job: Job, state: JobState, account: str = "main") -> Job:
    """Move a queued job as the worker does."""
    task = f"task-{job.id}"
    patch = {"account": account, "gateway": "anyfast", "model": "seedance"}
    road: dict[JobState, list[tuple[JobState, dict[str, Any]]]] = {
        S.QUEUED: [],
        S.SUBMITTING: [(S.SUBMITTING, patch)],
    }
    road[S.UNCONFIRMED] = [*road[S.SUBMITTING], (S.UNCONFIRMED, {})]
    road[S.GENERATING] = [*road[S.SUBMITTING], (S.GENERATING, {"gateway_task_id": task})]
    road[S.TRANSFERRING] = [*road[S.GENERATING], (S.TRANSFERRING, {"video_url": "http://a/b.mp4"})]
    stored = {"object_key": f"videos/{job.id}.mp4", "sha256": "0" * 64, "size_bytes": 5}
    road[S.SUCCEEDED] = [*road[S.TRANSFERRING], (S.SUCCEEDED, stored)]
    road[S.FAILED] = [*road[S.SUBMITTING], (S.FAILED, {"error": {"code": "x", "message": "y"}})]
    at = S.QUEUED
    for target, columns in road[state]:
        with producer.database.begin() as conn:
            reason = Reason.HELD if target is S.UNCONFIRMED else Reason.SUBMIT
            move = Move(job.id, (at,), target, reason, due_in_s=60.0, patch=columns)
            assert len(transitions.move(conn, [move])) == 1
            if target is S.SUBMITTING:
                conn.execute(
                    "INSERT INTO attempts (job_id, number, account, model) VALUES (%s, 1, %s, 'seedance')",
                    [job.id, account],
                )
            if target is S.GENERATING:
                attempts.finish_attempts(conn, [AttemptOutcome(job.id, 1, Reason.ACCEPTED, 200, task)], [])
        at = target
    return producer.get(job.id)


# --- enqueue ---------------------------------------------------------------------------------------------------------


def test_a_job_is_stored_as_requested(producer: Producer) -> None:
    job = producer.enqueue(
        "a cat",
        duration=5,
        ratio="1:1",
        idempotency_key="k",
        priority=9,
        account="main",
        deadline=60,
        webhook_url="https://a.example/b",
        metadata={"sku": 7, "deep": [None, {"a": "猫"}]},
        tags=["x", "y"],
        tier="standard",
    )
    assert job.state is S.QUEUED
    assert job.request == {"prompt": "a cat", "duration": 5, "ratio": "1:1"}
    assert (job.priority, job.account_pin, job.tags) == (9, "main", ["x", "y"])
    assert job.metadata == {"sku": 7, "deep": [None, {"a": "猫"}]}
    assert job.deadline_at is not None
    assert 0 < (job.deadline_at - job.created_at).total_seconds() < 61
    assert producer.get(str(job.id)) == job


def test_the_same_key_is_the_same_job_and_another_request_is_an_error(producer: Producer) -> None:
    job = producer.enqueue("a cat", idempotency_key="k")
    assert producer.enqueue("a cat", idempotency_key="k", tier="standard", priority=1).id == job.id
    with pytest.raises(IdempotencyConflict, match=f"'k' belongs to job {job.id}"):
        producer.enqueue("a dog", idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        producer.enqueue("a cat", idempotency_key="k", account="main")
    assert count(producer) == 1


def test_many_are_stored_all_or_none(producer: Producer) -> None:
    producer.enqueue("a cat", idempotency_key="k")
    refused: list[tuple[list[dict[str, Any]], str]] = [
        ([{"prompt": "x"}, {"prompt": "y", "duration": 3}, {"prompt": ""}], "row 2: duration: .*\nrow 3: prompt: "),
        ([{"prompt": "x"}, {"prompt": "y", "resolution": "4k"}], "row 2: resolution: anyfast"),
        ([{"prompt": "x"}, {"prompt": "y", "first_frame": "none.png"}], "row 2: first_frame: none.png does not exist"),
    ]
    for rows, said in refused:
        with pytest.raises(InvalidInput, match=said):
            producer.enqueue_many(rows, campaign="c")
    with pytest.raises(IdempotencyConflict, match="row 2: idempotency_key 'k' belongs to job"):
        producer.enqueue_many([{"prompt": "x"}, {"prompt": "a dog", "idempotency_key": "k"}], campaign="c")
    with pytest.raises(IdempotencyConflict, match="row 3: idempotency_key 'n' belongs to an earlier job"):
        producer.enqueue_many(
            [{"prompt": "x"}, {"prompt": "y", "idempotency_key": "n"}, {"prompt": "z", "idempotency_key": "n"}]
        )
    assert count(producer) == 1


def test_a_campaign_again_adds_only_what_is_new(producer: Producer) -> None:
    rows = [{"prompt": f"shot {number // 2}"} for number in range(6)]
    first = producer.enqueue_many(rows, campaign="spring")
    assert [job.request["prompt"] for job in first] == [row["prompt"] for row in rows]
    assert len({job.id for job in first}) == 6
    again = producer.enqueue_many([*reversed(rows), {"prompt": "shot 2"}], campaign="spring")
    assert {job.id for job in first} == {job.id for job in again[:6]}
    assert count(producer) == 7
    assert len(producer.enqueue_many(rows, campaign="autumn")) == 6
    assert count(producer) == 13
    assert len(producer.enqueue_many(rows)) == 6
    assert count(producer) == 19
    assert producer.enqueue_many([], campaign="none") == []


def test_threads_share_a_producer(producer: Producer) -> None:
    found: list[UUID] = []

    def work(number: int) -> None:
        for step in range(10):
            found.append(producer.enqueue("a cat", idempotency_key=f"k{step}").id)
            producer.enqueue(f"mine {number} {step}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (120, 10)
    assert count(producer) == 10 + 120


# --- local files -----------------------------------------------------------------------------------------------------


def test_local_files_are_stored_once_per_content(producer: Producer, s3: Bucket, tmp_path: Path) -> None:
    content = picture()
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(content)
    first = producer.enqueue("a cat", first_frame=str(tmp_path / "a.png"))
    assert first.request["first_frame"] == f"upload://{hashlib.sha256(content).hexdigest()}.png"
    stored = s3.directory / key_of(producer.settings, first.request["first_frame"])
    assert stored.read_bytes() == content
    before = stored.stat()
    again = producer.enqueue("a cat", reference_images=[str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    assert set(again.request["reference_images"]) == {first.request["first_frame"]}
    assert (stored.stat().st_mtime_ns, stored.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert producer.enqueue("a cat", first_frame=first.request["first_frame"]).request == first.request


def test_a_missing_upload_is_refused(producer: Producer) -> None:
    missing = f"upload://{'0' * 64}.png"
    with pytest.raises(InvalidInput, match=f"first_frame: {missing} is unknown"):
        producer.enqueue("a cat", first_frame=missing)
    assert count(producer) == 0


def test_nothing_is_stored_when_the_bucket_does_not_answer(configured: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    broken = configured.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"})
    with Producer(broken) as producer:
        with pytest.raises(StoreUnavailable):
            producer.enqueue("a cat", first_frame=str(tmp_path / "a.png"))
        assert count(producer) == 0


def test_local_files_can_be_turned_off(configured: Settings) -> None:
    refused = pytest.raises(InvalidInput, match="a local path is not taken here")
    with Producer(configured, local_files=False) as producer, refused:
        producer.enqueue("a cat", first_frame=__file__.replace(".py", ".png"))


# --- an unreliable database ------------------------------------------------------------------------------------------


def test_a_database_that_does_not_answer_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.client._CONNECT_WAIT_S", 0.5)
    said = pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/x.*(refused|failed)")
    with Producer(Settings(database_url="postgresql://127.0.0.1:1/x")) as producer, said:
        producer.get(uuid4())


def _lose_the_connection(conn: psycopg.Connection[Any]) -> None:
    conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_connection_lost_before_the_commit_is_retried(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = enqueue_jobs
    lost: list[bool] = []

    def once(conn: Any, new: Any, views: Any = None) -> Any:
        stored = real(conn, new, views)
        if not lost:
            lost.append(True)
            _lose_the_connection(conn)
        return stored

    monkeypatch.setattr("producer.storing.enqueue_jobs", once)
    found = producer.enqueue_many([{"prompt": "a"}, {"prompt": "b", "idempotency_key": "k"}])
    assert (len(found), count(producer), lost) == (2, 2, [True])


def test_an_answer_lost_after_the_commit_stores_nothing_twice(
    producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: committed, and the connection lost before the answer."""
    known = producer.enqueue("b", idempotency_key="k")
    real = enqueue_jobs
    lost: list[bool] = []

    def once(conn: Any, new: Any, views: Any = None) -> Any:
        stored = real(conn, new, views)
        if not lost:
            lost.append(True)
            conn.commit()
            _lose_the_connection(conn)
        return stored

    monkeypatch.setattr("producer.storing.enqueue_jobs", once)
    found = producer.enqueue_many([{"prompt": "b", "idempotency_key": "k"}, {"prompt": "a"}, {"prompt": "a"}])
    assert found[0].id == known.id
    assert (len({job.id for job in found}), count(producer)) == (3, 3)


# --- wait ------------------------------------------------------------------------------------------------------------


def test_wait_returns_when_every_job_is_done_or_held(producer: Producer) -> None:
    one, two, three = producer.enqueue_many([{"prompt": name} for name in "abc"])
    bring(producer, one, S.SUCCEEDED)
    bring(producer, two, S.UNCONFIRMED)
    with pytest.raises(TimeoutError, match=r"1 of 3 jobs did not finish within 0\.3 s"):
        producer.wait([one.id, two.id, three.id], timeout=0.3)
    timer = threading.Timer(0.4, producer.cancel, [three.id])
    timer.start()
    found = producer.wait([one.id, two.id, three.id, one.id], timeout=PATIENCE_S)
    timer.join()
    assert [job.state for job in found] == [S.SUCCEEDED, S.UNCONFIRMED, S.CANCELLED, S.SUCCEEDED]
    assert producer.wait(str(one.id)).state is S.SUCCEEDED


def test_an_unconfirmed_job_is_not_done_under_the_resubmit_policy(configured: Settings) -> None:
    with Producer(configured.model_copy(update={"unconfirmed_policy": "resubmit"})) as producer:
        job = bring(producer, producer.enqueue("a cat"), S.UNCONFIRMED)
        with pytest.raises(TimeoutError):
            producer.wait(job.id, timeout=0.2)


def test_an_unknown_job_is_not_found(producer: Producer) -> None:
    for unknown in (uuid4(), str(uuid4()), "zz", ""):
        with pytest.raises(JobNotFound, match="there is no job"):
            producer.get(unknown)
    job = producer.enqueue("a cat")
    with pytest.raises(JobNotFound):
        producer.wait([job.id, uuid4()], timeout=5)
    with pytest.raises(JobNotFound):
        producer.cancel(uuid4())


# --- decide ----------------------------------------------------------------------------------------------------------


def test_cancelling_a_queued_job_is_free_and_may_be_repeated(producer: Producer) -> None:
    job = producer.enqueue("a cat")
    assert producer.cancel(job.id).state is S.CANCELLED
    assert producer.cancel(job.id).state is S.CANCELLED


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (S.GENERATING, "was already submitted to main and will be billed"),
        (S.TRANSFERRING, "was already submitted to main and will be billed"),
        (S.UNCONFIRMED, "may have been submitted to main and may be billed"),
        (S.SUCCEEDED, "has already succeeded"),
        (S.FAILED, "has already failed"),
    ],
)
def test_a_refused_cancel_says_what_is_billed(producer: Producer, state: JobState, said: str) -> None:
    job = bring(producer, producer.enqueue("a cat"), state)
    with pytest.raises(NotPossible, match=said):
        producer.cancel(job.id)
    assert producer.get(job.id) == job
    if state in (S.GENERATING, S.TRANSFERRING, S.UNCONFIRMED):
        assert producer.cancel(job.id, discard=True).state is S.CANCELLED
        with connect(producer.settings.require_database_url()) as conn:
            assert history.events_of(conn, job.id)[-1]["reason"] == "discarded"
    else:
        with pytest.raises(NotPossible, match=said):
            producer.cancel(job.id, discard=True)


@pytest.mark.parametrize(("discard", "how"), [(False, "keep"), (True, "discard")])
def test_a_cancel_during_the_submit_is_kept_for_later(producer: Producer, discard: bool, how: str) -> None:
    job = bring(producer, producer.enqueue("a cat"), S.SUBMITTING)
    wished = producer.cancel(job.id, discard=discard)
    assert (wished.state, wished.cancel_request) == (S.SUBMITTING, how)
    assert wished.due_at == job.due_at, "the end of the lease reveals a lost POST, so it must not move"


def test_a_failed_job_is_retried_by_one_new_job(producer: Producer) -> None:
    [job] = producer.enqueue_many([{"prompt": "a cat", "duration": 5, "metadata": {"a": 1}, "tags": ["t"]}], "spring")
    with pytest.raises(NotPossible, match="is queued; only a failed or cancelled job"):
        producer.retry(job.id)
    bring(producer, job, S.FAILED)
    second = producer.retry(job.id)
    assert second.id != job.id
    assert (second.state, second.campaign, second.request, second.tags) == (S.QUEUED, "spring", job.request, ["t"])
    assert second.metadata == {"a": 1, "retry_of": str(job.id)}
    assert producer.retry(job.id).id == second.id
    producer.cancel(second.id)
    third = producer.retry(job.id)
    assert third.metadata == {"a": 1, "retry_of": str(second.id)}
    assert count(producer) == 3
    [again] = producer.enqueue_many([{"prompt": "a cat", "duration": 5, "metadata": {"a": 1}, "tags": ["t"]}], "spring")
    assert again.id == job.id


def test_an_unconfirmed_job_is_adopted_resubmitted_or_abandoned(producer: Producer) -> None:
    database: Database = producer.database
    other = bring(producer, producer.enqueue("other"), S.GENERATING)
    one, two, three = (bring(producer, producer.enqueue(name), S.UNCONFIRMED) for name in "abc")

    with pytest.raises(NotPossible, match=f"it belongs to job {other.id}"):
        job_actions.adopt(database, DEFAULT_TENANT, one.id, f"task-{other.id}")
    adopted = job_actions.adopt(database, DEFAULT_TENANT, one.id, "cgt-1")
    assert (adopted.state, adopted.gateway_task_id, adopted.account) == (S.GENERATING, "cgt-1", "main")
    with connect(producer.settings.require_database_url()) as conn:
        [attempt] = history.attempts_of(conn, one.id)
    assert (attempt["outcome"], attempt["gateway_task_id"]) == ("accepted", "cgt-1")

    again = job_actions.resubmit(database, DEFAULT_TENANT, two.id)
    assert (again.state, again.account, again.gateway, again.model) == (S.QUEUED, None, None, None)

    gone = job_actions.abandon(database, DEFAULT_TENANT, three.id)
    assert (gone.state, (gone.error or {})["code"]) == (S.FAILED, "abandoned")
    for decide in (job_actions.resubmit, job_actions.abandon):
        with pytest.raises(NotPossible, match="is generating, not unconfirmed"):
            decide(database, DEFAULT_TENANT, one.id)

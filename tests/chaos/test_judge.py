"""The judge of the chaos rounds detects every broken promise."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from storage.bucket.objects import Objects
from storage.database import Connection, connect
from storage.jobs import attempts, transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Correlation, JobView, Move, NewJob
from storage.jobs.states import JobState
from storage.leases import Claimed
from storage.settings import Settings
from tests.chaos.leaks import leaks_in_logs, leaks_in_rows
from tests.chaos.parts import Parts
from tests.chaos.play import ended_without_video
from tests.chaos.promises import Verdict, judge
from tests.claiming import claim_submits

S = JobState
VIDEO = b"the bytes of a video"
SHA256 = hashlib.sha256(VIDEO).hexdigest()
SECRET = "sk-0123456789abcdef"


def a_task(task_id: str = "task-1", status: str = "succeeded", sha256: str = SHA256) -> dict[str, Any]:
    return {"id": task_id, "prompt": "a fox", "status": status, "sha256": sha256}


@pytest.fixture
def submitted_id(settings: Settings) -> UUID:
    """A job whose POST is under way."""
    new = NewJob(new_job_id(), {"prompt": "a fox"}, "hash", ["anyfast"])
    with connect(settings.require_database_url()) as conn:
        enqueue_jobs(conn, [new])
        [claimed] = claim_submits(conn, "main", "anyfast", 1, 60.0)
        attempts.begin_attempts(conn, [_begin(claimed)], {new.id: Correlation()})
    return new.id


@pytest.fixture
def job_id(settings: Settings, submitted_id: UUID) -> UUID:
    """A job that was submitted and accepted as task-1."""
    with connect(settings.require_database_url()) as conn:
        accept(conn, submitted_id)
    return submitted_id


def accept(conn: Connection, job_id: UUID) -> None:
    sources, patch = (S.SUBMITTING, S.UNCONFIRMED), {"gateway_task_id": "task-1"}
    move = Move(job_id, sources, S.GENERATING, Reason.ACCEPTED, attempt=1, patch=patch, due_in_s=60)
    attempts.finish_attempts(conn, [AttemptOutcome(job_id, 1, Reason.ACCEPTED, gateway_task_id="task-1")], [move])


def _begin(claimed: Claimed) -> Move:
    patch = {"gateway": "anyfast", "model": "seedance"}
    return Move(claimed.id, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, claimed.claim, due_in_s=60, patch=patch)


def succeed(settings: Settings, job_id: UUID, tmp_path: Path) -> None:
    (tmp_path / "video").write_bytes(VIDEO)
    Objects(settings).put_file(tmp_path / "video", "v.mp4")
    stored = {"object_key": "v.mp4", "sha256": SHA256, "size_bytes": len(VIDEO)}
    with connect(settings.require_database_url()) as conn:
        transitions.move(
            conn, [Move(job_id, (S.GENERATING,), S.TRANSFERRING, Reason.GENERATED, patch={"video_url": "http://v"})]
        )
        transitions.move(conn, [Move(job_id, (S.TRANSFERRING,), S.SUCCEEDED, Reason.STORED, patch=stored)])


def verdict_of(settings: Settings, job_id: UUID, *tasks: dict[str, Any]) -> Verdict:
    with connect(settings.require_database_url()) as conn:
        return judge(conn, Objects(settings), [job_id], tasks)


def test_a_good_job_breaks_no_promise(settings: Settings, job_id: UUID, tmp_path: Path) -> None:
    succeed(settings, job_id, tmp_path)
    verdict = verdict_of(settings, job_id, a_task(), a_task("task-0", "failed"))
    verdict.check()
    assert (verdict.succeeded, verdict.lost, verdict.paid_twice) == (1, 0, 0)


def test_a_job_that_has_not_ended_is_lost(settings: Settings, job_id: UUID) -> None:
    assert verdict_of(settings, job_id, a_task()).lost == 1


def test_two_generations_of_one_job_are_paid_twice(settings: Settings, job_id: UUID, tmp_path: Path) -> None:
    succeed(settings, job_id, tmp_path)
    verdict = verdict_of(settings, job_id, a_task(), a_task("task-2"))
    assert verdict.paid_twice == 1
    with pytest.raises(AssertionError, match="paid 2 times"):
        verdict.check()


@pytest.mark.parametrize("damage", ["other bytes", "no object", "another task"])
def test_a_video_that_is_not_the_generated_one_is_detected(
    settings: Settings, job_id: UUID, tmp_path: Path, damage: str
) -> None:
    succeed(settings, job_id, tmp_path)
    task = a_task("task-2") if damage == "another task" else a_task()
    if damage == "other bytes":
        (tmp_path / "video").write_bytes(VIDEO + b"!")
        Objects(settings).put_file(tmp_path / "video", "v.mp4")
    if damage == "no object":
        with connect(settings.require_database_url()) as conn:
            conn.execute("UPDATE jobs SET object_key = 'nowhere.mp4'")
    assert verdict_of(settings, job_id, task).broken


def test_a_missing_event_is_detected(settings: Settings, job_id: UUID, tmp_path: Path) -> None:
    succeed(settings, job_id, tmp_path)
    with connect(settings.require_database_url()) as conn:
        conn.execute("DELETE FROM job_events WHERE target = 'transferring'")
    assert any("moved from transferring" in line for line in verdict_of(settings, job_id, a_task()).broken)


@pytest.mark.parametrize("ended", [S.FAILED, S.CANCELLED])
def test_a_job_that_ends_without_a_video_and_without_a_cause_is_detected(
    settings: Settings, job_id: UUID, ended: JobState
) -> None:
    """The gateway knows nothing of it, or may have lost it: so the ledger accuses nobody."""
    patch = {"error": {"code": Reason.TASK_LOST, "message": "six times"}} if ended is S.FAILED else {}
    with connect(settings.require_database_url()) as conn:
        transitions.move(conn, [Move(job_id, (S.GENERATING,), ended, Reason.TASK_LOST, patch=patch)])
    verdict_of(settings, job_id, a_task()).check()
    parts = Parts(Path(), settings, {})
    try:
        [broken] = ended_without_video(parts.jobs([job_id]))
    finally:
        parts.close()
    assert str(job_id) in broken


class _CutOffWorkerComesBack(Parts):
    """The worker that was cut off brings the answer to its POST after a look at jobs or while the ledger is read."""

    def jobs(self, ids: Sequence[UUID]) -> list[JobView]:
        found = super().jobs(ids)
        self._come_back()
        return found

    def tasks(self) -> list[dict[str, Any]]:
        self._come_back()
        return [a_task()]

    def _come_back(self) -> None:
        with connect(self.settings.require_database_url()) as conn:
            for (job_id,) in conn.execute("SELECT id FROM jobs WHERE state = 'unconfirmed'").fetchall():
                accept(conn, job_id)


@pytest.fixture
def held_id(settings: Settings, submitted_id: UUID) -> UUID:
    """A job that waits for a decision."""
    with connect(settings.require_database_url()) as conn:
        unknown = AttemptOutcome(submitted_id, 1, Reason.OUTCOME_UNKNOWN)
        move = Move(submitted_id, (S.SUBMITTING,), S.UNCONFIRMED, Reason.OUTCOME_UNKNOWN, attempt=1, due_in_s=60)
        attempts.finish_attempts(conn, [unknown], [move])
        conn.execute("UPDATE jobs SET reason = 'held'")
    return submitted_id


def test_a_held_job_that_moves_on_while_it_is_judged_breaks_no_promise(settings: Settings, held_id: UUID) -> None:
    verdict = _CutOffWorkerComesBack(Path(), settings, {}).judge([held_id])
    verdict.check()
    assert (verdict.held, verdict.lost, verdict.states) == (1, 0, {S.UNCONFIRMED: 1})
    with connect(settings.require_database_url()) as conn:
        assert conn.execute("SELECT state FROM jobs").fetchall() == [("generating",)]


def test_a_wait_gives_the_states_of_the_moment_when_all_were_at_rest(settings: Settings, held_id: UUID) -> None:
    with closing(_CutOffWorkerComesBack(Path(), settings, {})) as parts:
        assert parts.wait_final([held_id]) == {S.UNCONFIRMED: 1}
        assert parts.states([held_id]) == {S.GENERATING: 1}


def test_secrets_are_found_in_logs_and_rows(settings: Settings, job_id: UUID, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text(f"POST with Bearer {SECRET}\nGET https://v/?X-Tos-Signature=0123456789abcdef0123\n")
    assert len(leaks_in_logs([log], [SECRET])) == 2
    with connect(settings.require_database_url()) as conn:
        assert leaks_in_rows(conn, [SECRET]) == []
        conn.execute("UPDATE attempts SET error = jsonb_build_object('message', %s::text)", [SECRET])
        assert leaks_in_rows(conn, [SECRET]) == ["attempts.error: sk-012…"]

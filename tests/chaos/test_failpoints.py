"""A process killed at any step between two commits or side effects loses no job and pays for none twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

import worker
from storage.bucket.keys import playable_key
from storage.database import connect
from storage.jobs.playable_copies import want_copies
from storage.jobs.queries import get_jobs
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from tests.chaos.parts import SCHEDULER, SUBMIT_POLL, TRANSFER, Parts, running_parts
from tests.integration.webhooks.test_outbox import cancel, enqueue
from tests.servers import TestServers
from tests.webhook_receiver import receiving
from worker import failpoints

pytestmark = pytest.mark.slow

JOBS = 3
# The process may have sent a POST before it died: only the gateway knows.
HOLDS = {"submit.after_begin", "submit.before_post", "submit.after_post", "submit.before_commit"}
# Outcomes of one batch may be written in two statements; the process dies after the first.
MAY_HOLD = HOLDS | {"submit.after_outcome"}
LARGE = {"transfer.after_first_part", "transfer.after_complete"}
LOST_ANSWER = {"kind": "close_after_accept", "where": "create", "times": 1}
UNARMED = "import worker.failpoints as f; f.failpoint('submit.after_begin'); print(f._armed)"


def process_of(point: str) -> str:
    area = point.partition(".")[0]
    return {"scheduler": SCHEDULER, "transfer": TRANSFER, "playable": TRANSFER}.get(area, SUBMIT_POLL)


def account_for(point: str) -> str:
    if point.startswith("reconcile.") or point == "poll.after_query":
        return "listed"  # its gateway lists tasks, and answers queries of several at once
    if point == "poll.after_load":
        return "limited"  # a worker loads what it polls only if it has not kept it since the submit
    return "large" if point in LARGE else "small"


@pytest.fixture(scope="module")
def parts(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    armed = " ".join(f"{point}=kill" for point in failpoints.POINTS)
    # A short grace period, so that a lost task is looked up at once.
    with running_parts(servers, tmp_path_factory.mktemp("parts"), unconfirmed_grace_seconds=2.0) as running:
        for point in failpoints.POINTS:
            (running.fired / point).touch()
        for name in (SCHEDULER, SUBMIT_POLL, TRANSFER):
            running.start(name, points=armed)
        running.ready()
        yield running


@pytest.mark.parametrize(
    "point", [point for point in failpoints.POINTS if not point.startswith(("notify.", "playable."))]
)
def test_a_process_killed_at_a_fail_point_loses_and_repeats_no_job(parts: Parts, point: str) -> None:
    name = process_of(point)
    deaths = parts.deaths[name]
    parts.arm(point)
    if point.startswith("reconcile."):
        parts.add_faults(LOST_ANSWER)
    if point == "lifecycle.after_start":
        parts.signal(name, signal.SIGKILL)  # before there are jobs, whose POSTs it might hit
    ids = parts.enqueue(JOBS, point, account=account_for(point))
    if point == "lifecycle.before_close":
        parts.wait_for(f"the {name} has been started again", lambda: parts.beats(name))
        parts.signal(name, signal.SIGTERM)
    parts.wait_for(f"the {name} dies", lambda: parts.has_fired(point) and parts.deaths[name] > deaths)

    if point.startswith("reconcile."):
        parts.wait_for("the lost task is adopted", lambda: parts.states(ids) == {JobState.SUCCEEDED: JOBS})
    states = parts.wait_final(ids)
    if point in MAY_HOLD:
        assert states[JobState.UNCONFIRMED] >= (point in HOLDS), "the kill did not hit a submit"
        assert states[JobState.UNCONFIRMED] + states[JobState.SUCCEEDED] == JOBS, states
    else:
        assert states == {JobState.SUCCEEDED: JOBS}
    parts.judge(ids).check()
    assert parts.left_behind() == []


@pytest.mark.parametrize("point", ["playable.after_load", "playable.after_store"])
def test_a_worker_killed_while_it_makes_a_playable_copy_makes_it_again(parts: Parts, point: str) -> None:
    parts.add_faults({"kind": "video_format", "format": "mov", "times": 1})
    [job_id] = ids = parts.enqueue(1, point, account="small")
    assert parts.wait_final(ids) == {JobState.SUCCEEDED: 1}
    deaths = parts.deaths[TRANSFER]
    parts.arm(point)
    with connect(parts.settings.require_database_url()) as conn:
        want_copies(conn, ids)
    parts.wait_for("the worker dies", lambda: parts.has_fired(point) and parts.deaths[TRANSFER] > deaths)
    parts.wait_for("the copy is stored", lambda: _job(parts, job_id).playable_key is not None)
    job = _job(parts, job_id)
    assert job.object_key is not None and job.object_key.endswith(".mov")
    assert job.playable_key == playable_key(job.object_key)
    parts.judge(ids).check()


def _job(parts: Parts, job_id: UUID) -> JobView:
    with connect(parts.settings.require_database_url()) as conn:
        return get_jobs(conn, "default", [job_id])[job_id]


@pytest.mark.parametrize("point", ["notify.before_post", "notify.after_post"])
def test_a_worker_killed_during_a_webhook_sends_it_again_under_the_same_id(parts: Parts, point: str) -> None:
    deaths = parts.deaths[SUBMIT_POLL]
    with receiving() as receiver:
        parts.arm(point)
        with connect(parts.settings.require_database_url()) as conn:  # ended at once: nothing goes to a gateway
            ids = enqueue(conn, JOBS, webhook_url=receiver.url)
            cancel(conn, ids)
        parts.wait_for("the worker dies", lambda: parts.has_fired(point) and parts.deaths[SUBMIT_POLL] > deaths)
        parts.wait_for("every message was delivered", lambda: _undelivered(parts, ids) == 0)
        [secret] = parts.settings.webhook_secrets("default")
        delivered = {(item.id, item.verified(secret)["data"]["id"]) for item in receiver.deliveries}
    assert sorted(job_id for _, job_id in delivered) == sorted(map(str, ids)), "each job under one id"
    assert len(receiver.deliveries) > JOBS if point == "notify.after_post" else len(receiver.deliveries) >= JOBS


def _undelivered(parts: Parts, ids: list[UUID]) -> int:
    with connect(parts.settings.require_database_url()) as conn:
        found = conn.execute(
            "SELECT count(*) FROM webhook_messages WHERE job_id = ANY(%s) AND delivered_at IS NULL", [ids]
        ).fetchone()
    return 0 if found is None else int(found[0])


def test_every_fail_point_is_in_the_code_and_in_the_list() -> None:
    sources = Path(worker.__file__).parent.rglob("*.py")
    called = [name for path in sources for name in re.findall(r'failpoint\("([a-z_.]+)"\)', path.read_text())]
    assert sorted(set(called)) == sorted(failpoints.POINTS)


def test_arming_a_fail_point_needs_a_second_variable() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    environ[failpoints.ARM] = "submit.after_begin=kill"
    done = subprocess.run([sys.executable, "-c", UNARMED], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "{}")
    assert failpoints.ALLOW in done.stderr
    environ[failpoints.ALLOW] = failpoints.ALLOWED
    done = subprocess.run([sys.executable, "-c", UNARMED], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL


def test_an_unknown_fail_point_is_refused() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        failpoints.read_points({failpoints.ARM: "nowhere=kill", failpoints.ALLOW: failpoints.ALLOWED})


def test_an_unarmed_fail_point_calls_nothing() -> None:
    """It stands in the way of every job, so it must cost next to nothing: one look at what is armed."""
    called: list[str] = []
    sys.setprofile(lambda frame, event, _arg: called.append(f"{event} {frame.f_code.co_name}"))
    try:
        failpoints.failpoint("submit.after_begin")
    finally:
        sys.setprofile(None)
    assert [item for item in called if "failpoint" in item] == ["call failpoint", "return failpoint"]
    assert len(called) == 3, called  # and the call of setprofile

"""A worker needs a lease: late, paused, doubled and stale workers submit nothing twice and overwrite nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest
import redis

from storage.admission.spending.budgets import set_budget
from storage.database import connect
from storage.jobs.history import attempts_of
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT
from tests.chaos.parts import SCHEDULER, SUBMIT_POLL, TRANSFER, Parts, running_parts
from tests.servers import TestServers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def system(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with running_parts(servers, tmp_path_factory.mktemp("leases")) as running:
        yield running


@pytest.fixture
def parts(system: Parts, broker_url: str) -> Iterator[Parts]:
    """The gateways and servers, an empty broker, and no process but the transfer worker of earlier tests."""
    for point in system.fired.iterdir():
        point.unlink()
    yield system
    system.kill(*(name for name in system.names if name != TRANSFER))


def start_transfers(parts: Parts) -> None:
    """Start the transfer worker that the tests share; each start costs 0.7 s of CPU."""
    if TRANSFER not in parts.names:
        parts.start(TRANSFER)


def stop_transfers(parts: Parts) -> None:
    """Stop it, for a test with transfer workers of its own."""
    if TRANSFER in parts.names:
        parts.kill(TRANSFER)


def broker(parts: Parts) -> redis.Redis:
    return redis.Redis.from_url(parts.settings.require_broker_url())


def outcomes(parts: Parts, job_id: UUID) -> list[str | None]:
    with connect(parts.settings.require_database_url()) as conn:
        return [attempt["outcome"] for attempt in attempts_of(conn, job_id)]


def sent(parts: Parts, job_id: UUID) -> list[str | None]:
    """The outcomes of what was sent: on a busy machine a worker's first batch may outlive its lease of 3 s, and is then
    not sent."""
    return [of for of in outcomes(parts, job_id) if of != "not_tried"]


def all_in(parts: Parts, ids: list[UUID], state: JobState) -> None:
    parts.wait_for(f"all are {state}", lambda: parts.states(ids) == {state: len(ids)})


def test_two_schedulers_and_four_workers_run_each_job_once(parts: Parts) -> None:
    stop_transfers(parts)
    for number, celery in enumerate((False, True), 1):
        for kind in (SCHEDULER, SUBMIT_POLL, TRANSFER):
            parts.start(f"{kind}-{number}", kind, celery=celery)
    ids = parts.enqueue(60, "doubled", account="small")
    assert parts.wait_final(ids) == {JobState.SUCCEEDED: 60}
    assert {job_id: sent(parts, job_id) for job_id in ids} == {job_id: ["accepted"] for job_id in ids}
    parts.judge(ids).check()


def test_a_worker_paused_past_its_lease_before_the_post_does_not_post(parts: Parts) -> None:
    parts.start(SCHEDULER)
    parts.start(SUBMIT_POLL, points="submit.after_begin=stop")
    start_transfers(parts)
    ids = parts.enqueue(2, "paused before", account="small")
    parts.wait_for("the process has stopped itself", lambda: parts.is_stopped(SUBMIT_POLL))
    all_in(parts, ids, JobState.UNCONFIRMED)
    parts.signal(SUBMIT_POLL, signal.SIGCONT)
    all_in(parts, ids, JobState.SUCCEEDED)
    assert [outcomes(parts, job_id) for job_id in ids] == [["not_tried", "accepted"]] * 2
    parts.judge(ids).check()


@pytest.mark.parametrize("point", ["submit.before_post", "submit.after_post"])
def test_the_late_answer_of_a_worker_paused_around_its_post_is_adopted(parts: Parts, point: str) -> None:
    parts.start(SCHEDULER)
    parts.start(SUBMIT_POLL, points=f"{point}=stop")
    start_transfers(parts)
    ids = parts.enqueue(1, point, account="small")
    parts.wait_for("the process has stopped itself", lambda: parts.is_stopped(SUBMIT_POLL))
    all_in(parts, ids, JobState.UNCONFIRMED)
    parts.signal(SUBMIT_POLL, signal.SIGCONT)
    all_in(parts, ids, JobState.SUCCEEDED)
    assert outcomes(parts, ids[0]) == ["accepted"], "it was sent again"
    parts.judge(ids).check()


@pytest.mark.parametrize(
    ("point", "kind"),
    [("poll.after_query", SUBMIT_POLL), ("transfer.after_put", TRANSFER)],
)
def test_a_late_finisher_overwrites_nothing(parts: Parts, point: str, kind: str) -> None:
    parts.start(SCHEDULER)
    if kind == SUBMIT_POLL:
        start_transfers(parts)
    else:
        stop_transfers(parts)
        parts.start(SUBMIT_POLL)
    parts.start("slow", kind, points=f"{point}=stop")
    ids = parts.enqueue(2, f"late {point}", account="small")
    parts.wait_for("the process has stopped itself", lambda: parts.is_stopped("slow"))
    parts.start("quick", kind)
    all_in(parts, ids, JobState.SUCCEEDED)
    before = parts.jobs(ids)
    parts.signal("slow", signal.SIGCONT)
    more = parts.enqueue(2, f"after {point}", account="small")
    all_in(parts, more, JobState.SUCCEEDED)
    parts.shut_down("slow")  # it finishes its tasks first
    assert parts.jobs(ids) == before
    parts.judge([*ids, *more]).check()


def test_stale_messages_of_a_paused_scheduler_do_nothing(parts: Parts) -> None:
    parts.start("slow", SCHEDULER, points="scheduler.after_claim=stop")
    parts.start(SUBMIT_POLL)
    start_transfers(parts)
    ids = parts.enqueue(3, "stale", account="small")
    parts.wait_for("the process has stopped itself", lambda: parts.is_stopped("slow"))
    parts.start("quick", SCHEDULER)
    all_in(parts, ids, JobState.SUCCEEDED)
    before = parts.jobs(ids)
    parts.signal("slow", signal.SIGCONT)
    more = parts.enqueue(3, "after stale", account="small")
    all_in(parts, more, JobState.SUCCEEDED)
    assert parts.jobs(ids) == before
    assert [sent(parts, job_id) for job_id in [*ids, *more]] == [["accepted"]] * 6


def test_a_scheduler_that_stands_still_in_a_transaction_does_not_stop_the_other_one(parts: Parts) -> None:
    with connect(parts.settings.require_database_url()) as conn:  # so that it holds the lock of all budgets as well
        set_budget(conn, DEFAULT_TENANT, None, Decimal(10_000), "CNY")
    parts.start("gone", SCHEDULER, points="scheduler.before_commit=stop")
    parts.start(SUBMIT_POLL)
    start_transfers(parts)
    ids = parts.enqueue(3, "locked", account="listed")
    parts.wait_for("it has stopped itself", lambda: parts.is_stopped("gone"))
    parts.start("other", SCHEDULER)
    all_in(parts, ids, JobState.SUCCEEDED)
    parts.signal("gone", signal.SIGCONT)
    more = parts.enqueue(3, "after locked", account="listed")
    all_in(parts, more, JobState.SUCCEEDED)
    parts.judge([*ids, *more]).check()
    with connect(parts.settings.require_database_url()) as conn:
        set_budget(conn, DEFAULT_TENANT, None, None)


def test_a_worker_that_stands_still_in_a_transaction_holds_up_no_other_and_loses_no_outcome(parts: Parts) -> None:
    parts.add_faults(
        {"kind": "rate_limit", "where": "create", "first": 1}
    )  # so that it holds its account's row as well
    parts.start(SCHEDULER)
    parts.start("gone", SUBMIT_POLL, points="submit.before_commit=stop")
    start_transfers(parts)
    ids = parts.enqueue(2, "stands still", account="small")
    parts.wait_for("it has stopped itself", lambda: parts.is_stopped("gone"))
    parts.start("other", SUBMIT_POLL)
    more = parts.enqueue(2, "beside it", account="small")
    all_in(parts, more, JobState.SUCCEEDED)
    parts.signal("gone", signal.SIGCONT)
    all_in(parts, ids, JobState.SUCCEEDED)
    parts.clear_faults()
    parts.judge([*ids, *more]).check()


def test_messages_whose_leases_have_ended_do_nothing(parts: Parts) -> None:
    parts.start(SCHEDULER)
    ids = parts.enqueue(3, "expired", account="small")
    with broker(parts) as connection:
        parts.wait_for("the leases ended twice", lambda: connection.llen("submit") >= 3)
    parts.start(SUBMIT_POLL)
    start_transfers(parts)
    all_in(parts, ids, JobState.SUCCEEDED)
    assert [sent(parts, job_id) for job_id in ids] == [["accepted"]] * 3
    parts.judge(ids).check()


def test_a_message_delivered_three_times_submits_once(parts: Parts) -> None:
    parts.start(SCHEDULER)
    ids = parts.enqueue(3, "thrice", account="small")
    with broker(parts) as connection:
        parts.wait_for("the message is there", lambda: connection.llen("submit") >= 1)
        parts.shut_down(SCHEDULER)
        [message] = connection.lrange("submit", 0, 0)
        connection.lpush("submit", message, message)
    parts.start(SUBMIT_POLL)
    start_transfers(parts)
    parts.start(SCHEDULER)
    all_in(parts, ids, JobState.SUCCEEDED)
    assert [sent(parts, job_id) for job_id in ids] == [["accepted"]] * 3
    parts.judge(ids).check()


def test_a_message_carries_no_expiry_that_a_wrong_clock_could_apply(parts: Parts) -> None:
    parts.start(SCHEDULER)
    ids = parts.enqueue(1, "timeless", account="small")
    with broker(parts) as connection:
        parts.wait_for("the message is there", lambda: connection.llen("submit") >= 1)
        headers = json.loads(connection.lrange("submit", 0, 0)[0])["headers"]
    assert (headers["expires"], headers["eta"]) == (None, None)
    parts.start(SUBMIT_POLL)
    start_transfers(parts)
    all_in(parts, ids, JobState.SUCCEEDED)

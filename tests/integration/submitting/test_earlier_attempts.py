"""A job is submitted again, and then its first POST turns out to be accepted: the second POST is prevented if possible,
and a double charge is reported otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from producer.operator_actions import job_actions
from storage.jobs import attempts, callbacks, history, transitions
from storage.jobs.late import settle_acceptances
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Move
from storage.jobs.states import JobState
from storage.reporting.gauges import read_gauges
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.submitting.doubtful_gateway import LOST, DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import World
from tests.waiting import PATIENCE_S
from worker.submitting import submit
from worker.submitting.begin import begin


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made


CALLS_BACK = {"public_url": "http://127.0.0.1:9", "allow_private_networks": True}


@pytest.fixture
def world(settings: Settings, gateway: DoubtfulGateway) -> Iterator[World]:
    accounts = {name: gateway.account("ark", callbacks=True) for name in ("main",)}
    with world_at(settings, CALLS_BACK, **accounts) as made:
        yield made


def lose_one(world: World, gateway: DoubtfulGateway) -> tuple[UUID, str]:
    """A job whose POST was accepted and whose answer was lost: (job, task)."""
    gateway.arm(LOST | {"times": 1})
    [job_id] = world.enqueue(1)
    world.round()
    gateway.arm()
    assert world.states() == {"unconfirmed": 1}
    [task_id] = gateway.prompts()
    return job_id, task_id


def resubmit(world: World, job_id: UUID) -> None:
    job_actions.resubmit(world.runtime.database, DEFAULT_TENANT, job_id)


def call_back(world: World, gateway: DoubtfulGateway, task_id: str, named: str | None = None) -> None:
    """The gateway calls the URL that a task was created with, and names that task."""
    [url] = [task["body"]["callback_url"] for task in gateway.ledger()["tasks"] if task["id"] == task_id]
    with world.begin() as conn:
        found = callbacks.hint(conn, "ark", url.rpartition("/")[2], named or task_id)
    assert found is not None, "a callback of an attempt that was given up is accepted"


def accept(conn: Any, job_id: UUID, task_id: str) -> None:
    """Write the answer to the first POST, like a worker that was delayed."""
    outcome = AttemptOutcome(job_id, 1, Reason.ACCEPTED, gateway_task_id=task_id)
    attempts.finish_attempts(conn, [outcome], [])
    settle_acceptances(conn, [job_id])


def events(world: World, job_id: UUID) -> list[dict[str, Any]]:
    with world.begin() as conn:
        return history.events_of(conn, job_id)


def test_the_next_attempt_waits_for_an_acceptance_that_is_being_written(world: World, gateway: DoubtfulGateway) -> None:
    """The acceptance comes between the check of earlier attempts and the begin of the next one."""
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)
    claimed = world.claim()
    submitting = threading.Thread(target=world.submit, args=[claimed])
    with world.begin() as conn:
        attempts.store_outcomes(conn, [AttemptOutcome(job_id, 1, Reason.ACCEPTED, gateway_task_id=task_id)])
        submitting.start()
        submitting.join(1.0)
        assert submitting.is_alive(), "it waits for the acceptance that is being written"
    submitting.join(PATIENCE_S)
    assert gateway.generations() == {"a cat 0": 1}
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"], job["reason"]) == ("generating", task_id, "accepted_late")


def test_a_callback_that_comes_while_the_acceptance_is_being_written_cancels_nothing(
    world: World, gateway: DoubtfulGateway
) -> None:
    """The callback waits for the job and then sees that it generates; it must also see the task of the attempt."""
    [job_id] = world.enqueue(1)
    world.round()
    [task_id] = gateway.prompts()
    with world.begin() as conn:  # as before the acceptance
        conn.execute("UPDATE jobs SET state = 'submitting', gateway_task_id = NULL WHERE id = %s", [job_id])
        conn.execute("UPDATE attempts SET outcome = NULL, finished_at = NULL, gateway_task_id = NULL")
    calling = threading.Thread(target=call_back, args=[world, gateway, task_id])
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET state = 'generating', gateway_task_id = %s WHERE id = %s", [task_id, job_id])
        conn.execute("UPDATE attempts SET outcome = 'accepted', finished_at = now(), gateway_task_id = %s", [task_id])
        calling.start()
        calling.join(1.0)
        assert calling.is_alive(), "it waits for the acceptance that is being written"
    calling.join(PATIENCE_S)
    with world.begin() as conn:
        rows = conn.execute("SELECT look_at, reported_task_id FROM attempts").fetchall()
    assert rows == [(None, None)]


def test_the_task_that_a_job_uses_is_needed(world: World, gateway: DoubtfulGateway) -> None:
    [job_id] = world.enqueue(1)
    world.round()
    [task_id] = gateway.prompts()
    with world.begin() as conn:
        conn.execute("UPDATE attempts SET look_at = now(), reported_task_id = %s", [task_id])
        [reported] = callbacks.reported(conn, [(job_id, 1)])
        assert not reported.unneeded
        conn.execute("UPDATE jobs SET gateway_task_id = 'another'")
        [reported] = callbacks.reported(conn, [(job_id, 1)])
        assert reported.unneeded


def test_a_late_acceptance_of_a_queued_job_is_adopted_at_once(world: World, gateway: DoubtfulGateway) -> None:
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)
    with world.begin() as conn:
        accept(conn, job_id, task_id)
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"], job["account"], job["gateway"]) == (
        "generating",
        task_id,
        "main",
        "ark",
    )
    assert world.round() == 0
    assert gateway.generations() == {"a cat 0": 1}


def test_an_acceptance_after_the_next_attempt_began_stops_its_post(
    world: World, gateway: DoubtfulGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)

    def begin_and_then(*given: Any) -> Any:
        ready = begin(*given)
        with world.begin() as conn:
            accept(conn, job_id, task_id)
        return ready

    monkeypatch.setattr(submit, "begin", begin_and_then)
    world.round()
    assert gateway.generations() == {"a cat 0": 1}
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"]) == ("generating", task_id)


@pytest.mark.parametrize("proof", ["a missing route", "a list without it"])
def test_a_callback_after_the_next_attempt_began_prevents_its_post(
    world: World, gateway: DoubtfulGateway, monkeypatch: pytest.MonkeyPatch, proof: str
) -> None:
    """The first POST was taken for not accepted: something in front of the gateway put a 404 in place of its answer, or
    its list did not show the task."""
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)
    outcome = Reason.NOT_SERVED if proof == "a missing route" else Reason.NOT_SUBMITTED
    with world.begin() as conn:
        conn.execute("UPDATE attempts SET outcome = %s", [outcome])

    def begin_and_then(*given: Any) -> Any:
        ready = begin(*given)
        call_back(world, gateway, task_id)
        return ready

    monkeypatch.setattr(submit, "begin", begin_and_then)
    world.round()
    assert gateway.generations() == {"a cat 0": 1}
    world.look_back()
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"]) == ("generating", task_id)


def test_a_callback_before_the_next_post_prevents_it(world: World, gateway: DoubtfulGateway) -> None:
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)
    call_back(world, gateway, task_id)
    world.round()
    assert world.states() == {"queued": 1}, "first the gateway is queried about the task"
    world.look_back()
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"], job["reason"]) == ("generating", task_id, "accepted_late")
    assert gateway.generations() == {"a cat 0": 1}


def test_a_double_charge_is_reported_and_counted(world: World, gateway: DoubtfulGateway) -> None:
    job_id, first = lose_one(world, gateway)
    resubmit(world, job_id)
    world.round()
    gateway.finish(30)  # both run
    assert gateway.generations() == {"a cat 0": 2}
    for _ in range(2):
        call_back(world, gateway, first)
        world.look_back()
    [job] = world.jobs()
    assert job["state"] == "generating" and job["gateway_task_id"] != first
    [event] = [event for event in events(world, job_id) if event["reason"] == Reason.DOUBLE_CHARGE]
    assert event["detail"]["task_id"] == first and "it is billed" in event["detail"]["message"]
    with world.begin() as conn:
        [earlier, _] = history.attempts_of(conn, job_id)
        gauges = read_gauges(conn, 60.0)
    assert (earlier["outcome"], earlier["gateway_task_id"], earlier["surplus"]) == ("accepted", first, True)
    assert gauges.double_charges == {"main": 1}


def test_a_surplus_task_that_has_not_begun_is_cancelled(world: World, gateway: DoubtfulGateway) -> None:
    job_id, first = lose_one(world, gateway)
    resubmit(world, job_id)
    world.round()
    call_back(world, gateway, first)
    world.look_back()
    tasks = {task["id"]: task["status"] for task in gateway.ledger()["tasks"]}
    assert tasks.pop(first) == "cancelled"
    assert "cancelled" not in tasks.values()
    [event] = [event for event in events(world, job_id) if event["reason"] == Reason.DOUBLE_CHARGE]
    assert "not billed" in event["detail"]["message"]


def test_the_task_of_a_job_that_was_abandoned_is_cancelled_or_noted(world: World, gateway: DoubtfulGateway) -> None:
    job_id, task_id = lose_one(world, gateway)
    job_actions.abandon(world.runtime.database, DEFAULT_TENANT, job_id)
    call_back(world, gateway, task_id)
    world.look_back()
    assert [task["status"] for task in gateway.ledger()["tasks"]] == ["cancelled"]
    assert events(world, job_id)[-1]["reason"] == Reason.ACCEPTED_LATE
    with world.begin() as conn:
        assert read_gauges(conn, 60.0).double_charges == {}


def test_a_list_shows_the_task_of_an_attempt_that_was_given_up(world: World, gateway: DoubtfulGateway) -> None:
    """No callback comes; the search for another job's task finds the surplus one by its mark."""
    job_id, first = lose_one(world, gateway)
    resubmit(world, job_id)
    world.round()
    gateway.arm(LOST | {"times": 1})
    world.enqueue(1, "another")
    world.round()
    gateway.arm()
    world.reconcile()
    assert world.states() == {"generating": 2}
    world.look_back()
    assert [event["detail"]["task_id"] for event in events(world, job_id) if event["reason"] == "double_charge"] == [
        first
    ]


def test_a_callback_that_names_another_jobs_task_is_ignored(world: World, gateway: DoubtfulGateway) -> None:
    job_id, task_id = lose_one(world, gateway)
    world.enqueue(1, "another")
    world.round()
    [other] = [job["gateway_task_id"] for job in world.jobs() if job["gateway_task_id"] is not None]
    call_back(world, gateway, task_id, named=other)
    [attempt] = world.rows("SELECT reported_task_id FROM attempts WHERE job_id = %s", job_id)
    assert attempt["reported_task_id"] is None
    with world.begin() as conn:  # it was stored before the other job had the task
        conn.execute("UPDATE attempts SET reported_task_id = %s WHERE job_id = %s", [other, job_id])
    world.reconcile()
    rows = {job["id"]: (job["state"], job["gateway_task_id"]) for job in world.jobs()}
    assert rows[job_id][1] != other
    assert len({task for _, task in rows.values() if task is not None}) == sum(t is not None for _, t in rows.values())


def test_a_reported_task_of_a_refused_attempt_is_adopted(world: World, gateway: DoubtfulGateway) -> None:
    """The gateway answers "too many" although it has accepted the job."""
    code = "ServerOverloaded"
    gateway.arm({"kind": "accept_then_500", "status": 429, "code": code, "times": 1})
    [job_id] = world.enqueue(1)
    world.round()
    gateway.arm()
    assert world.states() == {"queued": 1}
    [task_id] = gateway.prompts()
    call_back(world, gateway, task_id)
    world.look_back()
    [job] = world.jobs()
    assert (job["id"], job["state"], job["gateway_task_id"]) == (job_id, "generating", task_id)
    assert gateway.generations() == {"a cat 0": 1}


def test_one_post_that_was_executed_twice_is_reported(world: World, gateway: DoubtfulGateway) -> None:
    """A proxy repeated the POST: both tasks call back the same URL."""
    [job_id] = world.enqueue(1)
    world.enqueue(1, "stands for the second")
    world.round()
    tasks = {prompt: task_id for task_id, prompt in gateway.prompts().items()}
    with world.begin() as conn:
        conn.execute("DELETE FROM jobs WHERE id <> %s", [job_id])
    second = tasks["stands for the second 0"]
    call_back(world, gateway, tasks["a cat 0"], named=second)
    world.look_back()
    [event] = [event for event in events(world, job_id) if event["reason"] == Reason.DOUBLE_CHARGE]
    assert event["detail"]["task_id"] == second
    [job] = world.jobs()
    assert job["gateway_task_id"] == tasks["a cat 0"]


def test_each_surplus_task_has_its_own_note(world: World) -> None:
    """Seen: of two tasks of one job that were looked at together, both were noted as cancelled in time."""
    [job_id] = world.enqueue(1)
    notes = {(job_id, "task-1"): "it is billed", (job_id, "task-2"): "it is not billed"}
    with world.begin() as conn:
        assert transitions.move(conn, [Move(job_id, (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED)])
        for number in (1, 2):
            conn.execute(
                "INSERT INTO attempts (job_id, number, account, gateway, model, outcome, gateway_task_id, finished_at)"
                " VALUES (%s, %s, 'main', 'ark', 'm', 'accepted', %s, now())",
                [job_id, number, f"task-{number}"],
            )
        settle_acceptances(conn, [job_id], notes)
        noted = [event["detail"] for event in history.events_of(conn, job_id) if event["reason"] == "accepted_late"]
    assert {detail["task_id"]: detail["message"].rpartition("; ")[2] for detail in noted} == {
        task_id: note for (_, task_id), note in notes.items()
    }

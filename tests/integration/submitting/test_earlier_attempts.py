"""A job that was sent again, and then its first POST turns out to have been accepted: it is paid for once where that
can be helped, and otherwise people are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from producer.operator_actions import job_actions
from storage.database import connect
from storage.jobs import attempts, callbacks, history
from storage.jobs.late import settle_acceptances
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome
from storage.reporting.gauges import read_gauges
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.submitting.doubtful_gateway import LOST, DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import World
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
    with connect(world.url) as conn:
        found = callbacks.hint(conn, "ark", url.rpartition("/")[2], named or task_id)
    assert found is not None, "a callback of an attempt that was given up is heard"


def accept(conn: Any, job_id: UUID, task_id: str) -> None:
    """The answer to the first POST, as a worker writes it that was held up."""
    outcome = AttemptOutcome(job_id, 1, Reason.ACCEPTED, gateway_task_id=task_id)
    attempts.finish_attempts(conn, [outcome], [])
    settle_acceptances(conn, [job_id])


def events(world: World, job_id: UUID) -> list[dict[str, Any]]:
    with connect(world.url) as conn:
        return history.events_of(conn, job_id)


def test_an_acceptance_that_is_being_written_is_waited_for(world: World, gateway: DoubtfulGateway) -> None:
    """It comes between the look at earlier attempts and the begin of the next one."""
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)
    claimed = world.claim()
    submitting = threading.Thread(target=world.submit, args=[claimed])
    with connect(world.url) as conn:
        attempts.store_outcomes(conn, [AttemptOutcome(job_id, 1, Reason.ACCEPTED, gateway_task_id=task_id)])
        submitting.start()
        submitting.join(1.0)
        assert submitting.is_alive(), "it waits for what is being written"
    submitting.join(20.0)
    assert gateway.generations() == {"a cat 0": 1}
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"], job["reason"]) == ("generating", task_id, "accepted_late")


def test_an_acceptance_that_comes_while_the_job_waits_is_taken_at_once(world: World, gateway: DoubtfulGateway) -> None:
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)
    with connect(world.url) as conn:
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


def test_an_acceptance_after_the_next_attempt_was_begun_stops_its_post(
    world: World, gateway: DoubtfulGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)

    def begin_and_then(*given: Any) -> Any:
        ready = begin(*given)
        with connect(world.url) as conn:
            accept(conn, job_id, task_id)
        return ready

    monkeypatch.setattr(submit, "begin", begin_and_then)
    world.round()
    assert gateway.generations() == {"a cat 0": 1}
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"]) == ("generating", task_id)


def test_a_callback_before_the_next_post_makes_it_needless(world: World, gateway: DoubtfulGateway) -> None:
    job_id, task_id = lose_one(world, gateway)
    resubmit(world, job_id)
    call_back(world, gateway, task_id)
    world.round()
    assert world.states() == {"queued": 1}, "first it is asked whether the task is there"
    world.look_back()
    [job] = world.jobs()
    assert (job["state"], job["gateway_task_id"], job["reason"]) == ("generating", task_id, "accepted_late")
    assert gateway.generations() == {"a cat 0": 1}


def test_a_double_charge_is_seen_reported_and_counted(world: World, gateway: DoubtfulGateway) -> None:
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
    with connect(world.url) as conn:
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
    with connect(world.url) as conn:
        assert read_gauges(conn, 60.0).double_charges == {}


def test_a_list_shows_what_was_given_up(world: World, gateway: DoubtfulGateway) -> None:
    """No callback comes; while another job's task is looked for, the surplus one is seen by its mark."""
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


def test_an_id_that_a_callback_names_is_another_jobs_task(world: World, gateway: DoubtfulGateway) -> None:
    job_id, task_id = lose_one(world, gateway)
    world.enqueue(1, "another")
    world.round()
    [other] = [job["gateway_task_id"] for job in world.jobs() if job["gateway_task_id"] is not None]
    call_back(world, gateway, task_id, named=other)
    [attempt] = world.rows("SELECT reported_task_id FROM attempts WHERE job_id = %s", job_id)
    assert attempt["reported_task_id"] is None
    with connect(world.url) as conn:  # it was noted before the other job had the task
        conn.execute("UPDATE attempts SET reported_task_id = %s WHERE job_id = %s", [other, job_id])
    world.reconcile()
    rows = {job["id"]: (job["state"], job["gateway_task_id"]) for job in world.jobs()}
    assert rows[job_id][1] != other
    assert len({task for _, task in rows.values() if task is not None}) == sum(t is not None for _, t in rows.values())


def test_a_refused_attempt_whose_task_turns_up_is_taken(world: World, gateway: DoubtfulGateway) -> None:
    """A gateway that says "too many" and has taken the job all the same."""
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


def test_one_post_that_was_carried_out_twice_is_reported(world: World, gateway: DoubtfulGateway) -> None:
    """A proxy repeated it: both tasks call the same URL back."""
    [job_id] = world.enqueue(1)
    world.enqueue(1, "stands for the second")
    world.round()
    tasks = {prompt: task_id for task_id, prompt in gateway.prompts().items()}
    with connect(world.url) as conn:
        conn.execute("DELETE FROM jobs WHERE id <> %s", [job_id])
    second = tasks["stands for the second 0"]
    call_back(world, gateway, tasks["a cat 0"], named=second)
    world.look_back()
    [event] = [event for event in events(world, job_id) if event["reason"] == Reason.DOUBLE_CHARGE]
    assert event["detail"]["task_id"] == second
    [job] = world.jobs()
    assert job["gateway_task_id"] == tasks["a cat 0"]

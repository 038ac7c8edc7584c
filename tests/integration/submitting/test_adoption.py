"""Lost answers: each task is found again and adopted by its own job, and nothing is paid for twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from threading import Thread
from typing import Any

import httpx
import pytest

from storage.accounts.live import LiveSettings
from storage.jobs import attempts, doubts
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome
from storage.settings import Settings
from tests.integration.submitting.doubtful_gateway import DROPPED, LOST, DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import World
from tests.waiting import PATIENCE_S
from worker.polling import reconcile

NEW_API = ["anyfast", "12ai", "uniall"]


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made


def check_owners(world: World, gateway: DoubtfulGateway) -> None:
    """Check that every job at the gateway has a task with its own request, and that no two share a task."""
    prompts = gateway.prompts()
    there = [job for job in world.jobs() if job["gateway_task_id"] is not None]
    assert len({job["gateway_task_id"] for job in there}) == len(there)
    assert all(prompts[job["gateway_task_id"]] == job["prompt"] for job in there)


@pytest.mark.parametrize("ended", [False, True])
def test_many_jobs_with_one_seed_are_all_adopted(settings: Settings, gateway: DoubtfulGateway, ended: bool) -> None:
    gateway.arm(LOST | {"every": 3})
    with world_at(settings, main=gateway.account("ark")) as world:
        world.enqueue(40, seed=42)
        world.round()
        assert world.states() == {"generating": 27, "unconfirmed": 13}
        if ended:
            gateway.finish()
        world.reconcile()
        assert world.states() == {"generating": 40}
        check_owners(world, gateway)
        assert gateway.ledger()["totals"]["tasks"] == 40


def test_every_attempt_has_a_mark_of_its_own(settings: Settings, gateway: DoubtfulGateway) -> None:
    with world_at(settings, main=gateway.account("ark")) as world:
        world.enqueue(40, seed=42)
        world.enqueue(3, "hurried", seed=42, deadline=7200)
        world.enqueue(1, "by itself", gateway_options={"execution_expires_after": 5000})
        world.round()
        sent = {task["prompt"]: task["body"]["execution_expires_after"] for task in gateway.ledger()["tasks"]}
    assert len(set(sent.values())) == 44
    assert all(129_600 <= sent[f"a cat {n}"] < 172_800 for n in range(40))
    assert all(7200 <= sent[f"hurried {n}"] <= 4 * 7200 for n in range(3))
    assert sent["by itself 0"] == 5000


@pytest.mark.parametrize("name", NEW_API)
def test_tasks_are_adopted_from_lists_of_new_api(settings: Settings, gateway: DoubtfulGateway, name: str) -> None:
    gateway.arm(LOST | {"every": 3})
    with world_at(settings, main=gateway.account(name)) as world:
        world.enqueue(12, duration=5)
        world.enqueue(6, "with a picture", first_frame="https://e.com/1.png", duration=5)
        world.round()
        assert world.states()["unconfirmed"] == 6
        world.reconcile()
        assert world.states()["unconfirmed"] == 6, "their lengths and resolutions are not shown yet"
        gateway.finish()
        world.reconcile()
        assert world.states() == {"generating": 18}
        check_owners(world, gateway)
        assert gateway.ledger()["totals"]["tasks"] == 18


@pytest.mark.parametrize("name", [*NEW_API, "ark"])
def test_jobs_with_equal_requests_may_have_each_others_tasks(
    settings: Settings, gateway: DoubtfulGateway, name: str
) -> None:
    """Six POSTs for one prompt: two were answered, two were accepted without an answer, two never arrived."""
    gateway.arm(LOST | {"first": 2}, DROPPED | {"first": 2})
    own = {"seed": 1, "gateway_options": {"execution_expires_after": 5000}} if name == "ark" else {}
    with world_at(settings, main=gateway.account(name)) as world:
        world.producer.enqueue_many([{"prompt": "the same", "duration": 5} | own for _ in range(6)])
        world.round()
        assert world.states() == {"generating": 2, "unconfirmed": 4}
        gateway.finish()  # then the list shows the seed or the length
        world.reconcile()
        assert world.states() == {"generating": 4, "unconfirmed": 2}
        check_owners(world, gateway)
        world.age(100)
        world.reconcile()
        assert world.states() == {"generating": 4, "unconfirmed": 2}
        assert gateway.generations() == {"the same": 4}


def test_jobs_that_a_list_cannot_distinguish_are_held_with_candidates(settings: Settings) -> None:
    """Published new-api shows no prompts."""
    with doubtful_gateway(hide_prompts=True) as gateway, world_at(settings, main=gateway.account("anyfast")) as world:
        gateway.arm(LOST)
        world.enqueue(2, duration=5)
        world.round()
        gateway.finish()
        world.age(700)
        world.reconcile()
        assert world.states() == {"unconfirmed": 2}
        assert {job["reason"] for job in world.jobs()} == {"held"}
        for attempt in world.rows("SELECT candidates FROM attempts"):
            assert {item["task_id"] for item in attempt["candidates"]} == set(gateway.prompts())
            assert set(attempt["candidates"][0]["matches"]) >= {"model", "duration"}


def test_tasks_of_other_programs_are_not_adopted(settings: Settings, gateway: DoubtfulGateway) -> None:
    """Another key of the same user creates tasks at the same time, also for the same prompt with another length."""
    gateway.arm(DROPPED | {"times": 3})
    with world_at(settings, main=gateway.account("uniall")) as world:
        world.enqueue(3, duration=5)
        world.round()
        assert world.states() == {"unconfirmed": 3}
        for body in (
            {"model": "seedance2.0-720p", "prompt": "a cat 0", "duration": 8},
            {"model": "seedance2.0-480p", "prompt": "a cat 1", "duration": 5},
            {"model": "seedance2.0-720p", "prompt": "a dog", "duration": 5},
        ):
            answer = httpx.post(
                f"{gateway.url}/uniall/v1/video/generations", json=body, headers={"Authorization": "Bearer sk-other"}
            )
            answer.raise_for_status()
        for seconds in (0, 100, 0):
            gateway.finish(seconds)
            world.reconcile()
            world.age(700)
        assert world.states() == {"unconfirmed": 3}


def test_accounts_of_one_user_do_not_adopt_each_others_tasks(settings: Settings, gateway: DoubtfulGateway) -> None:
    """The list shows the tasks of all the user's keys."""
    gateway.arm(DROPPED | {"account": "sk-second"}, LOST | {"account": "sk-main", "every": 2})
    accounts = {name: gateway.account("anyfast") for name in ("main", "second")}
    with world_at(settings, **accounts) as world:
        for name in accounts:
            world.producer.enqueue_many([{"prompt": "the same", "account": name} for _ in range(2)])
        world.round()
        assert world.states() == {"generating": 1, "unconfirmed": 3}
        gateway.finish()
        world.reconcile()
        assert world.states() == {"generating": 2, "unconfirmed": 2}
        check_owners(world, gateway)


def test_two_workers_do_not_give_one_task_to_jobs_of_two_accounts(settings: Settings, gateway: DoubtfulGateway) -> None:
    """Each worker sees it in its own list, and the index is per account."""
    gateway.arm(DROPPED | {"account": "sk-second"}, LOST | {"account": "sk-main"})
    accounts = {name: gateway.account("anyfast") for name in ("main", "second")}
    with world_at(settings, **accounts) as world:
        ids = {name: world.producer.enqueue_many([{"prompt": "the same", "account": name}])[0].id for name in accounts}
        world.round()
        gateway.finish()
        [task_id] = gateway.prompts()
        reconciling = Thread(target=world.reconcile)
        with world.begin() as conn:
            doubts.lock_tasks(conn, list(accounts))
            reconciling.start()
            reconciling.join(1.0)
            assert reconciling.is_alive(), "it waits for the other worker"
            attempts.store_outcomes(conn, [AttemptOutcome(ids["main"], 1, Reason.ACCEPTED, gateway_task_id=task_id)])
        reconciling.join(PATIENCE_S)
        holders = world.rows("SELECT job_id FROM attempts WHERE gateway_task_id = %s", task_id)
        assert [row["job_id"] for row in holders] == [ids["main"]]


def test_a_post_that_never_arrived_is_repeated_and_paid_once(settings: Settings, gateway: DoubtfulGateway) -> None:
    gateway.arm(DROPPED | {"first": 5})
    with world_at(settings, {"unconfirmed_grace_seconds": 90.0}, main=gateway.account("ark")) as world:
        world.enqueue(8, seed=42)
        world.round()
        world.reconcile()
        assert world.states() == {"generating": 3, "unconfirmed": 5}
        world.age(91)
        world.reconcile()
        assert world.states() == {"generating": 3, "queued": 5}
        world.round()
        assert world.states() == {"generating": 8}
        assert set(gateway.generations().values()) == {1}


@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 500}, {"kind": "garbage"}, {"kind": "close_after_accept"}]
)
def test_a_list_that_cannot_be_read_proves_nothing(
    settings: Settings, gateway: DoubtfulGateway, fault: dict[str, Any]
) -> None:
    gateway.arm(DROPPED | {"times": 2}, fault | {"where": "list"})
    with world_at(settings, {"unconfirmed_grace_seconds": 90.0}, main=gateway.account("ark")) as world:
        world.enqueue(2)
        world.round()
        world.age(91)
        world.reconcile()
        assert {(job["state"], job["reason"]) for job in world.jobs()} == {("unconfirmed", "looking")}
        world.age(91)
        world.reconcile()
        assert {job["reason"] for job in world.jobs()} == {"held"}, "held for a person after a while"
        gateway.arm()
        world.reconcile()
        assert world.states() == {"queued": 2}


def test_an_old_doubt_is_held_and_does_not_delay_new_ones(settings: Settings, gateway: DoubtfulGateway) -> None:
    hooked = settings.model_copy(update={"allow_private_networks": True})
    with world_at(hooked, main=gateway.account("ark")) as world:
        gateway.arm(DROPPED)
        [old] = world.enqueue(1, "long ago", webhook_url="http://127.0.0.1:9/hook")
        world.round()
        world.age(7 * 86_400.0)
        gateway.arm(LOST | {"every": 2})
        world.enqueue(8, seed=42)
        world.round()
        world.reconcile()
        assert world.states() == {"generating": 8, "unconfirmed": 1}
        check_owners(world, gateway)
        [held] = [job for job in world.jobs() if job["state"] == "unconfirmed"]
        assert (held["id"], held["reason"]) == (old, "held")
        assert [row["type"] for row in world.rows("SELECT type FROM webhook_messages")] == ["job.unconfirmed"]
        lists = gateway.ledger()["totals"]["requests"]["ark.list"]
        world.reconcile()
        assert gateway.ledger()["totals"]["requests"]["ark.list"] == lists, "it is beyond the list's window"


def test_many_slow_queries_about_callbacks_end_within_their_leases(
    settings: Settings, gateway: DoubtfulGateway
) -> None:
    """One after the other they would outlast the lease, and nothing would ever be written."""
    account = gateway.account("ark", callbacks=True)
    more = {"public_url": "http://127.0.0.1:9", "allow_private_networks": True}
    with world_at(settings, more, main=account) as world:
        gateway.arm(LOST)
        world.enqueue(40)
        world.round()
        with world.begin() as conn:
            conn.execute(
                """UPDATE attempts a SET reported_task_id = t.id FROM jobs j,
                       unnest(%s::text[], %s::text[]) AS t(id, prompt)
                   WHERE j.id = a.job_id AND j.request ->> 'prompt' = t.prompt""",
                [list(gateway.prompts()), list(gateway.prompts().values())],
            )
        gateway.arm({"kind": "slow", "where": "query", "seconds": 0.5})
        world.settings = world.settings.model_copy(update={"lease_seconds": 1.0})
        world.runtime.live = LiveSettings(world.runtime.settings.model_copy(update={"lease_seconds": 1.0}))
        world.reconcile()
        assert world.states() == {"generating": 40}
        check_owners(world, gateway)


def test_a_job_that_is_claimed_again_while_its_task_is_found_gets_that_task(
    settings: Settings, gateway: DoubtfulGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a callback: its row belongs to another worker, which finds that the task has an owner."""
    with world_at(settings, main=gateway.account("ark")) as world:
        gateway.arm(LOST)
        world.enqueue(3)
        world.round()

        def claim_again(point: str) -> None:
            if point == "reconcile.after_look":
                with world.begin() as conn:
                    conn.execute("UPDATE jobs SET claim = claim + 1")

        monkeypatch.setattr(reconcile, "failpoint", claim_again)
        world.reconcile()
        assert world.states() == {"generating": 3}
        check_owners(world, gateway)


def test_a_job_whose_attempt_is_known_to_be_accepted_goes_on_with_its_task(
    settings: Settings, gateway: DoubtfulGateway
) -> None:
    with world_at(settings, main=gateway.account("ark")) as world:
        gateway.arm(LOST)
        [job_id] = world.enqueue(1)
        world.round()
        [task_id] = gateway.prompts()
        with world.begin() as conn:
            attempts.store_outcomes(conn, [AttemptOutcome(job_id, 1, Reason.ACCEPTED, gateway_task_id=task_id)])
        world.reconcile()
        assert world.states() == {"generating": 1}
        check_owners(world, gateway)


def test_a_job_with_many_attempts_does_not_block_its_batch(settings: Settings, gateway: DoubtfulGateway) -> None:
    with world_at(settings, main=gateway.account("anyfast")) as world:
        ids = world.enqueue(5)
        with world.begin() as conn:
            conn.execute("UPDATE jobs SET attempt = 32767, refusals = 32767, setbacks = 32767 WHERE id = %s", [ids[2]])
        world.round()
        assert world.states() == {"generating": 5}
        assert [row["number"] for row in world.rows("SELECT number FROM attempts WHERE job_id = %s", ids[2])] == [32768]


def test_a_job_without_answers_is_submitted_a_limited_number_of_times(
    settings: Settings, gateway: DoubtfulGateway
) -> None:
    gateway.arm({"kind": "status", "where": "create", "status": 502, "body": "html"})
    with world_at(settings, {"unconfirmed_grace_seconds": 90.0}, main=gateway.account("ark")) as world:
        world.enqueue(1)
        for _ in range(12):
            world.rest_ends()
            world.round()
            world.age(91)
            world.reconcile()
        [job] = world.jobs()
        assert (job["state"], job["error"]["code"]) == ("failed", "never_accepted")
        assert "502" in job["error"]["message"]
        assert world.attempts() == 8
        assert Counter(row["outcome"] for row in world.rows("SELECT outcome FROM attempts")) == {"not_submitted": 8}

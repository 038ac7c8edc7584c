"""A job never runs on another tenant's money, whatever changes while it waits."""

from __future__ import annotations

from typing import Any

import pytest

from producer.operator_actions.waiting import why_it_waits, with_obstacles
from storage.accounts import changes
from storage.accounts.changes import AccountInUse
from storage.admission.grants import grants, survey
from tests.integration.accounts.conftest import Make
from tests.integration.accounts.runtime_world import RuntimeWorld
from worker.scheduling.maintenance import barred_everywhere


def enqueue(world: RuntimeWorld, tenant: str, count: int = 1, **fields: Any) -> list[Any]:
    producer = world.producer.as_tenant(tenant)
    return [producer.enqueue(f"{tenant} {number}", **fields).id for number in range(count)]


def waits(world: RuntimeWorld, tenant: str, job_id: Any) -> tuple[list[str], str | None]:
    """Why a job waits, and its reason in lists."""
    view = world.settings.for_tenant(tenant)
    with world.begin() as conn:
        job = world.producer.as_tenant(tenant).get(job_id)
        [listed] = with_obstacles(conn, view, [job])
        codes = [reason.code for reason in why_it_waits(conn, view, job)]
    return [code for code in codes if code != "parts_silent"], listed.reason


def test_each_tenant_s_jobs_run_at_its_own_accounts_alone(make: Make) -> None:
    world = make(shared={}, acme={"tenants": ["acme"], "max_in_flight": 1}, beta={"tenants": ["beta"]})
    for tenant in ("acme", "beta", "default"):
        enqueue(world, tenant, 3)
    world.round()
    found = world.places()
    assert sorted(found[f"acme {n}"] or "" for n in range(3)) == ["", "", "acme"], "two wait although others are free"
    assert {found[f"beta {n}"] for n in range(3)} == {"beta"}
    assert {found[f"default {n}"] for n in range(3)} == {"shared"}
    with world.begin() as conn:
        seen = {
            tenant: [g.account.name for g in survey(conn, world.settings.for_tenant(tenant))]
            for tenant in ("acme", "x")
        }
    assert seen == {"acme": ["acme"], "x": ["shared"]}


def test_a_paused_or_refused_account_sends_no_job_to_another_tenant_s(make: Make) -> None:
    world = make(shared={}, acme={"tenants": ["acme"]})
    [job] = enqueue(world, "acme")
    with world.begin() as conn:
        changes.pause_account(conn, "acme", ["acme"])
    assert world.round() == 0, "a scheduler that has not noticed yet grants nothing"
    world.notice()
    assert world.round() == 0
    assert waits(world, "acme", job)[0] == ["account_paused"]
    with world.begin() as conn:
        changes.resume_account(conn, "acme", ["acme"])
    world.notice()
    assert world.round() == 1
    assert world.places() == {"acme 0": "acme"}


def test_jobs_wait_when_the_tenants_of_their_account_change(make: Make) -> None:
    world = make(shared={})
    world.add("client", tenants=["acme"])
    [free], [pinned] = enqueue(world, "acme"), enqueue(world, "acme", account="client")
    before = world.settings
    with world.begin() as conn:
        with pytest.raises(AccountInUse, match="2 waiting jobs would run on shared accounts"):
            changes.set_account(conn, world.settings, "client", {"tenants": ["beta"]})
        conn.rollback()
        with pytest.raises(AccountInUse, match="pause client instead"):
            changes.remove_account(conn, world.settings, "client")
        conn.rollback()
    world.add("second", tenants=["acme"], gateway="uniall", base_url=f"{world.gateway}/uniall")
    with world.begin() as conn:
        assert grants(conn, before) == [], "the older settings of another scheduler are not used"
        changes.set_account(conn, world.settings, "client", {"tenants": ["beta"]})
    world.notice_all()
    assert world.round() == 0
    assert waits(world, "acme", free) == (["no_account"], "no_account"), "its gateways do not include the new one's"
    assert waits(world, "acme", pinned) == (["account_missing"], "account_missing")
    [again] = enqueue(world, "acme")
    assert world.round() == 1
    assert {job["account"] for job in world.jobs() if job["id"] == again} == {"second"}


def test_a_job_that_was_claimed_before_the_change_is_not_submitted(make: Make) -> None:
    world = make(shared={})
    world.add("client", tenants=["acme", "beta"])
    enqueue(world, "acme"), enqueue(world, "beta")
    claimed = world.claim()
    assert {item.account for item in claimed} == {"client"} and len(claimed) == 2
    with world.begin() as conn:
        changes.set_account(conn, world.settings, "client", {"tenants": ["beta"]}, to_shared=True)
    world.settings, known = world.settings, world.runtime.live.version
    world.submit(claimed)
    assert world.runtime.live.version > known, "the worker noticed"
    assert world.places() == {"acme 0": None, "beta 0": "client"}
    assert world.attempts() == 1
    world.notice_all()
    with world.begin() as conn:
        changes.pause_account(conn, "shared")
    claimed = world.claim()
    assert claimed == []


def test_a_barred_job_does_not_wait_for_an_account_that_it_may_not_use(make: Make) -> None:
    """Its own account cannot send its files; the shared one could, but is not its tenant's."""
    world = make(shared={}, own={"tenants": ["acme"]})
    [job] = enqueue(world, "acme")
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET barred_accounts = '{own}' WHERE id = %s", [job])
        assert barred_everywhere(conn, world.settings) == 1

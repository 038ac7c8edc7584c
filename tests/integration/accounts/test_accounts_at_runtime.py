"""Accounts are added, given new keys and removed while a scheduler and a worker run; nothing is lost or paid twice."""

from __future__ import annotations

import pytest

from seedance.problems import InvalidInput
from storage.accounts import changes
from storage.accounts.changes import AccountInUse, AccountNotFound
from storage.database import connect
from storage.sealing import new_master_key
from tests.integration.accounts.conftest import Make
from tests.integration.accounts.runtime_world import MASTER, RuntimeWorld
from tests.integration.submitting.rounds import LEASE_S
from tests.waiting import wait_for
from worker.scheduling.maintenance import spare_accounts


def until_generated(world: RuntimeWorld, count: int) -> None:
    def polled() -> bool:
        world.poll()
        return world.states()["transferring"] == count

    wait_for("every task is generated", polled)


def tidy(world: RuntimeWorld) -> int:
    with world.begin() as conn:
        return spare_accounts(conn, world.settings)


def test_an_added_account_serves_jobs_and_a_limit_holds_at_once(make: Make) -> None:
    world = make()
    world.add("first", max_in_flight=2)
    world.enqueue(3)
    assert world.round() == 2
    with world.begin() as conn:
        changes.set_account(conn, world.settings, "first", {"max_in_flight": 3, "requests_per_minute": 1000})
        changes.set_account(conn, world.settings, "first", {"requests_per_minute": None})
    assert world.round() == 0, "older settings get no grant"
    world.notice()
    assert world.round() == 1
    until_generated(world, 3)


def test_tasks_keep_the_key_that_they_were_submitted_with(make: Make) -> None:
    """The new key is another project's, which does not know the tasks of the first."""
    world = make()
    world.add("main", "sk-one")
    world.enqueue(2, "before")
    world.round()
    world.rekey("main", "sk-two")
    world.enqueue(1, "after")
    world.round()
    first, second = world.keys_used()
    assert (first, second) == ({"before 0", "before 1"}, {"after 0"})
    world.rekey("main", "sk-three")
    with world.begin() as conn:
        conn.execute("UPDATE account_keys SET retired_at = retired_at - make_interval(secs => %s)", [LEASE_S])
    assert tidy(world) == 0, "both older keys have tasks"
    until_generated(world, 3)
    world.transfer()
    assert world.states() == {"succeeded": 3}
    assert tidy(world) == 2
    world.notice()
    assert not world.settings.book.retired_keys
    assert [row["id"] for row in world.rows("SELECT id FROM account_keys")] == [world.settings.accounts[0].key_id]
    world.enqueue(1, "last")
    world.round()
    assert world.keys_used()[-1] == {"last 0"}
    until_generated(world, 1)


def test_a_worker_submits_with_the_key_of_now_although_it_claimed_before(make: Make) -> None:
    world = make()
    world.add("main", "sk-old")
    world.enqueue(1)
    claimed = world.claim()
    world.rekey("main", "sk-new")
    world.submit(claimed)
    assert tidy(world) == 0, "a worker may be about to begin an attempt with the old key"
    [row] = world.rows("SELECT key_id FROM attempts")
    assert row["key_id"] == world.settings.accounts[0].key_id


def test_tasks_use_the_new_key_if_the_old_one_is_revoked(make: Make) -> None:
    world = make()
    world.add("main", "sk-leaked")
    world.enqueue(1)
    world.round()
    world.rekey("main", "sk-leaked", revoked=True)  # the simulator knows a task by its key alone
    assert len(world.rows("SELECT FROM account_keys")) == 1
    until_generated(world, 1)


def test_an_unconfirmed_job_is_not_proven_absent_by_the_list_of_another_project(make: Make) -> None:
    world = make()
    ark = {"gateway": "ark", "base_url": f"{world.gateway}/ark/api/v3"}
    world.add("main", "sk-list-one", **ark)
    [job] = world.enqueue(1)
    world.round()
    with world.begin() as conn:
        conn.execute("UPDATE attempts SET outcome = 'outcome_unknown', gateway_task_id = NULL")
        conn.execute("UPDATE jobs SET state = 'unconfirmed', gateway_task_id = NULL")
    world.rekey("main", "sk-list-two", revoked=True)
    world.notice_all()
    world.age(7200)
    world.reconcile()
    assert world.producer.get(job).state == "unconfirmed", "the other project's list proves nothing"
    assert world.attempts() == 1


def test_an_account_is_removed_only_when_no_task_lives_on_it(make: Make) -> None:
    world = make()
    world.add("main", "sk-main")
    world.enqueue(1, "running")
    world.round()
    world.enqueue(1, "waiting")
    with world.begin() as conn:
        with pytest.raises(AccountInUse, match="1 unfinished jobs; `reelq accounts remove main --drain`"):
            changes.remove_account(conn, world.settings, "main")
        conn.rollback()
        assert not changes.remove_account(conn, world.settings, "main", drain=True)
    world.notice()
    assert (world.round(), world.account()["state"]) == (0, "removing")
    assert tidy(world) == 0
    until_generated(world, 1)
    world.transfer()
    assert tidy(world) == 1
    world.notice()
    assert world.settings.accounts == ()
    for table in ("accounts", "account_keys"):
        assert world.rows(f"SELECT FROM {table}") == []
    assert world.states() == {"succeeded": 1, "queued": 1}
    with pytest.raises(AccountNotFound), connect(world.url) as conn:
        changes.remove_account(conn, world.settings, "main")
    world.add("main", "sk-again")
    world.round()
    assert world.states()["generating"] == 1, "an account of the same name takes the waiting job"


def test_a_master_key_is_replaced_and_without_one_the_accounts_of_the_file_go_on(make: Make) -> None:
    world = make(filed={})
    world.add("stored", "sk-stored", tenants=["acme"])
    new = new_master_key()
    for keys, usable in ((None, False), (new, False), (MASTER, True), (f"{new} {MASTER}", True)):
        world.know_master_keys(keys)
        assert [account.name for account in world.settings.accounts] == (["filed", "stored"] if usable else ["filed"])
        assert ("decrypted" in world.settings.book.unusable.get("stored", "")) is not usable
        assert world.settings.for_tenant("acme").accounts == world.settings.accounts[1:], "never the shared account"
    with world.begin() as conn:
        assert changes.reencrypt(conn, world.settings) == (1, [])
        assert changes.reencrypt(conn, world.settings) == (0, [])
    world.know_master_keys(new)
    assert [account.key() for account in world.settings.accounts] == ["sk-filed", "sk-stored"]
    world.know_master_keys(MASTER)
    with world.begin() as conn:
        assert changes.reencrypt(conn, world.settings) == (0, ["stored"])
    world.rekey("stored", "sk-replaced")
    assert world.settings.accounts[1].key() == "sk-replaced", "a new key replaces one that is lost"
    world.know_master_keys(None)
    with pytest.raises(InvalidInput, match="REELQ_MASTER_KEY"), connect(world.url) as conn:
        changes.add_account(conn, world.settings, "more", world.at_gateway(), {"api_key": "sk-more"})
    world.enqueue(1)
    assert world.round() == 1


def test_a_name_of_the_file_wins_and_the_tasks_of_the_database_s_go_on(make: Make) -> None:
    world = make()
    world.add("main", "sk-in-database")
    world.enqueue(1)
    world.round()
    filed = world.settings.accounts[0].model_copy(update={"max_in_flight": 3}).model_dump() | {"api_key": "sk-in-file"}
    both = type(world.settings).model_validate(world.settings.model_dump() | {"accounts": [filed]})
    world.settings = both
    world.know_master_keys(MASTER)
    assert [account.key() for account in world.settings.accounts] == ["sk-in-file"]
    until_generated(world, 1)
    with pytest.raises(InvalidInput, match="is an account in the configuration"), connect(world.url) as conn:
        changes.add_account(conn, world.settings, "main", world.at_gateway(), {"api_key": "sk"})

"""Several accounts: a job goes to the second only when the first has provably not accepted it; a third one is added and
given another key while everything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, LiteralString

import pytest

from simulator.main import SimulatorOptions, running
from storage.database import connect
from storage.sealing import new_master_key
from tests.stack import END_S, Stack, running_stack
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

JOBS = 10
FIRST, SECOND = "sk-first-account", "sk-second-account"
THIRD, OTHER_PROJECT = "sk-third-account", "sk-of-another-project"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(SimulatorOptions(median_seconds=1.0)) as url:
        accounts = [
            {"name": "first", "gateway": "anyfast", "base_url": f"{url}/anyfast", "api_key": FIRST},
            {"name": "second", "gateway": "evolink", "base_url": f"{url}/evolink", "api_key": SECOND},
        ]
        settings = {
            "REELQ_ACCOUNTS": json.dumps(accounts),
            "REELQ_ALLOW_PRIVATE_NETWORKS": "true",
            "REELQ_MASTER_KEY": new_master_key(),
            "THIRD_KEY": THIRD,
            "OTHER_PROJECT_KEY": OTHER_PROJECT,
        }
        with running_stack(tmp_path_factory.mktemp("stack"), settings, simulator=url) as started:
            yield started


def test_jobs_move_on_when_the_first_account_has_no_money(stack: Stack) -> None:
    # The first job is accepted before the credit runs out, and its answer is lost.
    stack.add_faults(
        {"kind": "close_after_accept", "account": FIRST, "first": 1},
        {"kind": "no_money", "account": FIRST, "after": 1},
    )
    stack.start_campaign(JOBS)
    states = stack.wait_final()
    assert states == {"succeeded": JOBS - 1, "unconfirmed": 1}
    jobs = stack.jobs()
    [held] = [job for job in jobs if job["state"] == "unconfirmed"]
    assert held["account"] == "first", "a job that may have been accepted is not sent elsewhere"
    assert [job["account"] for job in jobs].count("second") >= JOBS - 2
    ledger = stack.ledger()
    assert {task["gateway"] for task in ledger["tasks"]} == {"anyfast", "evolink"}
    assert ledger["totals"]["tasks"] == JOBS
    stack.assert_promises(jobs)
    assert stack.reasons()["account_problem"] >= 1, "the first account was tried and answered that it has no credit"
    assert FIRST not in stack.reelq("accounts", "list").stdout


def test_an_account_is_added_and_gets_another_key_while_jobs_run(stack: Stack) -> None:
    """The other key is another project's: its tasks are unknown to the first key, and the other way round."""
    stack.clear_faults()
    stack.set_timing(median_s=5.0)

    def command(*arguments: str) -> str:
        done = stack.reelq(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def rows(sql: LiteralString) -> list[Any]:
        with connect(stack.info()["database_url"]) as conn:
            return conn.execute(sql).fetchall()

    def of_acme(state: str) -> list[Any]:
        return [row for row in rows("SELECT state, account FROM jobs WHERE tenant = 'acme'") if row[0] == state]

    where = ("--gateway", "anyfast", "--base-url", f"{stack.simulator}/anyfast", "--tenant", "acme")
    said = command("accounts", "add", "third", *where, "--key-env", "THIRD_KEY")
    said += command("submit", "before", "--tenant", "acme")
    accepted: LiteralString = "SELECT FROM attempts WHERE account = 'third' AND outcome = 'accepted'"
    wait_for("the first job is accepted", lambda: len(rows(accepted)) == 1)
    said += command("accounts", "rekey", "third", "--key-env", "OTHER_PROJECT_KEY")
    said += command("submit", "after", "--tenant", "acme")
    wait_for("both jobs have succeeded", lambda: len(of_acme("succeeded")) == 2, END_S)
    assert {account for _, account in of_acme("succeeded")} == {"third"}
    used = rows("SELECT DISTINCT key_id FROM attempts WHERE account = 'third'")
    assert len(used) == 2, "each job kept its key"
    wait_for("the first key is deleted", lambda: len(rows("SELECT FROM account_keys")) == 1)
    said += command("accounts", "remove", "third") + command("accounts", "list")
    assert "third" in said
    logs = "".join(path.read_text(errors="replace") for path in stack.directory.rglob("*.log"))
    assert "account" in logs
    assert not [key for key in (THIRD, OTHER_PROJECT) if key in said + logs]

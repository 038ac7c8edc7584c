"""A held job shows candidate tasks, on the command line and the page, and adopts one after a check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from producer.cli import main as cli
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.integration.submitting.doubtful_gateway import LOST, DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import World
from tests.servers import environ_for


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    """The list shows no prompts, so no task is adopted automatically."""
    with doubtful_gateway(hide_prompts=True) as made:
        yield made


@pytest.fixture
def world(settings: Settings, gateway: DoubtfulGateway) -> Iterator[World]:
    with world_at(settings, main=gateway.account("anyfast")) as made:
        yield made


@pytest.fixture(autouse=True)
def configured(world: World, gateway: DoubtfulGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    account = {"name": "main", "api_key": "sk-main"} | gateway.account("anyfast")
    for name, value in (environ_for(world.settings) | {"REELQ_ACCOUNTS": json.dumps([account])}).items():
        monkeypatch.setenv(name, value)


def hold(world: World, gateway: DoubtfulGateway) -> tuple[dict[int, UUID], dict[int, str]]:
    """Two held jobs and their tasks, by their lengths."""
    gateway.arm(LOST)
    jobs = {seconds: world.enqueue(1, f"a fox of {seconds} s", duration=seconds)[0] for seconds in (5, 8)}
    world.round()
    gateway.arm()
    gateway.finish()
    world.age(700)
    world.reconcile()
    assert {job["reason"] for job in world.jobs()} == {"held"}
    tasks = {task["body"]["duration"]: task["id"] for task in gateway.ledger()["tasks"]}
    return jobs, tasks


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_line_shows_candidates_and_checks_the_adopted_one(
    world: World, gateway: DoubtfulGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, tasks = hold(world, gateway)
    shown = run(capsys, "jobs", "show", jobs[5])[1]
    assert f"{tasks[5]} · from the gateway's list · succeeded" in shown
    matches = next(line for line in shown.splitlines() if "matches:" in line)
    assert "model" in matches and "duration" in matches
    assert tasks[8] not in shown, "its length rules it out"

    code, _, err = run(capsys, "jobs", "resolve", jobs[5], "--adopt", "task_of_none")
    assert code == 1 and "main does not know it" in err
    code, _, err = run(capsys, "jobs", "resolve", jobs[5], "--adopt", tasks[8])
    assert code == 1 and "duration: asked 5, shown 8" in err
    assert world.states() == {"unconfirmed": 2}

    assert run(capsys, "jobs", "resolve", jobs[5], "--adopt", tasks[5])[:2] == (0, f"{jobs[5]} generating\n")
    code, _, err = run(capsys, "jobs", "resolve", jobs[8], "--adopt", tasks[5])
    assert code == 1 and f"it belongs to job {jobs[5]}" in err
    gateway.arm({"kind": "status", "where": "query", "status": 500})
    code, _, err = run(capsys, "jobs", "resolve", jobs[8], "--adopt", tasks[8])
    assert code == 1 and "cannot check task" in err
    assert run(capsys, "jobs", "resolve", jobs[8], "--adopt", tasks[8], "--unchecked")[0] == 0
    assert {job["id"]: job["gateway_task_id"] for job in world.jobs()} == {jobs[n]: tasks[n] for n in jobs}


def test_the_page_shows_candidates_and_checks_the_adopted_one(world: World, gateway: DoubtfulGateway) -> None:
    jobs, tasks = hold(world, gateway)
    with serving(world.settings) as page:

        def send(**fields: Any) -> httpx.Response:
            return page.post(f"/jobs/{jobs[5]}/resolve", data={"token": page.cookies["reelq_form"]} | fields)

        shown = page.get(f"/jobs/{jobs[5]}").text
        assert "Candidates" in shown and tasks[5] in shown and tasks[8] not in shown
        assert send(action="adopt", task_id=tasks[8]).status_code == 409
        path = f"/v1/jobs/{jobs[5]}/resolve"
        refused = page.post(path, json={"action": "adopt", "task_id": tasks[8]})
        assert (refused.status_code, refused.json()["code"]) == (409, "not_possible")
        assert page.post(path, json={"action": "resubmit", "unchecked": True}).status_code == 422
        assert send(action="adopt", task_id=tasks[5]).status_code == 303
        assert "Candidates" not in page.get(f"/jobs/{jobs[5]}").text


def test_a_task_that_a_callback_named_is_a_candidate(
    world: World, gateway: DoubtfulGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, tasks = hold(world, gateway)
    with world.begin() as conn:
        conn.execute("UPDATE attempts SET reported_task_id = 'task_named' WHERE job_id = %s", [jobs[5]])
    shown = run(capsys, "jobs", "show", jobs[5])[1]
    assert "task_named · from a callback" in shown and tasks[5] in shown
    code, _, err = run(capsys, "jobs", "resolve", jobs[5], "--adopt", "task_named")
    assert code == 1 and "does not know it" in err

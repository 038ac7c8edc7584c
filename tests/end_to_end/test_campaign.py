"""A campaign through the whole system, as a user runs it."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.stack import END_S, REELQ, Stack, running_stack
from tests.waiting import PATIENCE_S, wait_for
from tests.webhook_receiver import receiving

pytestmark = pytest.mark.slow
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("campaign"), flower=True) as running:
        running.set_timing(median_s=1.0)
        yield running


def test_fifty_jobs_succeed_each_generated_once_and_stored_byte_for_byte(stack: Stack, tmp_path: Path) -> None:
    with receiving() as receiver:
        rows = [
            {"prompt": f"video {i} 猫", "duration": 4 + i % 3, "resolution": ("480p", "720p")[i % 2], "seed": i}
            | {"webhook_url": f"{receiver.url}/job"}
            for i in range(50)
        ]
        endpoint = stack.reelq("webhooks", "add", f"{receiver.url}/all", "--event", "campaign.finished").stdout.strip()
        path = tmp_path / "fifty.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        done = stack.reelq("campaign", "run", str(path), "--name", "fifty", "--wait")
        assert done.returncode == 0, done.stdout + done.stderr

        jobs = stack.jobs()
        assert len(jobs) == 50
        assert {job["state"] for job in jobs} == {"succeeded"}
        assert {"id", "idempotency_key", "campaign", "account", "gateway_task_id", "object_key", "error"} <= set(
            jobs[0]
        )
        ledger = stack.ledger()
        assert ledger["totals"]["tasks"] == 50
        assert sorted(task["prompt"] for task in ledger["tasks"]) == sorted(str(row["prompt"]) for row in rows)
        stack.assert_promises(jobs)

        again = stack.reelq("campaign", "run", str(path), "--name", "fifty", "--wait")
        assert again.returncode == 0, again.stderr
        assert stack.ledger()["totals"]["tasks"] == 50, "running the same campaign again costs nothing"

        wait_for("the webhooks are delivered", lambda: len(receiver.at("/job")) >= 50 and bool(receiver.at("/all")))
        secret = stack.reelq("webhooks", "secret").stdout.strip()
        events = {item.id: item.verified(secret) for item in receiver.at("/job")}
        assert {event["type"] for event in events.values()} == {"job.succeeded"}
        assert sorted(event["data"]["id"] for event in events.values()) == sorted(job["id"] for job in jobs)
        video = next(iter(events.values()))["data"]["links"]["video"]
        link = f"{stack.info()['api']}{video}"
        assert httpx.get(link, follow_redirects=True, timeout=PATIENCE_S).content[4:8] == b"ftyp"
        [finished] = receiver.at("/all")
        assert finished.verified(endpoint)["data"]["counts"] == {"succeeded": 50}

        workers = f"{stack.info()['flower']}/workers?json=1"
        wait_for("Flower sees the worker", lambda: "submit-poll@" in httpx.get(workers, timeout=PATIENCE_S).text)


def test_a_broken_file_enqueues_nothing_and_a_refused_job_fails_alone(stack: Stack, tmp_path: Path) -> None:
    before = stack.jobs()
    path = tmp_path / "broken.jsonl"
    path.write_text('{"prompt": "good"}\n{"prompt": "bad", "duration": 3}\n')
    done = stack.reelq("campaign", "run", str(path), "--name", "broken")
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert "duration" in done.stderr
    assert "Traceback" not in done.stderr
    assert stack.jobs() == before

    stack.add_faults({"kind": "moderate_input", "prompt_contains": "forbidden"})
    path.write_text('{"prompt": "a garden"}\n{"prompt": "something forbidden"}\n')
    done = stack.reelq("campaign", "run", str(path), "--name", "mixed", "--wait")
    assert done.returncode == 1
    by_prompt = {job["request"]["prompt"]: job for job in stack.jobs()}
    assert by_prompt["a garden"]["state"] == "succeeded"
    assert by_prompt["something forbidden"]["state"] == "failed"
    assert by_prompt["something forbidden"]["error"]["code"] == "moderation_blocked"


def test_the_campaign_of_the_readme_runs_as_it_is_written(stack: Stack, tmp_path: Path) -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Campaigns\n")[2]
    block = section.partition("```sh\n")[2].partition("```")[0]
    commands = [shlex.split(line) for line in block.splitlines() if line and not line.startswith("#")]
    assert [command[2] for command in commands] == ["init", "plan", "run", "list"]
    before = stack.ledger()["totals"]["tasks"]
    for command in commands:
        done = subprocess.run(
            [*REELQ, *command[1:]],
            env=dict(stack.environ) | {"REELQ_DATA_DIR": str(stack.directory)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    made = [job for job in stack.jobs() if job["campaign"] == "spring"]
    assert {job["state"] for job in made} == {"succeeded"}
    assert len(made) == stack.ledger()["totals"]["tasks"] - before == 6

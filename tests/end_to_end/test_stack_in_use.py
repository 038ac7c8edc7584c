"""A whole system as its users use it: campaigns, logs, and the programs of the guides for the `openai` package and
Ark's SDK. One stack serves all of them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import omit

from storage.settings import load_settings
from tests.chaos.leaks import leaks_in_text, secrets_of
from tests.media_files import picture
from tests.stack import END_S, REELQ, Stack, running_stack
from tests.waiting import PATIENCE_S, wait_for
from tests.webhook_receiver import Reply, receiving

pytestmark = pytest.mark.slow
README = Path(__file__).parents[2] / "README.md"
OPENAI_GUIDE, ARK_GUIDE = (README.parent / "docs" / name for name in ("openai.md", "ark.md"))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("campaign"), {"REELQ_LOG_FORMAT": "json"}, flower=True) as running:
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


def test_logs_tell_a_jobs_story_without_its_secrets_and_flower_what_its_tasks_did(stack: Stack) -> None:
    prompt, token = "a planted prompt of a heron", "planted-token-of-a-receiver"
    # Each of them once: a query, a download and a delivery that fail, and one that is cut off.
    stack.add_faults(
        {"kind": "status", "where": "query", "first": 1},
        {"kind": "wrong_content", "first": 1},
        {"kind": "cut", "first": 1},
    )
    with receiving() as receiver:
        path = f"/story?token={token}"
        receiver.replies[path] = Reply(500)
        asked = httpx.post(
            f"{stack.info()['api']}/v1/jobs",
            json={"prompt": prompt, "duration": 4, "webhook_url": f"{receiver.url}{path}"},
            headers={"X-Request-Id": "story-1"},
            timeout=PATIENCE_S,
        )
        job_id = asked.json()["id"]
        wait_for("the receiver was asked", lambda: bool(receiver.at(path)))
        lines = wait_for("the logs tell it to its end", lambda: whole_story_of(stack, job_id))
    moves = [(line["from"], line["to"]) for line in lines if line["event"] == "job.moved"]
    assert moves[:2] == [("queued", "submitting"), ("submitting", "generating")]
    assert moves[-1] == ("transferring", "succeeded")
    assert [line["event"] for line in lines[:1]] == ["job.enqueued"] and lines[0]["request_id"] == "story-1"
    assert {"transfer.setback", "poll.setback", "download.resumed"} <= {line["event"] for line in lines}
    shown = stack.show(job_id)
    for line in lines:
        assert (line["tenant"], line["campaign"]) == ("default", None), line
        assert line["account"] in (None, shown["account"]) and line["task_id"] in (None, shown["gateway_task_id"])
    assert all(line["account"] and line["attempt"] == 1 and line["celery_task"] for line in lines[1:])

    text = "".join(path.read_text() for path in (stack.directory / "logs").glob("*.log"))
    settings = load_settings(stack.directory, {})
    secrets = secrets_of(settings, prompt, token, stack.info()["api_key"])
    assert leaks_in_text(text, secrets) == []

    flower = stack.info()["flower"]
    last = next(line["celery_task"] for line in reversed(lines) if line["event"] == "job.moved")

    def tasks() -> dict[str, Any]:
        found = httpx.get(f"{flower}/tasks/datatable", params=TABLE, timeout=PATIENCE_S).json()["data"]
        return {item["uuid"]: item for item in found}

    def red(name: str) -> list[Any]:
        return [item for item in tasks().values() if (item["name"], item["state"]) == (name, "FAILURE")]

    wait_for("Flower has the events", lambda: tasks().get(last, {}).get("state") == "SUCCESS" and red("worker.notify"))
    by_id, failed = tasks(), red("worker.transfer")
    assert any(f"failed 1: {job_id} wrong_content" in item["result"] for item in failed)
    assert (by_id[last]["state"], by_id[last]["result"]) == ("SUCCESS", "stored 1")
    assert by_id[last]["args"] == f"{shown['account']}, 1 job: {job_id}"
    assert f"{stack.info()['api']}/jobs/{job_id}" in httpx.get(f"{flower}/task/{last}", timeout=PATIENCE_S).text
    assert f"{flower}/task/{last}" in httpx.get(f"{stack.info()['api']}/jobs/{job_id}", timeout=PATIENCE_S).text
    assert not any(secret in json.dumps(by_id) for secret in secrets)


TABLE = {
    "draw": "1",
    "start": "0",
    "length": "500",
    "search[value]": "",
    "order[0][column]": "0",
    "order[0][dir]": "desc",
    "columns[0][data]": "received",
}
"""What Flower's own page asks for its table of tasks."""


def whole_story_of(stack: Stack, job_id: str) -> list[dict[str, Any]] | None:
    """The lines about a job, once its success and its failed delivery are among them. Two processes write them, and the
    line of a success may come after that of the delivery."""
    lines = story_of(stack, job_id)
    ends = {line["to"] for line in lines if line["event"] == "job.moved"}
    return lines if "succeeded" in ends and "webhook.failed" in [line["event"] for line in lines] else None


def story_of(stack: Stack, job_id: str) -> list[dict[str, Any]]:
    """The lines of all processes about a job, in the order of time."""
    found = [
        json.loads(line)
        for path in (stack.directory / "logs").glob("*.log")
        for line in path.read_text().splitlines()
        if job_id in line and line.endswith("}")  # the last line may be half written
    ]
    return sorted((line for line in found if line["event"] != "api.request"), key=lambda line: str(line["timestamp"]))


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


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_the_examples_of_the_guides_run(stack: Stack, tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(.*?)```", OPENAI_GUIDE.read_text(), re.DOTALL)
    before = {task["id"] for task in stack.ledger()["tasks"]}
    url = stack.info()["api"]
    stack.set_timing(kind="fixed", median_s=0.5)
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", example],
        env=os.environ | {"REELQ_URL": url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "completed None\n"
    assert (tmp_path / "fox.mp4").read_bytes()[4:8] == b"ftyp"
    assert (tmp_path / "fox.jpg").read_bytes()[:3] == b"\xff\xd8\xff"

    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        videos: Any = client.videos
        quick = {"poll_interval_ms": 200}
        first = videos.create_and_poll(prompt="a hat", input_reference=picture(720, 1280), **quick)
        assert (first.status, first.error, first.progress) == ("completed", None, 100)
        remix = videos.poll(videos.remix(first.id, prompt="a red hat").id, **quick)
        video = {"video": {"id": first.id}}
        longer = videos.extend(prompt="it falls", seconds="5", video=omit, extra_body=video)
        longer = videos.poll(longer.id, **quick)
        assert [remix.status, longer.status] == ["completed", "completed"], (remix.error, longer.error)
        stack.add_faults({"kind": "moderate_input", "prompt_contains": "forbidden"})
        failed = videos.create_and_poll(prompt="something forbidden", **quick)
        assert (failed.status, failed.error.code) == ("failed", "moderation_blocked")

        content = videos.download_content(remix.id).read()
        tasks = {task["prompt"]: task for task in stack.ledger()["tasks"] if task["id"] not in before}
        assert len(tasks) == 4, "one for the example, and one for each request that was not refused"
        assert len(content) == tasks["a red hat"]["size"]
        [guide] = re.findall(r"```python\n(.*?)```", ARK_GUIDE.read_text(), re.DOTALL)
        run = subprocess.run(
            [sys.executable, "-c", guide],
            env=os.environ | {"REELQ_URL": url},
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        status, link = run.stdout.split()
        assert status == "succeeded" and httpx.get(link).content[4:8] == b"ftyp"
        stack.assert_promises(stack.jobs())
        assert videos.delete(remix.id).deleted
        assert {item.id for item in videos.list()} >= {first.id, longer.id} and remix.id not in {
            item.id for item in videos.list()
        }

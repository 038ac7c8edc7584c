"""Jobs in every state when an older program is killed, and what must be true once the new one has gone on with them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil
import psycopg

from simulator.main import SimulatorOptions, running
from tests.stack import END_S, QUICK, Stack
from tests.waiting import PATIENCE_S, wait_for
from tests.webhook_receiver import Receiver, Reply, receiving

HOOK = "/hook"
WANTED = {
    "ended": "succeeded",
    "copying": "transferring",
    "making": "generating",
    "doubtful": "unconfirmed",
    "posting": "submitting",
    "waiting": "queued",
}
"""The campaigns, and the state in which the kill must find a job of each."""
COUNTS = {"ended": 4, "copying": 4, "making": 6, "doubtful": 4, "posting": 4, "waiting": 10}
ACCOUNTS = {"doubtful": "doubtful", "posting": "posting"}
JOBS = sum(COUNTS.values())
SETTINGS = {
    **QUICK,
    "REELQ_LEASE_SECONDS": "40",
    "REELQ_SUBMIT_TIMEOUT_SECONDS": "20",
    "REELQ_UNCONFIRMED_GRACE_SECONDS": "20",
    "REELQ_ALLOW_PRIVATE_NETWORKS": "true",
}


@dataclass
class World:
    """What lives on while programs come and go: the gateway and the receiver of webhooks."""

    gateway: str
    receiver: Receiver
    webhook_secret: str = ""
    """What the receiver got from the old program."""
    wrong: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        listed = {"gateway": "ark", "base_url": f"{self.gateway}/ark/api/v3", "max_in_flight": 20}
        accounts = [
            {"name": "plain", "gateway": "anyfast", "base_url": f"{self.gateway}/anyfast", "max_in_flight": 8},
            {"name": "doubtful", **listed},
            {"name": "posting", **listed},
        ]
        keyed = [account | {"api_key": f"sk-upgrade-{account['name']}"} for account in accounts]
        return SETTINGS | {"REELQ_ACCOUNTS": json.dumps(keyed)}

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)


@contextmanager
def a_world() -> Iterator[World]:
    with running(SimulatorOptions(median_seconds=1)) as gateway, receiving() as receiver:
        yield World(gateway, receiver)


def put_in_flight(stack: Stack, world: World) -> None:
    """Bring jobs into every state, and leave them there."""
    world.receiver.replies[HOOK] = Reply(status=503)
    world.webhook_secret = stack.reelq("webhooks", "secret").stdout.strip()
    stack.add_faults(
        {"kind": "slow_download", "prompt_contains": "copying", "bytes_per_s": 1000},
        {"kind": "close_after_accept", "where": "create", "prompt_contains": "doubtful"},
        {"kind": "hang", "where": "create", "prompt_contains": "posting", "accepted": True, "seconds": 60},
        {"kind": "status", "where": "list", "status": 503},
    )
    stack.set_timing(kind="fixed", median_s=1)
    _start(stack, world, "ended")
    wait_for("the first jobs ended", lambda: states(stack, "ended") == {"succeeded": COUNTS["ended"]}, END_S)
    _start(stack, world, "copying")
    wait_for("copies run", lambda: states(stack, "copying")["transferring"] > 0, END_S)
    stack.set_timing(kind="fixed", median_s=60)
    for name in ("making", "waiting", "doubtful", "posting"):
        _start(stack, world, name)
    wait_for("a job in every state", lambda: all(states(stack, name)[state] for name, state in WANTED.items()), END_S)


def kill_all(stack: Stack) -> None:
    """As a power cut does: every process of the stack at once."""
    supervisor = psutil.Process(stack.supervisor.pid)
    every = [supervisor, *supervisor.children(recursive=True)]
    for process in every:  # the supervisor first: it restarts nothing
        with suppress(psutil.NoSuchProcess):  # one that has just ended, or that ends with the supervisor
            process.kill()
    stack.supervisor.wait(PATIENCE_S)
    psutil.wait_procs(every, PATIENCE_S)


def states(stack: Stack, campaign: str | None = None) -> Counter[str]:
    """How many jobs are in each state, whatever the schema is."""
    query = """SELECT state, count(*) FROM jobs WHERE %(name)s::text IS NULL
               OR campaign_id = (SELECT id FROM campaigns WHERE name = %(name)s) GROUP BY state"""
    with psycopg.connect(stack.info()["database_url"]) as conn:
        return Counter(dict(conn.execute(query, {"name": campaign}).fetchall()))


def check_ends(stack: Stack, world: World) -> None:
    """Every job ends, each is paid once, its link works, its webhook arrives, and its sheet adds nothing."""
    world.receiver.replies[HOOK] = Reply()
    stack.clear_faults()
    ended = {"succeeded": JOBS}
    try:
        wait_for("every job succeeded", lambda: states(stack) == ended, END_S, every_s=0.5)
    except AssertionError:
        world.wrong.append(f"after {END_S:g} s the jobs are {dict(states(stack))}, not {ended}")
    jobs = stack.jobs()
    _check_payments(stack, world)
    world.check(len(jobs) == JOBS, f"{len(jobs)} jobs are listed, {JOBS} were enqueued")
    for job in jobs:
        world.wrong += _links(stack, job)
    _check_webhooks(stack, world, jobs)
    for name in COUNTS:
        status = stack.reelq("campaign", "status", name, "--json")
        world.check(status.returncode == 0, f"campaign status {name}: {status.stderr}")
        _start(stack, world, name)
    world.check(states(stack).total() == JOBS, f"the same sheets again added jobs: {dict(states(stack))}")
    _check_payments(stack, world)


def _start(stack: Stack, world: World, name: str) -> None:
    account = ACCOUNTS.get(name, "plain")
    try:
        stack.start_campaign(COUNTS[name], name, account=account, webhook_url=f"{world.receiver.url}{HOOK}")
    except AssertionError as exc:
        world.wrong.append(f"campaign run {name}: {exc}")


def _check_payments(stack: Stack, world: World) -> None:
    """Count at the gateway: one task for each prompt, and no other."""
    paid = Counter(task["prompt"] for task in stack.ledger()["tasks"])
    world.wrong += [f"{prompt!r} was paid for {count} times" for prompt, count in paid.items() if count > 1]
    world.check(len(paid) == JOBS, f"the gateway has tasks for {len(paid)} prompts, {JOBS} were enqueued")


def _links(stack: Stack, job: Mapping[str, Any]) -> list[str]:
    """Follow the job's link with the API key of the old program, and compare the bytes with the gateway's."""
    if job["state"] != "succeeded":
        return [f"{job['id']}: is {job['state']}: {job['error']}"]
    link = f"{stack.info()['api']}/v1/jobs/{job['id']}/video"
    key = (stack.directory / "api_key").read_text().strip()
    answer = httpx.get(link, headers={"X-API-Key": key}, timeout=PATIENCE_S)
    if answer.status_code not in (302, 307):
        return [f"{job['id']}: its link answers {answer.status_code}: {answer.text}"]
    video = httpx.get(answer.headers["location"], timeout=PATIENCE_S)
    tasks = {task["id"]: task["sha256"] for task in stack.ledger()["tasks"]}
    if video.status_code != 200 or hashlib.sha256(video.content).hexdigest() != tasks.get(job["gateway_task_id"]):
        return [f"{job['id']}: its link gives {video.status_code} and another video than the gateway"]
    return []


def _check_webhooks(stack: Stack, world: World, jobs: list[dict[str, Any]]) -> None:
    """Every job's end is announced once, signed with the secret of before."""
    wanted = {job["id"] for job in jobs}

    def messages() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for delivery in world.receiver.at(HOOK):
            content = delivery.verified(world.webhook_secret)
            if content["type"] == "job.succeeded":
                found.setdefault(content["data"]["id"], set()).add(delivery.id)
        return found

    try:
        # The old program tried for the first jobs and waits longer after each refusal.
        wait_for("every webhook arrived", lambda: wanted <= messages().keys(), END_S, every_s=0.5)
    except AssertionError:
        world.wrong.append(f"no webhook for {sorted(wanted - messages().keys())}")
    world.wrong += [f"{job}: {len(ids)} messages of its success" for job, ids in messages().items() if len(ids) > 1]

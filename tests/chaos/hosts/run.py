"""`make hosts`: several hosts on one machine, faults of hosts and of their network, and the promises, in four minutes.

    python -m tests.chaos.hosts.run [--seed N] [--only TEXT] [--dir DIR]

Exit code 0: every promise held, or this machine cannot have hosts (a line says so); 1: something broke; 2: the run
could not start.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from producer.local.errors import StackError
from storage.jobs.states import JobState
from tests.chaos.hosts.measures import Measures, measuring
from tests.chaos.hosts.rounds import ROUNDS, Play, summary
from tests.chaos.hosts.system import HOOK, LISTED, WORKING, Hosts, running_hosts
from tests.chaos.network import Network, a_network
from tests.chaos.run import say, working_directory


def run(network: Network, directory: Path, seed: int, only: str) -> list[str]:
    """Play the rounds, and return what is wrong."""
    began = time.monotonic()
    say(f"five hosts with seed {seed}; to repeat: make hosts SEED={seed}")
    wrong: list[str] = []
    with running_hosts(directory, network, seed) as hosts, measuring(hosts) as measures:
        say(f"  {' and '.join(WORKING)} work after {time.monotonic() - began:.0f} s")
        for play in ROUNDS:
            if only in play.__name__:
                wrong += _judge(play, hosts, measures)
        wrong += held_without_need(hosts) + not_notified(hosts) + hosts.parts.left_behind()
        say(f"  {len(hosts.ids)} jobs, {len(hosts.parts.tasks())} generations; {time.monotonic() - began:.0f} s")
    return wrong


def _judge(play: Play, hosts: Hosts, measures: Measures) -> list[str]:
    """Play a round, report it, and return what is wrong."""
    try:
        played = play(hosts, measures)
    except AssertionError as exc:
        hosts.restore()
        return [f"{play.__name__}: {exc}"]
    if played is None:
        say(f"  {play.__name__}: not tried, there is no C compiler")
        return []
    verdict = hosts.parts.judge(played.ids)
    ends = f"{verdict.succeeded} succeeded, {verdict.failed} failed, {verdict.held} held"
    say(f"  {played.name}: {verdict.jobs} jobs, {ends}, {verdict.lost} lost, {verdict.paid_twice} paid twice")
    for line in summary(played, hosts, measures):
        say(f"    {line}")
    return played.wrong + verdict.broken


def held_without_need(hosts: Hosts) -> list[str]:
    """Jobs that wait for a person although their gateway lists its tasks, or that failed: no fault here is a job's."""
    with suppress(AssertionError):  # one that was judged as held may have gone on; the lines name the jobs
        hosts.parts.wait_final(hosts.ids)
    return [
        f"{job.id}: is {job.state} ({job.reason}) at {job.account}"
        for job in hosts.parts.jobs(hosts.ids)
        if job.state is not JobState.SUCCEEDED and not (job.state is JobState.UNCONFIRMED and job.account != LISTED)
    ]


def not_notified(hosts: Hosts) -> list[str]:
    """Jobs that succeeded without a webhook, and those whose one event came as two messages."""
    succeeded = {str(job.id) for job in hosts.parts.jobs(hosts.ids) if job.state is JobState.SUCCEEDED}
    with suppress(AssertionError):  # the lines name the jobs
        hosts.parts.wait_for("webhooks", lambda: succeeded <= _messages(hosts).keys())
    messages = _messages(hosts)
    wrong = [f"{job}: no webhook" for job in succeeded - messages.keys()]
    return wrong + [f"{job}: {len(ids)} messages of its success" for job, ids in messages.items() if len(ids) > 1]


def _messages(hosts: Hosts) -> dict[str, set[str]]:
    """The ids of the messages of each job's success, by job."""
    found: dict[str, set[str]] = defaultdict(set)
    for delivery in hosts.receiver.at(HOOK):
        content = delivery.content()
        if content["type"] == "job.succeeded":
            found[content["data"]["id"]].add(delivery.id)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="make hosts", description="Break hosts and their network; check the promises."
    )
    parser.add_argument("--seed", type=int, help="repeat an earlier run with its seed")
    parser.add_argument("--only", default="", help="only the rounds whose name contains this")
    parser.add_argument("--dir", type=Path, help="directory for data and logs; kept (default: a temporary one)")
    given = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # logs of the checks are not part of the report
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    with ExitStack() as stack:
        try:
            network = stack.enter_context(a_network())
        except OSError as exc:
            say(f"skipped: this machine cannot have several hosts ({exc})")
            return 0
        try:
            directory = stack.enter_context(working_directory(given.dir)).absolute()
            wrong = run(network, directory, seed, given.only)
        except (StackError, AssertionError) as exc:
            sys.stderr.write(f"{exc}\n")
            return 2
        except KeyboardInterrupt:
            return 130
    say()
    for line in wrong[:20]:
        say(line)
    say(f"{len(wrong)} violations; seed {seed}" if wrong else "nothing lost, nothing paid for twice")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Keep the tasks of accepted jobs in this process, if it polls: they need not be claimed and read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from seedance.client import GatewayClient
from seedance.gateways.base import Submitted
from storage.jobs.reasons import Reason
from storage.jobs.records import Moved, Work
from storage.jobs.states import JobState
from worker.decisions import Decision
from worker.polling.ask import tasks_of
from worker.polling.held import HeldPolls
from worker.runtime import Runtime
from worker.submitting.begin import Ready


def to_take(
    runtime: Runtime, client: GatewayClient, ready: Sequence[Ready], decisions: Mapping[UUID, Decision]
) -> dict[UUID, Decision]:
    """The decisions of the jobs that this process may poll by itself: their rows get a lease instead of a due time."""
    holder, lease_s = runtime.part(HeldPolls), runtime.settings.poll_lease_seconds
    return {
        item.work.id: replace(decision, due_in_s=lease_s)
        for item in ready
        if (decision := decisions[item.work.id]).target is JobState.GENERATING
        and holder.may_take(client.account, decision.due_in_s)
        and not _has_files(item)
    }


def take(
    runtime: Runtime,
    client: GatewayClient,
    accepted: Sequence[tuple[Ready, Submitted, Moved, float]],
    leased_at: float,
) -> None:
    """Poll these tasks from now on: each with its row's move, and in how many seconds. `leased_at`: on the boot clock,
    before their rows were written."""
    if not accepted:
        return
    works = [_accepted(runtime, client, ready, result, moved, leased_at) for ready, result, moved, _ in accepted]
    tasks = tasks_of(client, works, leased_at)
    waits = [due_in_s for *_, due_in_s in accepted]
    runtime.start(runtime.part(HeldPolls).take(list(zip(tasks, waits, strict=True))))


def _accepted(
    runtime: Runtime, client: GatewayClient, ready: Ready, result: Submitted, moved: Moved, leased_at: float
) -> Work:
    """The job as it would be read now that its acceptance is written."""
    age_s = leased_at - ready.begun_at
    work = ready.work.copy()
    work.state = JobState.GENERATING
    work.reason = Reason.ACCEPTED
    work.claim = moved.claim
    work.attempt = ready.attempt
    work.refusals = 0
    work.setbacks = 0
    work.gateway_task_id = result.task_id
    work.key_id = client.key_id
    work.submitted_age_s = age_s
    work.unfinished_age_s = None
    work.deadline_in_s = None if work.deadline_in_s is None else work.deadline_in_s - age_s
    work.read_at = ready.started_at + timedelta(seconds=age_s)
    work.lease_left_s = runtime.settings.poll_lease_seconds
    return work


def _has_files(ready: Ready) -> bool:
    """Whether the request holds files, each up to 8 MiB, which are of no use any more."""
    values = ready.work.request.values()
    texts = [text for value in values for text in (value if isinstance(value, list) else [value])]
    return any(isinstance(text, str) and text.startswith("data:") for text in texts)

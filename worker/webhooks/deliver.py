"""Notify: tell receivers what has happened, signed, and write what came of it.

A batch is of one receiver. It gets a thread of its own, so that one which does not answer keeps no thread of Celery's
from polls and submits; how many batches there are at once is decided where they are claimed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from storage.jobs import queries
from storage.jobs.document import job_document
from storage.jobs.records import JobView
from storage.webhooks.delivery import Outgoing, Sent, load_messages, record_sent
from storage.webhooks.endpoints import change_endpoint
from storage.webhooks.messages import webhook_id
from storage.webhooks.outbox import EventType
from storage.webhooks.signing import sign
from worker.batch import run_batch
from worker.failpoints import failpoint
from worker.runtime import Part, Runtime
from worker.webhooks.decisions import RETRY_FOR_S, Verdict, decide, last_chance
from worker.webhooks.sender import Answer, WebhookSender

log = logging.getLogger("reelq.notify")

BATCH = 50
TIMEOUT_S = 15.0
RECEIVERS = 32
"""Receivers that are told at once, in the whole system."""
AT_ONCE = 10
"""POSTs to one receiver at once."""
UNANSWERED = 3
SPARE_S = (20.0, 60.0)
"""After so many POSTs without an answer in a row the rest of a batch is not tried, but waits so long."""


class Sending(Part):
    """The process's connections to receivers."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        settings = runtime.settings
        self.wait_s = min(TIMEOUT_S, settings.lease_seconds / 3)
        self.sender = WebhookSender(timeout_s=self.wait_s, allow_private=settings.allow_private_networks)

    async def close(self) -> None:
        await self.sender.close()


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one message."""

    message: Outgoing
    verdict: Verdict
    answer: Answer | None = None
    """None: nothing was sent."""


def start_notify(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Send a claimed batch in the background."""
    runtime.in_background("notify", lambda: notify_batch(runtime, claimed))


def notify_batch(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Send what is still ours of a claimed batch."""
    with runtime.database.begin() as conn:
        held = load_messages(conn, claimed)
        wanted = [item.job_id for item in held if item.job_id is not None and item.data is None]
        jobs = queries.jobs_of_everybody(conn, wanted) if wanted else {}
    if held:
        courier = _Courier(runtime, jobs)
        run_batch(runtime, held, courier.tell, lambda batch: _write(runtime, batch))


class _Courier:
    """Sends the messages of one batch, the oldest first."""

    def __init__(self, runtime: Runtime, jobs: Mapping[UUID, JobView]) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._slots = asyncio.Semaphore(AT_ONCE)
        # What is begun by then has ended well before the lease does.
        self._begin_until = time.monotonic() + runtime.settings.lease_seconds / 3
        self._unanswered = 0

    async def tell(self, message: Outgoing) -> Told:
        async with self._slots:
            if self._runtime.stopping.is_set() or time.monotonic() > self._begin_until:
                return Told(message, Verdict(due_in_s=0.0))
            if self._unanswered >= UNANSWERED:
                return Told(message, _spare(message))
            if (verdict := _undeliverable(message)) is not None:
                return Told(message, verdict)
            try:
                return await self._send(message)
            except Exception as exc:  # it stays ours to send, and must not come back at once for ever
                log.exception("webhook.not_sent id=%s", webhook_id(message.id))
                return self._judged(message, Answer(None, type(exc).__name__))

    async def _send(self, message: Outgoing) -> Told:
        settings = self._runtime.settings
        secrets = message.secrets or settings.webhook_secrets(message.tenant)
        if not secrets:
            return self._judged(message, Answer(None, "no webhook_secret is set, so it cannot be signed"))
        body = payload(message, self._jobs, settings.public_url)
        if body is None:
            return Told(message, Verdict(dead=True, error="its job is gone"))
        name, now = webhook_id(message.id), int(time.time())
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secrets, name, now, body),
        }
        failpoint("notify.before_post")
        answer = await self._runtime.part(Sending).sender.post(message.url or "", body, headers)
        failpoint("notify.after_post")
        self._unanswered = self._unanswered + 1 if answer.status is None else 0
        return self._judged(message, answer)

    def _judged(self, message: Outgoing, answer: Answer) -> Told:
        verdict = decide(answer, event=message.type, attempts=message.attempts, tried_for_s=message.tried_for_s)
        return Told(message, verdict, answer)


def _undeliverable(message: Outgoing) -> Verdict | None:
    if message.url is None:
        return Verdict(dead=True, error="the endpoint was removed")
    if message.disabled_reason is not None:
        return Verdict(dead=True, error=f"the endpoint is disabled: {message.disabled_reason}")
    return None


def _spare(message: Outgoing) -> Verdict:
    """Not to be tried now: the receiver has not answered several others of this moment."""
    error = "its receiver does not answer"
    if message.tried_for_s >= RETRY_FOR_S:
        return Verdict(dead=True, error=error)
    wait_s = random.uniform(*SPARE_S)  # noqa: S311 - not a secret
    return Verdict(due_in_s=last_chance(wait_s, message.tried_for_s), error=error)


def payload(message: Outgoing, jobs: Mapping[UUID, JobView], public_url: str | None) -> bytes | None:
    """The body, None when the job that it tells of is not there any more. It is the same at each attempt."""
    data = message.data
    if data is None:
        job = None if message.job_id is None else jobs.get(message.job_id)
        if job is None:
            return None
        data = job_document(job)
    return orjson.dumps({"type": message.type, "timestamp": message.created_at, "data": _absolute(data, public_url)})


def _absolute(data: Mapping[str, Any], public_url: str | None) -> Mapping[str, Any]:
    if public_url is None or not isinstance(data.get("links"), dict):
        return data
    base = public_url.rstrip("/")
    return {**data, "links": {name: f"{base}{path}" for name, path in data["links"].items()}}


def _write(runtime: Runtime, told: Sequence[Told]) -> None:
    for item in told:
        _log(item)
    with runtime.database.begin() as conn:
        record_sent(conn, [_as_sent(item) for item in told])
        for item in told:
            if item.verdict.disable and item.message.endpoint_id is not None:
                change_endpoint(
                    conn, None, item.message.endpoint_id, disabled=True, reason=f"it answered {item.verdict.error}"
                )


def _as_sent(item: Told) -> Sent:
    verdict, answer = item.verdict, item.answer
    # What a receiver says besides yes is of use only to whoever is looking for a mistake.
    shown = answer is not None and (not verdict.delivered or item.message.type == EventType.TEST)
    return Sent(
        item.message.id,
        item.message.claim,
        delivered=verdict.delivered,
        dead=verdict.dead,
        due_in_s=verdict.due_in_s,
        tried=answer is not None,
        status=None if answer is None else answer.status,
        error=verdict.error,
        answer=answer.text if answer is not None and shown else None,
    )


def _log(item: Told) -> None:
    verdict, answer, message = item.verdict, item.answer, item.message
    if answer is None and not verdict.dead:
        return
    log.log(
        logging.INFO if verdict.delivered else logging.WARNING,
        "webhook.%s id=%s type=%s job_id=%s attempt=%d status=%s took_s=%.2f error=%s",
        "delivered" if verdict.delivered else "dead" if verdict.dead else "failed",
        webhook_id(message.id),
        message.type,
        message.job_id,
        message.attempts + 1,
        None if answer is None else answer.status,
        0.0 if answer is None else answer.took_s,
        verdict.error,
    )

"""Notify: send webhook messages, signed, and mail, and record the results.

A batch belongs to one receiver and runs in a thread of its own, so that a receiver that does not answer keeps no Celery
thread from submits and polls. The claim limits how many batches run at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson

from storage.ark_status import ArkStatus
from storage.jobs import queries
from storage.jobs.records import JobView
from storage.jobs.shown.document import job_document
from storage.logs.context import about, bind
from storage.metrics.families import DELIVERIES, DELIVERY_SECONDS
from storage.metrics.measures import Measures
from storage.own_services import own_services
from storage.reporting.ark_tasks import LINK_S, ark_document, facts_of
from storage.tracing.context import HEADER as TRACE
from storage.tracing.spans import span
from storage.webhooks.delivery import Outgoing, Sent, load_messages, record_sent
from storage.webhooks.endpoints import change_endpoint
from storage.webhooks.messages import webhook_id
from storage.webhooks.outbox import ARK_PREFIX, MAILTO, EventType
from storage.webhooks.receivers import note_answer, note_silence
from storage.webhooks.signing import sign
from worker.batch import run_batch
from worker.failpoints import failpoint
from worker.runtime import Part, Runtime
from worker.watching.lag import count_lag
from worker.watching.tally import current_tally
from worker.webhooks.decisions import RETRY_FOR_S, Verdict, decide, within_the_day
from worker.webhooks.look_ups import LookUps
from worker.webhooks.mail.mailing import Mailing
from worker.webhooks.sender import Answer, WebhookSender

log = logging.getLogger("reelq.notify")

BATCH = 50
TIMEOUT_S = 15.0
RECEIVERS = 48
"""Receivers with a batch under way at once, in the whole system; `storage.webhooks.delivery` says how tenants share
them."""
AT_ONCE = 10
"""POSTs to one receiver at once."""
UNANSWERED = 3
"""After this many POSTs in a row without an answer, the rest of the batch is postponed."""
POSTPONE_S = (20.0, 60.0)
"""A postponed message waits for a random time between these two."""


class Sending(Part):
    """The process's connections to receivers."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        settings = runtime.settings
        self.wait_s = min(TIMEOUT_S, settings.lease_seconds / 3)
        self._look_ups = LookUps()
        self.sender = WebhookSender(
            timeout_s=self.wait_s,
            outbound=runtime.outbound,
            allow_private=settings.allow_private_networks,
            allowed=settings.allowed_networks.webhooks,
            own=own_services(settings),
            resolver=self._look_ups,
            connections=RECEIVERS * AT_ONCE,
        )

    async def close(self) -> None:
        await self.sender.close()
        await self._look_ups.close()


@dataclass(frozen=True, slots=True)
class Result:
    """The result for one message."""

    message: Outgoing
    verdict: Verdict
    answer: Answer | None = None
    """None: nothing was sent."""


def start_notify(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Send a claimed batch in a background thread."""
    runtime.in_background("notify", lambda: notify_batch(runtime, claimed))


def notify_batch(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Send the messages of a claimed batch whose lease still holds."""
    with runtime.database.begin() as conn:
        messages = load_messages(conn, claimed)
        count_lag(conn, "notify", [item.lease_left_s for item in messages], runtime.settings.lease_seconds)
        job_ids = [item.job_id for item in messages if item.job_id is not None and item.data is None]
        jobs = queries.jobs_of_any_tenant(conn, job_ids) if job_ids else {}
        of_ark = [item.job_id for item in messages if item.job_id is not None and item.type.startswith(ARK_PREFIX)]
        facts = facts_of(conn, of_ark) if of_ark else {}
    if messages:
        sender = _BatchSender(runtime, jobs, facts)
        run_batch(runtime, messages, sender.send, lambda results: _record(runtime, results))
        _note_receiver(runtime, messages[0], sender.answered)


class _BatchSender:
    """Sends the messages of one batch, oldest first."""

    def __init__(self, runtime: Runtime, jobs: Mapping[UUID, JobView], facts: Mapping[UUID, Mapping[str, Any]]) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._facts = facts
        self._slots = asyncio.Semaphore(AT_ONCE)
        # A POST that starts before then ends well before the lease does.
        self._start_until = time.monotonic() + runtime.settings.lease_seconds / 3
        self._unanswered = 0
        self.answered: bool | None = None
        """Whether the receiver answered any POST; None: nothing was sent."""

    async def send(self, message: Outgoing) -> Result:
        bind(**message.story)
        async with self._slots:
            if self._runtime.stopping.is_set() or time.monotonic() > self._start_until:
                return Result(message, Verdict(due_in_s=0.0))
            if self._unanswered >= UNANSWERED:
                return Result(message, _postponed(message))
            if (verdict := _undeliverable(message)) is not None:
                return Result(message, verdict)
            try:
                is_mail = (message.url or "").startswith(MAILTO)
                return await (self._mail(message) if is_mail else self._post(message))
            except Exception as exc:  # counts as an attempt, so that the message does not come back at once for ever
                log.exception("webhook.not_sent id=%s", webhook_id(message.id))
                return _decided(message, Answer(None, type(exc).__name__))

    async def _mail(self, message: Outgoing) -> Result:
        failpoint("notify.before_post")
        answer = await self._runtime.part(Mailing).send(message)
        failpoint("notify.after_post")
        self._unanswered = 0 if answer.status is not None or answer.never else self._unanswered + 1
        return _decided(message, answer)

    async def _post(self, message: Outgoing) -> Result:
        settings = self._runtime.settings
        secrets = message.secrets or settings.webhook_secrets(message.tenant)
        of_ark = message.type.startswith(ARK_PREFIX)  # Ark's own are not signed
        if not secrets and not of_ark:
            return _decided(
                message, Answer(None, "cannot be signed: webhook_secret is not set; set it for the workers")
            )
        body = await self._ark_body(message) if of_ark else payload(message, self._jobs, settings.public_url)
        if body is None:
            return Result(message, Verdict(dead=True, error="the job no longer exists"))
        name, now = webhook_id(message.id), int(time.time())
        headers = {"webhook-id": name, "webhook-timestamp": str(now)}
        if secrets:
            headers["webhook-signature"] = sign(secrets, name, now, body)
        failpoint("notify.before_post")
        job_id = None if message.job_id is None else str(message.job_id)
        with span("webhook", message.traceparent, job_id=job_id, type=message.type, webhook_id=name) as recorded:
            if recorded.traceparent is not None:
                headers[TRACE] = recorded.traceparent
            answer = await self._runtime.part(Sending).sender.post(message.url or "", body, headers)
            recorded.note(status=answer.status)
            if answer.status is None or answer.status >= 300:
                recorded.fail("not_delivered")
        failpoint("notify.after_post")
        self._unanswered = self._unanswered + 1 if answer.status is None else 0
        if answer.status is not None or not answer.never:
            self.answered = self.answered or answer.status is not None
        return _decided(message, answer)

    async def _ark_body(self, message: Outgoing) -> bytes | None:
        """The body of a callback of Ark's door: the task, as a query shows it; None when its job no longer exists."""
        job = None if message.job_id is None else self._jobs.get(message.job_id)
        if job is None:
            return None
        objects, facts = self._runtime.objects, self._facts.get(job.id, {})
        status = cast(ArkStatus, message.type.removeprefix(ARK_PREFIX))

        def write() -> bytes:
            return orjson.dumps(
                ark_document(job, facts, lambda _job, _what, key: objects.link(key, LINK_S), status=status)
            )

        return await asyncio.to_thread(write)  # the first link reads descriptions of the store from the disk


def _decided(message: Outgoing, answer: Answer) -> Result:
    verdict = decide(answer, event=message.type, attempts=message.attempts, tried_for_s=message.tried_for_s)
    return Result(message, verdict, answer)


def _undeliverable(message: Outgoing) -> Verdict | None:
    if message.url is None:
        return Verdict(dead=True, error="the endpoint was removed")
    if message.disabled_reason is not None:
        return Verdict(dead=True, error=f"the endpoint is disabled: {message.disabled_reason}")
    return None


def _postponed(message: Outgoing) -> Verdict:
    """Postpone a message whose receiver did not answer the POSTs before it."""
    error = "not attempted: the receiver does not answer"
    if message.tried_for_s >= RETRY_FOR_S:
        return Verdict(dead=True, error=error)
    wait_s = random.uniform(*POSTPONE_S)  # noqa: S311 - not a secret
    return Verdict(due_in_s=within_the_day(wait_s, message.tried_for_s), error=error)


def payload(message: Outgoing, jobs: Mapping[UUID, JobView], public_url: str | None) -> bytes | None:
    """The body of a message, the same at each attempt; None when its job no longer exists."""
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


def _record(runtime: Runtime, results: Sequence[Result]) -> None:
    tally = current_tally()
    for result in results:
        _log(result)
        if result.verdict.delivered:
            tally.good("delivered")
        elif result.answer is None and not result.verdict.dead:
            tally.good("postponed")
        else:
            tally.bad(webhook_id(result.message.id), result.verdict.error or "not delivered")
    with runtime.database.begin() as conn:
        record_sent(conn, [_as_sent(result) for result in results])
        for result in results:
            endpoint_id, error = result.message.endpoint_id, result.verdict.error
            if result.verdict.disable and endpoint_id is not None:
                change_endpoint(conn, None, endpoint_id, disabled=True, reason=f"the receiver answered {error}")
        _count(results).write(conn)


def _count(results: Sequence[Result]) -> Measures:
    measures = Measures()
    for result in results:
        if result.answer is not None or result.verdict.dead:
            measures.count(DELIVERIES, _outcome_of(result.verdict))
        if result.answer is not None:
            measures.observe(DELIVERY_SECONDS, result.answer.took_s)
    return measures


def _outcome_of(verdict: Verdict) -> str:
    return "delivered" if verdict.delivered else "dead" if verdict.dead else "failed"


def _note_receiver(runtime: Runtime, message: Outgoing, answered: bool | None) -> None:
    """Keep whether the receiver of a batch answers. A test message has a receiver of its own."""
    if answered is None or message.type == EventType.TEST:
        return
    note = note_answer if answered else note_silence
    with runtime.database.begin() as conn:
        note(conn, message.tenant, message.target)


def _as_sent(result: Result) -> Sent:
    verdict, answer = result.verdict, result.answer
    # The body of an answer helps to find a mistake: it is kept after a failure, and for the person who sent a test.
    kept = answer is not None and (not verdict.delivered or result.message.type == EventType.TEST)
    return Sent(
        result.message.id,
        result.message.claim,
        delivered=verdict.delivered,
        dead=verdict.dead,
        due_in_s=verdict.due_in_s,
        tried=answer is not None,
        status=None if answer is None else answer.status,
        error=verdict.error,
        answer=answer.text if answer is not None and kept else None,
    )


def _log(result: Result) -> None:
    verdict, answer, message = result.verdict, result.answer, result.message
    if answer is None and not verdict.dead:
        return
    log.log(
        logging.INFO if verdict.delivered else logging.WARNING,
        "webhook.%s id=%s type=%s job_id=%s try=%d status=%s took_s=%.2f error=%s",
        _outcome_of(verdict),
        webhook_id(message.id),
        message.type,
        message.job_id,
        message.attempts + 1,
        None if answer is None else answer.status,
        0.0 if answer is None else answer.took_s,
        verdict.error,
        extra=about(message.story),
    )

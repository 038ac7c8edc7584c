"""Messages are delivered signed and with the same id each time; a failing receiver does not affect the others."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError
from openai import OpenAI
from standardwebhooks import Webhook

from storage.campaigns.ends import end_campaigns
from storage.database import connect
from storage.jobs import attempts, claims, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Correlation, Move
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.webhooks import delivery, endpoints, outbox
from storage.webhooks.messages import MessageFilter, MessageView, list_messages, replay_messages, webhook_id
from storage.webhooks.outbox import EventType
from storage.webhooks.signing import new_secret
from tests.claiming import claim_submits
from tests.integration.webhooks.test_outbox import cancel, enqueue
from tests.waiting import PATIENCE_S
from tests.webhook_receiver import Delivery, Receiver, Reply, receiving
from worker.polling.reconcile import reconcile_batch
from worker.runtime import Runtime
from worker.scheduling.batches import MAX_WAITING
from worker.scheduling.dispatch import Batch, Dispatcher
from worker.webhooks.decisions import RETRY_FOR_S
from worker.webhooks.deliver import AT_ONCE, BATCH, UNANSWERED, notify_batch

S = JobState
PUBLIC_URL = "https://reelq.example"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    own = {"allow_private_networks": True, "public_url": f"{PUBLIC_URL}/", "lease_seconds": 61.0}
    runtime = Runtime(Settings.model_validate(settings.model_dump() | own))
    yield runtime
    runtime.close()


def deliver(runtime: Runtime, lease_s: float = 60.0) -> int:
    """Claim what is due and send it, as the scheduler and a worker do."""
    with runtime.database.begin() as conn:
        claimed = delivery.claim_messages(conn, 100, 100, BATCH, lease_s)
    for receiver in sorted({item.account for item in claimed}):
        notify_batch(runtime, [(item.id, item.claim) for item in claimed if item.account == receiver])
    return len(claimed)


def stored(runtime: Runtime, **wanted: Any) -> list[MessageView]:
    with runtime.database.begin() as conn:
        return list_messages(conn, MessageFilter(**wanted), limit=1000)


def cancelled_jobs(runtime: Runtime, url: str | None, count: int = 1, **fields: Any) -> list[UUID]:
    """Enqueue jobs with this webhook_url and cancel them."""
    with runtime.database.begin() as conn:
        ids = enqueue(conn, count, webhook_url=url, **fields)
        cancel(conn, ids)
    return ids


def make_due(runtime: Runtime) -> None:
    with runtime.database.begin() as conn:
        conn.execute("UPDATE webhook_messages SET due_at = now() WHERE due_at IS NOT NULL")


def test_a_message_has_the_job_as_the_api_shows_it_and_the_tenants_signature(
    runtime: Runtime, receiver: Receiver
) -> None:
    [job_id] = cancelled_jobs(runtime, f"{receiver.url}/hook?token=1", tenant="shop", metadata={"sku": "猫"})
    assert deliver(runtime) == 1
    [received] = receiver.at("/hook?token=1")
    [secret] = runtime.settings.webhook_secrets("shop")
    body = received.verified(secret)
    assert set(body) == {"type", "timestamp", "data"}
    assert body["type"] == "job.cancelled"
    data = body["data"]
    assert (data["id"], data["state"], data["metadata"]) == (str(job_id), "cancelled", {"sku": "猫"})
    assert data["links"]["self"] == f"{PUBLIC_URL}/v1/jobs/{job_id}"
    assert data["finished_at"] == body["timestamp"]
    assert received.headers["content-type"] == "application/json"
    with OpenAI(api_key="unused", webhook_secret=secret) as client:
        assert str(client.webhooks.unwrap(received.body, dict(received.headers)).type) == "job.cancelled"
    [message] = stored(runtime)
    assert (message.state, message.attempts, message.last_status) == ("delivered", 1, 200)
    assert received.id == webhook_id(message.id)


def test_a_failed_delivery_is_retried_with_the_same_id_and_body(runtime: Runtime, receiver: Receiver) -> None:
    answers = iter([Reply(500, body=b"oops"), Reply(302, {"Location": "/elsewhere"}), Reply(hang_up=True), Reply(204)])
    receiver.replies["/hook"] = lambda _: next(answers)
    cancelled_jobs(runtime, f"{receiver.url}/hook")
    for number, (state, status) in enumerate(
        [("retrying", 500), ("retrying", 302), ("retrying", None), ("delivered", 204)], 1
    ):
        assert deliver(runtime) == 1
        [message] = stored(runtime)
        assert (message.state, message.attempts, message.last_status) == (state, number, status)
        assert deliver(runtime) == 0, "it is not due yet"
        make_due(runtime)
    assert len({(item.id, item.body) for item in receiver.at("/hook")}) == 1
    assert receiver.at("/elsewhere") == []


def test_the_retry_after_of_a_receiver_is_kept(runtime: Runtime, receiver: Receiver) -> None:
    receiver.otherwise = Reply(503, {"Retry-After": "900"}, b"busy")
    cancelled_jobs(runtime, receiver.url)
    deliver(runtime)
    [message] = stored(runtime)
    assert message.due_at is not None
    assert message.last_attempt_at is not None
    assert (message.due_at - message.last_attempt_at).total_seconds() == pytest.approx(900, abs=1)
    assert (message.last_error, message.last_answer) == ("HTTP 503", "busy")


def test_a_message_is_dead_after_a_day_and_can_be_replayed(runtime: Runtime, receiver: Receiver) -> None:
    receiver.otherwise = Reply(500)
    cancelled_jobs(runtime, receiver.url)
    deliver(runtime)
    with runtime.database.begin() as conn:
        conn.execute(
            "UPDATE webhook_messages SET due_at = now(), first_attempt_at = now() - %s * interval '1 s'", [RETRY_FOR_S]
        )
    deliver(runtime)
    assert [(item.state, item.attempts) for item in stored(runtime)] == [("dead", 2)]
    receiver.otherwise = Reply(200)
    with runtime.database.begin() as conn:
        assert len(replay_messages(conn, MessageFilter())) == 1
    deliver(runtime)
    assert [(item.state, item.attempts, item.replays) for item in stored(runtime)] == [("delivered", 1, 1)]
    assert len({item.id for item in receiver.deliveries}) == 1


def test_messages_are_signed_with_both_secrets_while_they_overlap(runtime: Runtime, receiver: Receiver) -> None:
    old, new, newest = new_secret(), new_secret(), new_secret()
    with runtime.database.begin() as conn:
        endpoint = endpoints.add_endpoint(conn, "default", receiver.url, [], old)
        assert endpoint is not None
        endpoints.rotate_secret(conn, "default", endpoint.id, new, 3600.0)
    cancelled_jobs(runtime, None)
    deliver(runtime)
    assert {receiver.deliveries[0].verified(secret)["type"] for secret in (old, new)} == {"job.cancelled"}
    with runtime.database.begin() as conn:
        endpoints.rotate_secret(conn, "default", endpoint.id, newest, 0.0)
    cancelled_jobs(runtime, None)
    deliver(runtime)
    last = receiver.deliveries[-1]
    assert last.verified(newest)
    assert last.headers["webhook-signature"].count("v1,") == 1


def test_an_answer_of_410_disables_the_endpoint_and_gives_up_its_messages(runtime: Runtime, receiver: Receiver) -> None:
    receiver.otherwise = Reply(410)
    with runtime.database.begin() as conn:
        endpoint = endpoints.add_endpoint(conn, "default", receiver.url, [], new_secret())
    cancelled_jobs(runtime, None)
    with runtime.database.begin() as conn:
        claimed = delivery.claim_messages(conn, 9, 9, 9, 60.0)
    cancelled_jobs(runtime, None)  # waits while the first is being sent
    notify_batch(runtime, [(item.id, item.claim) for item in claimed])
    assert [item.state for item in stored(runtime)] == ["dead", "dead"]
    assert len(receiver.deliveries) == 1
    with runtime.database.begin() as conn:
        assert endpoint is not None
        found = endpoints.get_endpoint(conn, "default", endpoint.id)
        assert found is not None
        assert (found.disabled_at is not None, found.disabled_reason) == (True, "the receiver answered HTTP 410")
        assert replay_messages(conn, MessageFilter()) == []
    cancelled_jobs(runtime, None)
    assert len(stored(runtime)) == 2


def test_a_batch_is_postponed_when_its_receiver_does_not_answer(runtime: Runtime, receiver: Receiver) -> None:
    cancelled_jobs(runtime, f"{receiver.url}/quiet", 40)
    receiver.otherwise = Reply(hang_up=True)
    assert deliver(runtime) == 40
    tried = [item for item in stored(runtime) if item.attempts]
    assert UNANSWERED <= len(tried) == len(receiver.deliveries) < UNANSWERED + AT_ONCE
    assert {item.last_error for item in stored(runtime) if not item.attempts} == {
        "not attempted: the receiver does not answer"
    }
    receiver.otherwise = Reply(200)
    make_due(runtime)
    assert deliver(runtime) == 40
    assert Counter(item.state for item in stored(runtime)) == {"delivered": 40}
    assert receiver.most_at_once <= AT_ONCE


def test_a_slow_receiver_does_not_delay_others(runtime: Runtime, receiver: Receiver) -> None:
    answer = threading.Event()
    receiver.otherwise = Reply(hold=answer)
    cancelled_jobs(runtime, f"{receiver.url}/slow", 12)
    with receiving() as quick:
        cancelled_jobs(runtime, quick.url)
        with runtime.database.begin() as conn:
            claimed = delivery.claim_messages(conn, 9, 9, BATCH, 60.0)
        slow = [(item.id, item.claim) for item in claimed if item.account.split()[1] in receiver.url]
        fast = [(item.id, item.claim) for item in claimed if item.account.split()[1] in quick.url]
        runtime.in_background("slow", lambda: notify_batch(runtime, slow))
        notify_batch(runtime, fast)
        assert Counter(item.state for item in stored(runtime)) == {"pending": 12, "delivered": 1}
        answer.set()
        for thread in list(runtime._background):
            thread.join(PATIENCE_S)
    assert Counter(item.state for item in stored(runtime)) == {"delivered": 13}


def test_a_stopping_worker_returns_the_messages_it_has_not_sent(runtime: Runtime, receiver: Receiver) -> None:
    cancelled_jobs(runtime, receiver.url, 3)
    runtime.stopping.set()
    assert deliver(runtime) == 3
    assert receiver.deliveries == []
    assert [(item.state, item.attempts) for item in stored(runtime)] == [("pending", 0)] * 3
    with runtime.database.begin() as conn:
        assert len(delivery.claim_messages(conn, 9, 9, 9, 60.0)) == 3


def test_private_addresses_are_refused_by_default(
    settings: Settings, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = Runtime(settings)
    try:
        cancelled_jobs(runtime, receiver.url.replace("127.0.0.1", "localhost"))
        cancelled_jobs(runtime, receiver.url)
        deliver(runtime)
        assert receiver.deliveries == []
        errors = " ".join(item.last_error or "" for item in stored(runtime))
        assert errors.count("is not a public address") + errors.count("which is not a public address") >= 2
        assert {item.state for item in stored(runtime)} == {"retrying"}
    finally:
        runtime.close()


def test_nothing_is_sent_unsigned_when_no_secret_is_set(settings: Settings, receiver: Receiver) -> None:
    own = {"allow_private_networks": True, "webhook_secret": None}
    runtime = Runtime(Settings.model_validate(settings.model_dump() | own))
    try:
        cancelled_jobs(runtime, receiver.url)
        deliver(runtime)
        assert receiver.deliveries == []
        assert [item.last_error for item in stored(runtime)] == [
            "cannot be signed: webhook_secret is not set; set it for the workers"
        ]
    finally:
        runtime.close()


def test_a_test_message_is_sent_once_and_keeps_the_answer(runtime: Runtime, receiver: Receiver) -> None:
    [secret] = runtime.settings.webhook_secrets("default")

    def echo(delivery: Delivery) -> Reply:
        return Reply(401, body=f"bad {delivery.headers['webhook-signature']} \x1b[31m".encode() + b"x" * 100_000)

    receiver.otherwise = Reply(200, body=b"thanks")
    receiver.replies["/bad"] = echo
    with runtime.database.begin() as conn:
        outbox.tell_test(conn, "default", {"message": "hello"}, url=f"{receiver.url}/good")
        outbox.tell_test(conn, "default", {"message": "hello"}, url=f"{receiver.url}/bad")
    deliver(runtime)
    by_url = {item.url: item for item in stored(runtime, type=EventType.TEST)}
    good, bad = by_url[f"{receiver.url}/good"], by_url[f"{receiver.url}/bad"]
    assert (good.state, good.last_status, good.last_answer) == ("delivered", 200, "thanks")
    assert (bad.state, bad.last_status) == ("dead", 401)
    assert (bad.last_answer or "").startswith("bad *** ")
    assert len(bad.last_answer or "") <= 1000
    assert receiver.at("/good")[0].verified(secret)["data"] == {"message": "hello"}


def test_the_message_of_a_finished_campaign_has_counts_and_links(runtime: Runtime, receiver: Receiver) -> None:
    secret = new_secret()
    with runtime.database.begin() as conn:
        endpoints.add_endpoint(conn, "default", receiver.url, ["campaign.finished"], secret)
        cancel(conn, enqueue(conn, 2, campaign="spring sale"))
        end_campaigns(conn, 10)
    deliver(runtime)
    [received] = receiver.deliveries
    body = received.verified(secret)
    assert (body["type"], body["data"]["counts"]) == ("campaign.finished", {"cancelled": 2})
    assert body["data"]["links"]["self"] == f"{PUBLIC_URL}/v1/campaigns/spring%20sale"


@pytest.mark.parametrize("policy", ["hold", "resubmit"])
def test_a_held_job_is_delivered_once_as_it_was(settings: Settings, receiver: Receiver, policy: str) -> None:
    own = {"allow_private_networks": True, "unconfirmed_policy": policy}
    runtime = Runtime(Settings.model_validate(settings.model_dump() | own))
    try:
        with runtime.database.begin() as conn:
            [job_id] = enqueue(conn, webhook_url=receiver.url)
            [taken] = claim_submits(conn, "main", "anyfast", 1, 60.0)
            patch = {"gateway": "anyfast", "model": "m"}
            submit = Move(job_id, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, taken.claim, due_in_s=60.0, patch=patch)
            attempts.begin_attempts(conn, [submit], {job_id: Correlation()})
            transitions.move(conn, [Move(job_id, (S.SUBMITTING,), S.UNCONFIRMED, Reason.STATUS_UNKNOWN)])
        for _ in range(2):  # its account is not configured, so nothing can be looked up
            with runtime.database.begin() as conn:
                conn.execute("UPDATE jobs SET due_at = now()")
                [doubt] = claims.claim_unconfirmed(conn, 1, 60.0)
            reconcile_batch(runtime, "main", [(doubt.id, doubt.claim)])
        deliver(runtime)
        if policy == "resubmit":
            assert receiver.deliveries == []
            return
        with runtime.database.begin() as conn:
            conn.execute("UPDATE webhook_messages SET due_at = now(), delivered_at = NULL")
            transitions.move(conn, [Move(job_id, (S.UNCONFIRMED,), S.CANCELLED, Reason.DISCARDED)])
        deliver(runtime)
        [secret] = runtime.settings.webhook_secrets("default")
        bodies = [item.verified(secret) for item in receiver.deliveries if b"unconfirmed" in item.body]
        assert [body["type"] for body in bodies] == ["job.unconfirmed"] * 2
        assert bodies[0] == bodies[1], "the job as it was when it was held"
        assert (bodies[0]["data"]["state"], bodies[0]["data"]["reason"]) == ("unconfirmed", "held")
        assert bodies[0]["data"]["links"]["resolve"] == f"/v1/jobs/{job_id}/resolve"
        assert Counter(item.type for item in stored(runtime)) == {"job.unconfirmed": 1, "job.cancelled": 1}
    finally:
        runtime.close()


class _BrokerGone(Dispatcher):
    """A dispatcher whose broker goes away between the claim and the message."""

    def _message(self, batch: Batch) -> bytes:
        raise OperationalError(batch.queue)


def test_the_scheduler_sends_one_batch_per_receiver_and_releases_what_it_cannot_send(
    runtime: Runtime, broker_url: str
) -> None:
    cancelled_jobs(runtime, "https://a.example/x", 3)
    cancelled_jobs(runtime, "https://b.example/y", 1)
    app = Celery(broker=broker_url)
    app.conf.task_create_missing_queues = True
    dispatcher = Dispatcher(app, runtime.settings, runtime.database)
    with redis.Redis.from_url(broker_url) as client:
        try:
            client.rpush("notify", *["waiting"] * MAX_WAITING["notify"])
            assert dispatcher.run() == 0, "the queue is full"
            client.delete("notify")
            with pytest.raises(OperationalError):
                _BrokerGone(app, runtime.settings, runtime.database).run()
            assert dispatcher.run() == 4, "the claims that could not be sent were released"
            sent = [json.loads(body) for body in client.lrange("notify", 0, -1)]
            assert [body["headers"]["task"] for body in sent] == ["worker.notify"] * 2
            batches = {args[0]: len(args[1]) for args, *_ in (json.loads(base64.b64decode(b["body"])) for b in sent)}
            assert batches == {"default a.example": 3, "default b.example": 1}
            assert dispatcher.run() == 0, "they are leased"
        finally:
            dispatcher.close()


def test_no_secret_and_no_body_is_logged(
    runtime: Runtime, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.replies["/no?token=hidden"] = Reply(500, body=b"private words")
    with caplog.at_level(logging.DEBUG, logger="reelq"):
        cancelled_jobs(runtime, f"{receiver.url}/no?token=hidden")
        cancelled_jobs(runtime, f"{receiver.url}/yes?token=hidden")
        deliver(runtime)
    lines = [record.getMessage() for record in caplog.records]
    assert sum("webhook.failed" in line for line in lines) == 1
    assert sum("webhook.delivered" in line for line in lines) == 1
    [secret] = runtime.settings.webhook_secrets("default")
    signature = receiver.deliveries[0].headers["webhook-signature"]
    for hidden in ("hidden", "private words", secret, signature):
        assert not any(hidden in line for line in lines)
    with connect(runtime.settings.require_database_url()) as conn:
        assert conn.execute(
            "SELECT count(*) FROM webhook_messages WHERE last_answer LIKE %s", ["%whsec%"]
        ).fetchone() == (0,)
    assert Webhook(secret).verify(receiver.deliveries[0].body, dict(receiver.deliveries[0].headers))

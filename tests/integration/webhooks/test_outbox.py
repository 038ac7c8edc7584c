"""A webhook message is written in the transaction of its event, once per receiver, and leased like a job."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from storage.campaigns import controls
from storage.campaigns.ends import end_campaigns
from storage.database import Connection, connect
from storage.jobs import transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, NewJob, Postponement
from storage.jobs.states import JobState
from storage.leases import Claimed
from storage.webhooks import delivery, endpoints, outbox
from storage.webhooks.delivery import Sent
from storage.webhooks.messages import (
    MessageFilter,
    MessageState,
    MessageView,
    list_messages,
    message_counts,
    replay_messages,
)
from storage.webhooks.outbox import EventType
from tests.claiming import claim_submits

S = JobState
HOOK = "https://shop.example/hooks?from=reelq"
SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def enqueue(conn: Connection, count: int = 1, *, campaign: str | None = None, **fields: Any) -> list[UUID]:
    tenant = fields.get("tenant", "default")
    campaign_id = controls.ensure_campaign(conn, tenant, campaign) if campaign else None
    new = [
        NewJob(new_job_id(), {"prompt": "x"}, "h", ["anyfast"], campaign_id=campaign_id, **fields) for _ in range(count)
    ]
    return [item.id for item in enqueue_jobs(conn, new)]


def cancel(conn: Connection, ids: Sequence[UUID]) -> int:
    return len(transitions.move(conn, [Move(job_id, (S.QUEUED,), S.CANCELLED, Reason.CANCELLED) for job_id in ids]))


def messages(url: str, **wanted: Any) -> list[MessageView]:
    with connect(url) as conn:
        return list_messages(conn, MessageFilter(**wanted), limit=1000)


def endpoint(conn: Connection, url: str = "https://a.example/", *events: str, tenant: str = "default") -> UUID:
    added = endpoints.add_endpoint(conn, tenant, url, events, SECRET)
    assert added is not None
    return added.id


def claim(conn: Connection, receivers: int = 10, batch: int = 10, lease_s: float = 60.0) -> list[Claimed]:
    return delivery.claim_messages(conn, 100, receivers, batch, lease_s)


def as_leases(claimed: Sequence[Claimed]) -> list[tuple[UUID, int]]:
    return [(item.id, item.claim) for item in claimed]


# --- messages of jobs --------------------------------------------------------


def test_an_end_is_written_for_the_jobs_url_and_every_subscribed_endpoint(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        every = endpoint(conn, "https://a.example/")
        ends = endpoint(conn, "https://b.example/", "job.cancelled", "job.failed")
        endpoint(conn, "https://c.example/", "job.succeeded")
        endpoint(conn, "https://d.example/", tenant="other")
        off = endpoint(conn, "https://e.example/")
        endpoints.change_endpoint(conn, "default", off, disabled=True, reason="by hand")
        [with_url] = enqueue(conn, webhook_url=HOOK)
        [without_receivers] = enqueue(conn, tenant="third")
    with connect(postgres_url) as conn:
        assert cancel(conn, [with_url, without_receivers]) == 2
    found = messages(postgres_url)
    assert {(item.endpoint_id, item.url) for item in found} == {
        (None, HOOK),
        (every, "https://a.example/"),
        (ends, "https://b.example/"),
    }
    assert {(item.type, item.job_id, item.state) for item in found} == {("job.cancelled", with_url, "pending")}
    assert len({item.id for item in found}) == 3


def test_moves_that_do_not_end_a_job_write_no_message(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        endpoint(conn)
        enqueue(conn, webhook_url=HOOK)
        [taken] = claim_submits(conn, "main", "anyfast", 1, 60.0)
        patch = {"gateway": "anyfast", "model": "m"}
        transitions.move(conn, [Move(taken.id, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, due_in_s=60.0, patch=patch)])
        transitions.move(conn, [Move(taken.id, (S.SUBMITTING,), S.UNCONFIRMED, Reason.STATUS_UNKNOWN, due_in_s=60.0)])
    assert messages(postgres_url) == []


def test_a_rolled_back_move_writes_no_message(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        [job_id] = enqueue(conn, webhook_url=HOOK)
    with connect(postgres_url) as conn:
        assert cancel(conn, [job_id]) == 1
        conn.rollback()
    assert messages(postgres_url) == []
    with connect(postgres_url) as conn:
        assert cancel(conn, [job_id]) == 1
        assert cancel(conn, [job_id]) == 0
    assert len(messages(postgres_url)) == 1


def test_a_hold_writes_one_message_per_attempt(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        [job_id] = enqueue(conn, webhook_url=HOOK)
        [taken] = claim_submits(conn, "main", "anyfast", 1, 60.0)
        patch = {"gateway": "anyfast", "model": "m"}
        [begun] = transitions.move(
            conn, [Move(job_id, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, due_in_s=60.0, patch=patch)]
        )
        [moved] = transitions.move(
            conn, [Move(job_id, (S.SUBMITTING,), S.UNCONFIRMED, Reason.STATUS_UNKNOWN, begun.claim, due_in_s=60.0)]
        )
        assert taken.id == job_id
    for _ in range(2):
        with connect(postgres_url) as conn:
            new = outbox.newly_held(conn, [job_id])
            transitions.postpone(conn, [Postponement(job_id, moved.claim, 60.0, Reason.HELD, 0, 0)])
            outbox.tell_held(conn, {held: {"state": "unconfirmed"} for held in new})
    [message] = messages(postgres_url)
    assert (message.type, message.job_id) == (EventType.JOB_UNCONFIRMED, job_id)
    with connect(postgres_url) as conn:  # looked up, then held again: no second message
        transitions.postpone(conn, [Postponement(job_id, moved.claim, 60.0, Reason.LOOKING, 0, 0)])
        assert outbox.newly_held(conn, [job_id]) == [job_id]
        outbox.tell_held(conn, {job_id: {}})
    assert len(messages(postgres_url)) == 1


# --- campaigns ---------------------------------------------------------------


def test_a_campaign_finishes_once_and_again_after_new_rows(postgres_url: str) -> None:
    def newly_ended() -> list[str]:
        with connect(postgres_url) as conn:
            return [item.name for item in end_campaigns(conn, 100)]

    with connect(postgres_url) as conn:
        endpoint(conn, "https://a.example/", "campaign.finished")
        ids = enqueue(conn, 2, campaign="spring")
        controls.ensure_campaign(conn, "default", "empty")
        cancel(conn, ids[:1])
    assert newly_ended() == []
    with connect(postgres_url) as conn:
        cancel(conn, ids[1:])
    assert newly_ended() == ["spring"]
    assert newly_ended() == []
    with connect(postgres_url) as conn:  # the same rows again add no job
        controls.ensure_campaign(conn, "default", "spring")
    assert newly_ended() == []
    [first] = messages(postgres_url)
    assert (first.type, first.job_id) == ("campaign.finished", None)
    with connect(postgres_url) as conn:
        data = delivery.load_messages(conn, as_leases(claim(conn)))[0].data or {}
    assert (data["name"], data["counts"], data["total"], data["finished"]) == ("spring", {"cancelled": 2}, 2, 2)
    with connect(postgres_url) as conn:
        more = enqueue(conn, campaign="spring")
    assert newly_ended() == []
    with connect(postgres_url) as conn:
        cancel(conn, more)
    assert newly_ended() == ["spring"]
    assert len(messages(postgres_url)) == 2


def test_a_campaign_that_is_being_filled_is_not_finished(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancel(conn, enqueue(conn, campaign="spring"))
    with connect(postgres_url) as filling:
        enqueue(filling, campaign="spring")
        with connect(postgres_url) as conn:
            assert end_campaigns(conn, 100) == []
    with connect(postgres_url) as conn:
        assert end_campaigns(conn, 100) == []


def test_a_new_endpoint_gets_no_message_of_an_earlier_end(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancel(conn, enqueue(conn, campaign="old"))
        assert [item.name for item in end_campaigns(conn, 100)] == ["old"]
        endpoint(conn)
        assert end_campaigns(conn, 100) == []
    assert messages(postgres_url) == []


# --- leases ------------------------------------------------------------------


def test_each_message_is_leased_to_one_of_many_claimants(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for number in range(40):
            cancel(conn, enqueue(conn, 2, webhook_url=f"https://h{number}.example/"))
    seen: Counter[UUID] = Counter()
    lock = threading.Lock()

    def work() -> None:
        with connect(postgres_url) as conn:
            claimed = claim(conn, 100)
        with lock:
            seen.update(item.id for item in claimed)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 80
    assert set(seen.values()) == {1}


def test_a_receiver_gets_one_batch_at_a_time_and_does_not_delay_others(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancel(conn, enqueue(conn, 30, webhook_url="https://me@Slow.example:8443/a"))
        cancel(conn, enqueue(conn, 2, webhook_url="https://quick.example/b"))
    with connect(postgres_url) as conn:
        first = claim(conn)
    assert Counter(item.account for item in first) == {"default slow.example:8443": 10, "default quick.example": 2}
    with connect(postgres_url) as conn:
        delivery.record_sent(
            conn,
            [Sent(item.id, item.claim, delivered=True) for item in first if item.account == "default quick.example"],
        )
        cancel(conn, enqueue(conn, 1, webhook_url="https://quick.example/c"))
    with connect(postgres_url) as conn:
        assert claim(conn, 1) == []  # one receiver at a time, and it is busy
        assert [item.account for item in claim(conn, 4)] == ["default quick.example"]
        delivery.release_messages(conn, [(i.id, i.claim) for i in first if i.account != "default quick.example"])
    with connect(postgres_url) as conn:
        assert Counter(item.account for item in claim(conn)) == {"default slow.example:8443": 10}


def test_an_expired_lease_goes_to_the_next_claim_and_a_late_result_is_ignored(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancel(conn, enqueue(conn, webhook_url=HOOK))
        [lost] = claim(conn, lease_s=0.0)
    with connect(postgres_url) as conn:
        assert delivery.load_messages(conn, as_leases([lost])) == []
        [taken] = claim(conn)
        assert (taken.id, taken.claim) == (lost.id, lost.claim + 1)
        delivery.record_sent(conn, [Sent(lost.id, lost.claim, delivered=True)])
    assert [item.state for item in messages(postgres_url)] == ["pending"]
    with connect(postgres_url) as conn:
        [loaded] = delivery.load_messages(conn, as_leases([taken]))
        assert (loaded.url, loaded.attempts, loaded.secrets) == (HOOK, 0, [])
        sent = Sent(taken.id, taken.claim, due_in_s=60.0, status=500, error="HTTP 500\0", answer="oops")
        delivery.record_sent(conn, [sent])
    [message] = messages(postgres_url)
    assert (message.state, message.attempts, message.last_status, message.last_error) == (
        "retrying",
        1,
        500,
        "HTTP 500",
    )


# --- replay and removal ------------------------------------------------------


def test_a_dead_message_is_replayed_under_the_same_id(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancel(conn, enqueue(conn, 2, webhook_url=HOOK))
        dead, done = claim(conn)
        delivery.record_sent(
            conn, [Sent(dead.id, dead.claim, dead=True, error="gone"), Sent(done.id, done.claim, delivered=True)]
        )
        assert message_counts(conn) == ({"dead": 1, "delivered": 1}, None)
    with connect(postgres_url) as conn:
        assert replay_messages(conn, MessageFilter(tenant="other")) == []
        assert replay_messages(conn, MessageFilter(states=[MessageState.DEAD])) == [dead.id]
        counts, age_s = message_counts(conn)
        assert counts == {"pending": 1, "delivered": 1}
        assert age_s is not None
    with connect(postgres_url) as conn:
        assert [item.id for item in claim(conn)] == [dead.id]
        assert replay_messages(conn, MessageFilter()) == [done.id]  # not the one that is being sent


def test_a_removed_endpoint_gets_no_more_messages(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        there = endpoint(conn)
        cancel(conn, enqueue(conn))
        assert not endpoints.remove_endpoint(conn, "other", there)
        assert endpoints.remove_endpoint(conn, "default", there)
    [message] = messages(postgres_url)
    assert (message.state, message.last_error, message.url) == ("dead", "the endpoint was removed", None)
    with connect(postgres_url) as conn:
        assert replay_messages(conn, MessageFilter()) == []
        assert claim(conn) == []


def test_old_messages_are_swept(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancel(conn, enqueue(conn, 3, webhook_url=HOOK))
        done, dead, _ = claim(conn)
        delivery.record_sent(conn, [Sent(done.id, done.claim, delivered=True), Sent(dead.id, dead.claim, dead=True)])
        conn.execute(
            "UPDATE webhook_messages SET delivered_at = delivered_at - interval '8 days', created_at = 'epoch'"
        )
        conn.execute("UPDATE webhook_messages SET dead_at = dead_at - interval '8 days'")
        assert delivery.sweep_messages(conn, 7, 30, 100) == 1
        assert delivery.sweep_messages(conn, 7, 7, 100) == 1
    assert [item.state for item in messages(postgres_url)] == ["pending"]

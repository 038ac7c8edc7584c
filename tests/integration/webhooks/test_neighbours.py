"""Two tenants with webhooks: receivers of one that do not answer do not delay those of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from storage.database import Connection, connect
from storage.leases import Claimed
from storage.webhooks import delivery
from storage.webhooks.delivery import SUSPECTS
from storage.webhooks.messages import MessageFilter, replay_messages
from storage.webhooks.receivers import note_answer, note_silence
from tests.integration.webhooks.test_delivery import (  # noqa: F401 - fixtures
    cancelled_jobs,
    deliver,
    make_due,
    receiver,
    runtime,
    stored,
)
from tests.integration.webhooks.test_outbox import cancel, enqueue
from tests.webhook_receiver import Receiver, Reply
from worker.runtime import Runtime
from worker.webhooks.deliver import BATCH, RECEIVERS


def cancelled(conn: Connection, tenant: str, hosts: Sequence[str], each: int = 1) -> None:
    """Write messages of a tenant for these hosts."""
    for host in hosts:
        cancel(conn, enqueue(conn, each, webhook_url=f"https://{host}/hook", tenant=tenant))


def claim(conn: Connection) -> list[Claimed]:
    return delivery.claim_messages(conn, 100, RECEIVERS, BATCH, 60.0)


def by_tenant(claimed: Sequence[Claimed]) -> Counter[str]:
    """How many receivers of each tenant have a batch."""
    return Counter(account.split()[0] for account in {item.account for item in claimed})


def test_two_hundred_receivers_of_a_tenant_leave_places_for_others(postgres_url: str) -> None:
    """Seen: with 200 hanging URLs of one tenant, the webhooks of another arrived after 40 s instead of 0.2 s."""
    with connect(postgres_url) as conn:
        cancelled(conn, "a", [f"hang-{number}.example" for number in range(200)])
        assert by_tenant(claim(conn)) == {"a": RECEIVERS // 2}
        assert claim(conn) == [], "its other receivers wait for the first"
        cancelled(conn, "b", ["b.example"])
        assert by_tenant(claim(conn)) == {"b": 1}
        cancelled(conn, "c", [f"hang-{number}.example" for number in range(200)])
        cancelled(conn, "d", ["d.example"])
        found = by_tenant(claim(conn))
        assert found["d"] == 1, "nor do those of two tenants"
        assert found["c"] < RECEIVERS // 2


def test_the_same_host_is_another_receiver_for_each_tenant(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancelled(conn, "a", ["shared.example"], 60)
        first = claim(conn)
        assert (len(first), by_tenant(first)) == (BATCH, {"a": 1})
        cancelled(conn, "b", ["shared.example"])
        assert by_tenant(claim(conn)) == {"b": 1}


def test_tenants_with_the_fewest_places_come_first(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for tenant in "abcd":
            cancelled(conn, tenant, [f"{number}.example" for number in range(20)])
        assert set(by_tenant(delivery.claim_messages(conn, 8, RECEIVERS, BATCH, 60.0)).values()) == {2}


def test_receivers_that_did_not_answer_share_a_part_of_the_places(postgres_url: str) -> None:
    """However many tenants have such receivers, and whatever they do, the others go on."""
    with connect(postgres_url) as conn:
        for number in range(10):
            hosts = [f"{host}.example" for host in range(8)]
            cancelled(conn, f"silent-{number}", hosts)
            for host in hosts:
                note_silence(conn, f"silent-{number}", host)
        assert len({item.account for item in claim(conn)}) == SUSPECTS
        cancelled(conn, "b", ["b.example"])
        assert by_tenant(claim(conn)) == {"b": 1}


def test_a_silent_receiver_rests_and_is_then_asked_with_one_message(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        cancelled(conn, "a", ["silent.example"], 5)
        cancelled(conn, "b", ["silent.example"], 5)
        note_silence(conn, "a", "silent.example")
        note_silence(conn, "a", "silent.example")
        assert by_tenant(claim(conn)) == {"b": 1}, "what one tenant sees of a receiver is not the other's"
        conn.execute("UPDATE webhook_receivers SET open_until = now()")
        [probe] = claim(conn)
        delivery.release_messages(conn, [(probe.id, probe.claim)])
        note_answer(conn, "a", "silent.example")
        assert len(claim(conn)) == 5


def test_answers_and_silence_are_noted_and_a_replay_asks_at_once(runtime: Runtime, receiver: Receiver) -> None:  # noqa: F811 - the fixture
    def known() -> list[tuple[str, int, bool]]:
        with runtime.database.begin() as conn:
            found = conn.execute("SELECT tenant, failures, open_until > now() FROM webhook_receivers").fetchall()
        return [(row[0], row[1], bool(row[2])) for row in found]

    receiver.otherwise = Reply(hang_up=True)
    cancelled_jobs(runtime, receiver.url, 2, tenant="a")
    for failures in (1, 2):
        assert deliver(runtime) == 2
        assert known() == [("a", failures, failures == 2)]
        make_due(runtime)
    assert deliver(runtime) == 0, "it rests"
    receiver.otherwise = Reply(500)
    ids: list[UUID] = [item.id for item in stored(runtime)]
    with runtime.database.begin() as conn:
        replay_messages(conn, MessageFilter(ids=ids))
    assert deliver(runtime) == 2
    assert known() == [], "an error is an answer"

"""Events of campaigns that people wait for: each occasion once, to endpoints and by mail, for each tenant its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest

from producer.campaigns.status import change_campaign
from producer.intake.terms import Terms, read_terms
from storage.admission.spending.budgets import set_budget
from storage.campaigns import controls, notices
from storage.campaigns.sheets import NewRow, add_rows
from storage.database import Connection, connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.settings import Settings
from storage.webhooks.messages import MessageView
from storage.webhooks.outbox import EventType
from storage.webhooks.recipients import Notify, set_recipients
from tests.integration.webhooks.test_delivery import deliver, make_due, stored
from tests.integration.webhooks.test_outbox import endpoint, messages
from tests.mail_server import MailServer, mail_server
from worker.runtime import Runtime
from worker.scheduling.draft_notices import expiring_drafts
from worker.scheduling.webhook_maintenance import campaign_notices, finished_campaigns

ANNA, BEN = "anna@shop.example", "ben@shop.example"
READY, NEARLY, USED_UP = (
    EventType.CAMPAIGN_REVIEW_READY,
    EventType.CAMPAIGN_BUDGET_80,
    EventType.CAMPAIGN_BUDGET_USED_UP,
)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


@pytest.fixture
def runtime(settings: Settings, server: MailServer) -> Iterator[Runtime]:
    own = {
        "smtp_url": f"smtp://127.0.0.1:{server.port}",
        "smtp_from": "reelq <reelq@shop.example>",
        "public_url": "https://reelq.example",
        "lease_seconds": 61.0,
    }
    runtime = Runtime(Settings.model_validate(settings.model_dump() | own))
    yield runtime
    runtime.close()


def fill(
    conn: Connection, name: str = "spring", *, submitted: int = 2, kept: int = 1, tenant: str = "default", **job: Any
) -> list[UUID]:
    """A campaign whose first rows were submitted; the others are kept back."""
    campaign_id = controls.ensure_campaign(conn, tenant, name)
    new = [
        NewJob(
            new_job_id(),
            {"prompt": "x"} | job,
            "h",
            ["anyfast"],
            campaign_id=campaign_id,
            tenant=tenant,
            kept_back=number >= submitted,
        )
        for number in range(submitted + kept)
    ]
    ids = [item.id for item in enqueue_jobs(conn, new)]
    add_rows(conn, campaign_id, [NewRow(job_id, number) for number, job_id in enumerate(ids, 2)])
    return ids


def put(conn: Connection, ids: Sequence[UUID], state: str, reason: str | None = None) -> None:
    """Bring jobs into a state, past all steps between."""
    ended = state in ("succeeded", "failed", "cancelled")
    conn.execute(
        """UPDATE jobs SET state = %(state)s, reason = %(reason)s,
               due_at = CASE WHEN %(ended)s THEN NULL ELSE now() + interval '1 day' END, error = '{"code": "x"}',
               object_key = 'videos/x.mp4', sha256 = repeat('0', 64), size_bytes = 5, video_url = 'http://a/b.mp4',
               gateway_task_id = id::text, attempt = 1, account = CASE WHEN %(state)s <> 'queued' THEN 'main' END,
               finished_at = CASE WHEN %(ended)s THEN now() END WHERE id = ANY(%(ids)s)""",
        {"state": state, "reason": reason, "ended": ended, "ids": list(ids)},
    )


def duties(runtime: Runtime) -> None:
    """What a scheduler does every few seconds."""
    for duty in (finished_campaigns, campaign_notices):
        with runtime.database.begin() as conn:
            duty(conn, runtime.settings)


def kinds(found: Sequence[MessageView]) -> Counter[str]:
    return Counter(item.type for item in found)


# --- occasions -------------------------------------------------------------------------------------------------------


def test_the_first_rows_are_ready_once_they_have_all_ended(runtime: Runtime) -> None:
    with runtime.database.begin() as conn:
        endpoint(conn)
        ids = fill(conn)
        other = fill(conn, "whole", submitted=1, kept=0)  # no row of it is kept back
        put(conn, ids[:1], "succeeded")
        put(conn, ids[1:2], "transferring")
    duties(runtime)
    assert stored(runtime) == [], "a row is still on its way"
    with runtime.database.begin() as conn:
        put(conn, [ids[1]], "succeeded")
        put(conn, other, "transferring")
    duties(runtime)
    duties(runtime)
    assert kinds(stored(runtime)) == {READY: 1}
    with runtime.database.begin() as conn:  # a row is made again: something new to look at
        put(conn, ids[:1], "queued")
    duties(runtime)
    assert kinds(stored(runtime)) == {READY: 1}
    with runtime.database.begin() as conn:
        put(conn, ids[:1], "succeeded")
        put(conn, fill(conn, submitted=1, kept=0), "failed")
    duties(runtime)
    assert kinds(stored(runtime)) == {READY: 2}


def test_drafts_that_wait_for_a_decision_are_announced_when_they_have_ended(runtime: Runtime) -> None:
    with runtime.database.begin() as conn:
        endpoint(conn)
        put(conn, fill(conn, "drafts", kept=0, draft=True), "succeeded")
        put(conn, fill(conn, "videos", kept=0), "succeeded")
    duties(runtime)
    found = stored(runtime)
    assert kinds(found) == {READY: 1, EventType.CAMPAIGN_FINISHED: 2}


@pytest.mark.parametrize("large", [5_000, 0])
def test_drafts_and_looks_are_counted_once_each_and_only_as_long_as_they_can_be_made_final(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    """Also in a large campaign, whose jobs are not all read."""
    monkeypatch.setattr(notices, "LARGE", large)
    with runtime.database.begin() as conn:
        endpoint(conn)
        drafts, looks = fill(conn, submitted=4, kept=0, draft=True), fill(conn, submitted=3, kept=0)
        put(conn, drafts + looks, "succeeded")
        conn.execute("UPDATE jobs SET draft_ends_at = now() - interval '1 h' WHERE id = %s", [drafts[0]])
        conn.execute("UPDATE campaign_rows SET review = 'approved' WHERE id = ANY(%s)", [[drafts[1], looks[0]]])
        conn.execute(
            "UPDATE campaign_rows SET proof = true, final = %s WHERE id = ANY(%s)", ["{}", [*drafts[3:], *looks]]
        )
        conn.execute("UPDATE jobs SET draft_ends_at = now() + interval '3 d' WHERE id = %s", [drafts[2]])
    duties(runtime)
    with runtime.database.begin() as conn:
        found = conn.execute("SELECT data -> 'review' FROM webhook_messages WHERE type = %s", [READY]).fetchall()
    assert found == [({"ready": 4, "drafts": 4},)], "two drafts and two looks"


def test_drafts_that_expire_are_announced_by_mail_too(runtime: Runtime, server: MailServer) -> None:
    with runtime.database.begin() as conn:
        for tenant, address in (("default", ANNA), ("shop", BEN)):
            set_recipients(conn, tenant, None, Notify((address,)))
            put(conn, fill(conn, tenant, kept=0, tenant=tenant, draft=True), "succeeded")
        conn.execute("UPDATE jobs SET draft_ends_at = now() + interval '3 h' WHERE tenant = 'default'")
        conn.execute("UPDATE jobs SET draft_ends_at = now() + interval '3 d' WHERE tenant = 'shop'")
        assert expiring_drafts(conn, runtime.settings) == 1
    deliver(runtime)
    [mail] = server.to(ANNA)
    assert mail.message["Subject"].startswith("[reelq] default: 2 drafts expire from ")
    assert server.to(BEN) == []


def test_a_budget_is_announced_at_eighty_percent_and_when_it_is_used_up(runtime: Runtime) -> None:
    with runtime.database.begin() as conn:
        endpoint(conn)
        ids = fill(conn, submitted=4, kept=0)
        campaign_id = controls.ensure_campaign(conn, "default", "spring")
        set_budget(conn, "default", campaign_id, read_terms("100 CNY").budget.amount, "CNY")  # type: ignore[union-attr]  # it is given
        conn.execute("UPDATE jobs SET least_price = 30, price_currency = 'CNY' WHERE campaign_id = %s", [campaign_id])
        spend(conn, campaign_id, "60", "19.99")
        put(conn, ids[:2], "succeeded")
        put(conn, ids[2:3], "generating")
    duties(runtime)
    assert stored(runtime) == []
    with runtime.database.begin() as conn:
        spend(conn, campaign_id, "60", "20")
        put(conn, ids[3:], "queued", "over_budget")
    duties(runtime)
    duties(runtime)
    assert kinds(stored(runtime)) == {NEARLY: 1}, "the video at the gateway may leave something of the budget"
    with runtime.database.begin() as conn:
        spend(conn, campaign_id, "80", "0")
        put(conn, ids[2:3], "succeeded")
    duties(runtime)
    duties(runtime)
    assert kinds(stored(runtime)) == {NEARLY: 1, USED_UP: 1}
    with runtime.database.begin() as conn:  # a larger budget can be used up again
        change_campaign(conn, runtime.settings, "default", "spring", read_terms("105 CNY"))
        put(conn, ids[3:], "queued", "over_budget")
        spend(conn, campaign_id, "90", "0")
    duties(runtime)
    assert kinds(stored(runtime)) == {NEARLY: 2, USED_UP: 2}


def spend(conn: Connection, campaign_id: UUID, spent: str, reserved: str) -> None:
    conn.execute(
        "UPDATE budgets SET spent = %s::numeric, reserved = %s::numeric WHERE campaign_id = %s",
        [spent, reserved, campaign_id],
    )


def test_what_the_budget_of_the_tenant_holds_is_not_the_campaigns(runtime: Runtime) -> None:
    with runtime.database.begin() as conn:
        endpoint(conn)
        ids = fill(conn, submitted=1, kept=0)
        campaign_id = controls.ensure_campaign(conn, "default", "spring")
        for budget_of in (campaign_id, None):
            set_budget(conn, "default", budget_of, read_terms("100 CNY").budget.amount, "CNY")  # type: ignore[union-attr]  # it is given
        conn.execute("UPDATE jobs SET least_price = 30, price_currency = 'CNY' WHERE campaign_id = %s", [campaign_id])
        put(conn, ids, "queued", "over_budget")
    duties(runtime)
    assert stored(runtime) == []


def test_schedulers_at_the_same_time_announce_an_occasion_once(runtime: Runtime) -> None:
    with runtime.database.begin() as conn:
        endpoint(conn)
        for number in range(20):
            ids = fill(conn, f"campaign {number}")
            put(conn, ids[:2], "succeeded")
            set_recipients(conn, "default", None, Notify((ANNA,)))
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(5):
            duties(runtime)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kinds(stored(runtime)) == {READY: 40}, "20 campaigns, for an endpoint and an address"


# --- mail ------------------------------------------------------------------------------------------------------------


def test_each_campaign_tells_its_own_recipients(runtime: Runtime, server: MailServer) -> None:
    def all_done(tenant: str, name: str) -> None:
        put(conn, fill(conn, name, kept=0, tenant=tenant), "succeeded")

    with runtime.database.begin() as conn:
        set_recipients(conn, "default", None, Notify((ANNA,)))
        set_recipients(conn, "shop", None, Notify(("shop@else.example",)))
        for name in ("by tenant", "own", "unknown"):
            all_done("default", name)
        all_done("shop", "own")
        set_recipients(conn, "default", controls.ensure_campaign(conn, "default", "own"), Notify((BEN, ANNA)))
        change_campaign(conn, runtime.settings, "default", "unknown", Terms(notify=Notify(())))
    duties(runtime)
    while deliver(runtime):
        pass
    assert sorted((mail.recipient, mail.message["Subject"]) for mail in server.mails) == [
        (ANNA, "[reelq] by tenant is finished: 2 of 2 videos"),
        (ANNA, "[reelq] own is finished: 2 of 2 videos"),
        (BEN, "[reelq] own is finished: 2 of 2 videos"),
        ("shop@else.example", "[reelq] own is finished: 2 of 2 videos"),
    ]
    assert any("https://reelq.example/campaigns/by%20tenant" in mail.text() for mail in server.to(ANNA))
    assert {item.tenant for item in stored(runtime, tenant="shop")} == {"shop"}
    assert {item.state for item in stored(runtime)} == {"delivered"}


def test_a_mail_that_the_server_does_not_take_is_tried_again(runtime: Runtime, server: MailServer) -> None:
    with runtime.database.begin() as conn:
        set_recipients(conn, "default", None, Notify((ANNA, BEN)))
        put(conn, fill(conn, kept=0), "succeeded")
    server.replies |= {ANNA: "450 later", BEN: "550 no such user"}
    duties(runtime)
    deliver(runtime)
    found = {item.url: item for item in stored(runtime)}
    anna, ben = found[f"mailto:{ANNA}"], found[f"mailto:{BEN}"]
    assert (anna.state, anna.last_error, anna.due_at is not None) == ("retrying", "SMTP 450: later", True)
    assert (ben.state, ben.last_error) == ("dead", "SMTP 550: no such user")
    server.replies.clear()
    make_due(runtime)
    deliver(runtime)
    [mail] = server.mails
    assert (mail.recipient, mail.message["Message-ID"]) == (ANNA, f"<msg_{anna.id.hex}@shop.example>")


def test_without_a_mail_server_no_mail_is_written(postgres_url: str, settings: Settings) -> None:
    with connect(postgres_url) as conn:
        endpoint(conn)
        set_recipients(conn, "default", None, Notify((ANNA,)))
        put(conn, fill(conn, kept=0), "succeeded")
    with connect(postgres_url) as conn:
        finished_campaigns(conn, settings)
    assert [item.url for item in messages(postgres_url)] == ["https://a.example/"]

"""Proofs of a campaign, from the sheet to the gateway's ledger: cheap first, and finals only of what was approved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from producer.operator_actions.standstill import review_of
from storage.campaigns.expiring_drafts import announce_expiring_drafts
from storage.settings import Settings
from storage.webhooks import endpoints
from storage.webhooks.signing import new_secret
from tests.integration.producer.campaign_rounds import NAME, Run, enqueue, go, rows_of, run_in, states
from tests.integration.producer.command_line import CommandLine
from tests.integration.submitting.doubtful_gateway import DoubtfulGateway, world_at
from tests.integration.submitting.rounds import World

_PRICE = {"per": "call", "currency": "CNY", "as_of": "2026-11-28"}
RATES = [{"price": 1, "resolutions": ["480p"], **_PRICE}, {"price": 10, **_PRICE}]
SHEET = """\
sku,prompt,model,resolution
L-2,a lamp,seedance-2.5,
L-3,a chair,seedance-2.5,1080p
L-4,a table,,720p
L-5,a vase,,480p
"""


@pytest.fixture
def world(settings: Settings, gateway: DoubtfulGateway) -> Iterator[World]:
    gateway.arm()
    with world_at(settings, main=gateway.account("ark", rates=RATES)) as made:
        yield made


@pytest.fixture
def run(world: World, command_line: CommandLine) -> Run:
    return run_in(world, RATES, command_line)


def write_sheet(text: str = SHEET) -> None:
    Path("lamps.csv").write_text(text, encoding="utf-8")


def requests(world: World) -> list[dict[str, Any]]:
    """The requests of the jobs that stand for the rows."""
    return [world.producer.get(row.job_id).request for row in rows_of(world)]


def test_the_plan_shows_proofs_and_finals_apart(run: Run, world: World) -> None:
    write_sheet()
    code, plan, err = run("plan", "lamps.csv", "--proof", "--budget", "25 CNY", "--no-fetch")
    assert code == 0, err
    assert (plan["cost"]["low"], plan["jobs"], plan["budget"]["pays_for"]) == (4.0, 4, 4)
    assert plan["proofs"] == {
        "drafts": 2,
        "looks": 1,
        "as_asked": 1,
        "finals": 3,
        "finals_costs": [{"currency": "CNY", "low": 30.0, "high": 30.0, "jobs": 3, "by_list_price": 0}],
        "finals_without_price": 0,
        "finals_paid_for": 2,
    }
    text = "".join(run.text("plan", "lamps.csv", "--proof", "--budget", "25 CNY", "--no-fetch")[1:])
    assert "  proofs     2 drafts, 1 small look, 1 video as asked, because nothing is cheaper\n" in text
    assert "  finals     CNY 30.00 more if all 3 proofs are approved\n" in text
    assert "  finals     after the proofs, the budget pays for 2 of 3\n" in text
    assert run("plan", "lamps.csv", "--no-fetch")[1]["proofs"] is None


def test_finals_are_made_of_approved_proofs_only(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet()
    deadline = datetime.now(UTC) + timedelta(days=2)
    enqueue(run, "--proof", "--budget", "25 CNY", "--deadline", deadline.isoformat(), "--priority", "7")
    assert [(item.get("draft"), item.get("resolution")) for item in requests(world)] == [
        (True, "480p"),
        (True, "480p"),
        (None, "480p"),
        (None, "480p"),
    ]
    gateway.arm({"kind": "fail", "prompt_contains": "chair"})
    go(world, gateway)
    gateway.arm()
    assert states(world) == ["succeeded", "failed", "succeeded", "succeeded"]
    code, waited, err = run("run", "lamps.csv", "--name", NAME, "--key", "sku", "--wait")
    assert (code, waited["created"]) == (1, 0), "the campaign remembers; one proof failed"
    assert [(why["code"], why["jobs"]) for why in waited["standstill"]] == [("awaiting_review", 2)]
    assert "stopped waiting: 2 jobs wait (awaiting_review): look at the proofs" in err

    status = run("status", NAME)[1]
    assert status["proof"] is True and status["waiting_for"] == {"awaiting_review": 2}
    proofs = {"rows": 3, "running": 0, "failed": 1, "awaiting_review": 2, "expired": 0, "rejected": 0, "finals": 0}
    assert status["proofs"] == proofs
    [ending] = status["ending_drafts"]
    assert (ending["rows"], ending["numbers"]) == (1, [2])
    text = run.text("status", NAME)[1]
    assert "  proofs     3 rows: 2 wait for review · 1 failed\n" in text
    assert "  expires    row 2: a final can be made until " in text
    assert run("retry", NAME)[1]["done"] == 1
    go(world, gateway)

    code, shown, _ = run("approve", NAME, "--state", "succeeded", "--review", "open", "--dry-run")
    assert (code, shown["acts"], shown["new_jobs"], shown["cost"]["high"]) == (0, 4, 3, 30.0)
    assert shown["budget"]["pays_for"] == 2, "both count"
    assert run("reject", NAME, "--key", "L-3")[1]["done"] == 1
    code, done, _ = run("approve", NAME, "--state", "succeeded", "--review", "open")
    assert (code, done["done"], done["new_jobs"]) == (0, 3, 2)
    assert run("approve", NAME, "--rows", "2,4")[1]["new_jobs"] == 0, "its final is being made"
    lamp, chair, table, _ = (world.producer.get(row.job_id) for row in rows_of(world))
    assert lamp.draft_of is not None and lamp.request["resolution"] == "1080p"
    assert table.draft_of is None and table.request["resolution"] == "720p" and not chair.finals
    assert {lamp.deadline_at, table.deadline_at} == {deadline} and lamp.priority == table.priority == 7
    go(world, gateway)
    assert states(world) == ["succeeded"] * 4
    status = run("status", NAME)[1]
    assert (status["proofs"]["finals"], status["proofs"]["rejected"], status["waiting_for"]) == (2, 1, {})
    assert run("approve", NAME, "--rows", "2,4,5")[1]["new_jobs"] == 0
    assert status["budget"]["spent"] + status["budget"]["reserved"] == 25.0, "five proofs and two finals"


def test_an_edited_row_and_a_reroll_are_proofs_again(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet()
    enqueue(run, "--proof")
    go(world, gateway)
    assert run("approve", NAME, "--rows", "2,4")[1]["new_jobs"] == 2
    go(world, gateway)
    assert [row.proof for row in rows_of(world)] == [False, True, False, False]
    assert run("reroll", NAME, "--rows", "2-4")[1]["done"] == 3
    go(world, gateway)
    assert [row.proof for row in rows_of(world)] == [True, True, False, False], (
        "a draft again, a draft, the final again"
    )
    write_sheet(SHEET.replace("a table", "a round table").replace("a vase,,480p", "a vase,,1080p"))
    edited = enqueue(run)["edited"]
    assert edited == {"replaced": [], "again": [], "paid_for": [4]} or edited["paid_for"] == [4, 5]
    assert run("reroll", NAME, "--rows", "4")[1]["done"] == 1
    assert rows_of(world)[2].proof and requests(world)[2] == {"prompt": "a round table", "resolution": "480p"}
    assert run("set", NAME, "--rows", "4", "--field", "resolution=1080p")[1]["refused"][0]["code"] == "of_proof"
    write_sheet(SHEET.replace("a table", "a square table"))
    assert enqueue(run)["edited"]["replaced"] == [4]
    go(world, gateway)
    assert run("approve", NAME, "--rows", "4")[1]["new_jobs"] == 1
    assert requests(world)[2] == {"prompt": "a square table", "resolution": "720p"}


def test_an_edit_of_the_final_alone_makes_no_proof_again(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet(SHEET.replace("720p", "1080p"))
    enqueue(run, "--proof")
    go(world, gateway)
    assert run("approve", NAME, "--rows", "3")[1]["new_jobs"] == 1
    write_sheet(SHEET.replace("L-3,a chair,seedance-2.5,1080p", "L-3,a chair,seedance-2.5,"))
    edited = enqueue(run)["edited"]
    assert edited == {"replaced": [4], "again": [], "paid_for": [3]}, "the final of row 3 is being made"
    assert enqueue(run)["edited"] == {"replaced": [], "again": [], "paid_for": []}
    assert run("approve", NAME, "--rows", "4")[1]["new_jobs"] == 1
    assert requests(world)[2]["resolution"] == "720p"
    assert len(world.jobs()) == 6


def test_proofs_and_other_rows_are_not_mixed(run: Run, world: World) -> None:
    write_sheet()
    enqueue(run)
    code, _, err = run("run", "lamps.csv", "--name", NAME, "--key", "sku", "--proof")
    assert code == 2 and "proof: lamps has rows that are made without proofs" in err
    with world.begin() as conn:
        assert review_of(conn, "default", NAME, []) == [] and review_of(conn, "acme", NAME, []) == []


def drafts_succeed(world: World) -> None:
    """Let all queued drafts succeed, as the worker leaves them."""
    with world.begin() as conn:
        conn.execute(
            """UPDATE jobs SET state = 'succeeded', due_at = NULL, account = 'main', gateway = 'ark', attempt = 1,
               model = 'seedance-2-5', gateway_task_id = 'task-' || id, finished_at = now(), object_key = 'a.mp4',
               sha256 = '0', size_bytes = 1, draft_ends_at = now() + interval '6 days' WHERE state = 'queued'"""
        )


def write_drafts(count: int) -> None:
    lines = [f"L-{number},lamp {number},seedance-2.5," for number in range(count)]
    write_sheet("\n".join(["sku,prompt,model,resolution", *lines, ""]))


def test_hundreds_of_drafts_are_approved_at_once(run: Run, world: World) -> None:
    write_drafts(300)
    enqueue(run, "--proof")
    drafts_succeed(world)
    code, done, err = run("approve", NAME, "--review", "open")
    assert (code, done["done"], done["new_jobs"]) == (0, 300, 300), err
    assert run("status", NAME)[1]["ending_drafts"] == []
    soon = done["jobs"][-1]["job_id"]
    with world.begin() as conn:  # as an enqueue would store a final whose draft ends in an hour
        conn.execute("UPDATE jobs SET due_at = now() + interval '1 h' - interval '30 days' WHERE id = %s", [soon])
    [first, *_] = world.claim(1)
    assert str(first.id) == soon, "the soonest to expire first"


def test_no_draft_expires_without_a_notice(run: Run, world: World) -> None:
    write_drafts(4)
    enqueue(run, "--proof")
    drafts_succeed(world)
    assert run("reject", NAME, "--rows", "5")[1]["done"] == 1
    assert run("approve", NAME, "--rows", "4")[1]["new_jobs"] == 1

    def announced(hours: int) -> list[tuple[int, list[int]]]:
        with world.begin() as conn:
            conn.execute("UPDATE jobs SET draft_ends_at = now() + %s * interval '1 h' WHERE draft_of IS NULL", [hours])
            return [(item.rows, item.numbers) for item in announce_expiring_drafts(conn, 10)]

    with world.begin() as conn:
        secret = new_secret()
        for tenant in ("default", "acme"):
            endpoints.add_endpoint(conn, tenant, "https://a.example/", ["campaign.drafts_expiring"], secret)
    assert announced(25) == []
    assert announced(23) == [(2, [2, 3])], "one was approved, one rejected"
    assert announced(22) == [], "once for drafts of the same day"
    assert [row["tenant"] for row in world.rows("SELECT tenant FROM webhook_messages")] == ["default"]
    assert announced(-1) == [] and run("status", NAME)[1]["proofs"]["expired"] == 2
    assert "2 expired without a decision" in run.text("status", NAME)[1]
    code, refused, _ = run("approve", NAME, "--review", "open")
    assert code == 1 and {item["code"] for item in refused["refused"]} == {"draft_over"}
    assert refused["refused"][0]["count"] == 2
    assert run("reroll", NAME, "--rows", "2-3")[1]["done"] == 2

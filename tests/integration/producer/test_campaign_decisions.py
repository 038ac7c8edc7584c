"""Decisions about rows of a campaign, from the sheet to the gateway's ledger: each verb of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from producer.campaigns.decisions.carry_out import carry_out
from producer.campaigns.decisions.choice import EVERY_ROW, choose
from producer.campaigns.decisions.verdicts import Terms, Verb
from producer.campaigns.status import campaign_status
from producer.errors import CampaignNotFound
from seedance.problems import InvalidInput
from storage.campaigns import rows
from storage.settings import Settings
from storage.uploads.tenant_assets import give_assets
from tests.integration.producer.campaign_rounds import NAME, Run, enqueue, go, rows_of, run_in, states
from tests.integration.producer.command_line import CommandLine
from tests.integration.submitting.doubtful_gateway import DoubtfulGateway, world_at
from tests.integration.submitting.rounds import World

RATES = [{"price": 2, "per": "call", "currency": "CNY", "as_of": "2026-11-28"}]


@pytest.fixture
def world(settings: Settings, gateway: DoubtfulGateway) -> Iterator[World]:
    gateway.arm()
    with world_at(settings, main=gateway.account("ark", rates=RATES)) as made:
        yield made


@pytest.fixture
def run(world: World, command_line: CommandLine) -> Run:
    return run_in(world, RATES, command_line)


def write_sheet(*prompts: str, seed: int | None = None, **more: str) -> None:
    """Rows 2, 3, … with the keys L-2, L-3, …"""
    names, values = ("".join(f",{item}" for item in part) for part in (more, more.values()))
    lines = [f"L-{number},{prompt},{'' if seed is None else seed}{values}" for number, prompt in enumerate(prompts, 2)]
    Path("lamps.csv").write_text("\n".join([f"sku,prompt,seed{names}", *lines, ""]), encoding="utf-8")


def events_of(world: World, job_id: Any) -> list[dict[str, Any]]:
    return world.rows("SELECT reason, actor, detail FROM job_events WHERE job_id = %s ORDER BY id", job_id)


def test_a_retry_replaces_the_failures_and_leaves_what_cannot_succeed(
    run: Run, world: World, gateway: DoubtfulGateway
) -> None:
    gateway.arm(
        {"kind": "moderate_input", "prompt_contains": "bear"},
        {"kind": "moderate_output", "prompt_contains": "fox"},
        {"kind": "moderate_output", "prompt_contains": "band", "modality": "audio"},
    )
    write_sheet("a lamp", "a bear", "a fox", "a band", seed=7)
    enqueue(run)
    go(world, gateway)
    assert states(world) == ["succeeded", "failed", "failed", "failed"]
    gateway.arm()

    code, shown, _ = run("retry", NAME, "--dry-run")
    assert (code, shown["rows"], shown["acts"], shown["new_jobs"]) == (1, 3, 2, 2)
    assert shown["cost"] == {"currency": "CNY", "low": 4.0, "high": 4.0, "jobs": 2, "by_list_price": 0}
    assert [(item["code"], item["rows"][0]["row"]) for item in shown["refused"]] == [("flagged_input", 3)]
    assert states(world) == ["succeeded", "failed", "failed", "failed"], "a dry run does nothing"
    code, _, err = run.text("retry", NAME, "--rows", "3-5,9", "--dry-run")
    assert code == 1
    assert err.splitlines() == [
        "lamps: retry 2 rows (rows 4 and 5); 2 new videos, CNY 4.00",
        "  cannot     1 row (row 3): was flagged for its input; change the prompt or the file first",
        "  missing    there is no row 9",
    ]
    code, text, err = run.text("status", NAME)
    assert code == 0, err
    assert text.startswith("lamps: 4 rows: 1 succeeded · 3 failed\n")
    assert "  failed     1 row (row 3): refused for its content (text input)\n             Change the wording" in text

    code, done, _ = run("retry", NAME, "--operation", "friday")
    assert (code, done["done"], [item["row"] for item in done["jobs"]]) == (1, 2, [4, 5])
    assert run("retry", NAME, "--operation", "friday")[1]["jobs"] == done["jobs"], "the same operation again"
    go(world, gateway)
    assert states(world) == ["succeeded", "failed", "succeeded", "succeeded"]
    assert world.states() == {"succeeded": 3, "failed": 3}, "the failures stay as versions"
    fox, band = (world.producer.get(item["job_id"]).request for item in done["jobs"])
    assert fox["seed"] != 7 and "audio" not in fox
    assert band["audio"] is False, "its sound was flagged"
    [first, *_] = events_of(world, done["jobs"][0]["job_id"])
    assert first["detail"] == {"operation": "friday", "what": "retry", "row": 4} and first["actor"]

    for options in (("--rows", "9"), ("--key", "L-9")):
        code, _, err = run.text("reroll", NAME, *options, "--yes")
        assert (code, err.splitlines()[-1]) == (2, "lamps: nothing was done"), err
        assert "  missing    " in err and "enqueued" not in err

    code, nothing, _ = run("retry", NAME, "--rows", "2")
    assert (code, nothing["done"], nothing["idle"][0]["code"]) == (0, 0, "not_failed")
    write_sheet("a lamp", "a friendly robot", "a fox", "a band", seed=7)
    assert enqueue(run)["edited"] == {"replaced": [], "again": [3], "paid_for": []}, "it had cost nothing"
    go(world, gateway)
    assert states(world) == ["succeeded"] * 4


def test_a_reroll_is_another_version_and_the_first_stands_if_it_fails(
    run: Run, world: World, gateway: DoubtfulGateway
) -> None:
    write_sheet("a ruby lamp", "a blue lamp", "a green lamp", seed=7)
    enqueue(run)
    go(world, gateway)
    first = rows_of(world)
    assert run("approve", NAME, "--all", "--comment", "nice")[1]["done"] == 3
    assert run("reroll", NAME)[0] == 2, "rows must be chosen: it costs money"

    code, done, _ = run("reroll", NAME, "--rows", "2-3", "--key", "L-3", "--operation", "o-1")
    assert (code, done["done"]) == (0, 1), "rows must match all that is given"
    assert states(world) == ["succeeded", "queued", "succeeded"]
    code, again, _ = run("reroll", NAME, "--rows", "3")
    assert (code, again["done"], again["refused"][0]["code"]) == (1, 0, "running")
    gateway.arm({"kind": "moderate_output", "prompt_contains": "blue"})
    go(world, gateway)
    now = rows_of(world)
    assert [str(row.state) for row in now] == ["succeeded"] * 3
    assert now[1].job_id == first[1].job_id and now[1].versions == 2
    assert [str(row.review) for row in now] == ["approved", "open", "approved"]

    gateway.arm()
    assert run("reroll", NAME, "--rows", "3,9")[1]["missing"] == ["row 9"]
    go(world, gateway)
    assert rows_of(world)[1].job_id not in (first[1].job_id, now[1].newest_job_id)
    made = [job for job in world.jobs() if "blue" in job["prompt"]]
    assert len(made) == 3 and len({job["request"]["seed"] for job in made}) == 3
    assert gateway.generations()["a ruby lamp"] == 1


def test_reviews_are_stored_with_who_and_why_and_only_for_videos(
    run: Run, world: World, gateway: DoubtfulGateway
) -> None:
    gateway.arm({"kind": "moderate_input", "prompt_contains": "bear"})
    write_sheet("a red lamp", "a bear", "a blue lamp")
    enqueue(run)
    code, refused, _ = run("approve", NAME, "--rows", "2")
    assert (code, refused["refused"][0]["code"]) == (1, "running")
    go(world, gateway)
    code, done, _ = run("reject", NAME, "--all", "--comment", "too dark")
    assert (code, done["done"], done["refused"][0]["code"]) == (1, 2, "no_video")
    code, done, _ = run("approve", NAME, "--rows", "4")
    assert (code, done["done"], done["jobs"]) == (0, 1, [])
    red, bear, blue = rows_of(world)
    assert (red.review, red.review_comment, bear.review, blue.review) == ("rejected", "too dark", "open", "approved")
    assert red.reviewed_by is not None and red.reviewed_by.startswith("command line")
    assert world.producer.get(red.job_id).object_key is not None, "the video stays"
    last = events_of(world, red.job_id)[-1]
    assert (last["reason"], last["detail"]["comment"]) == ("rejected", "too dark")
    assert run("approve", NAME, "--review", "approved")[1]["idle"][0]["code"] == "done_already"


def test_waiting_rows_are_changed_released_and_cancelled(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet(*(f"lamp {number}" for number in range(5)))
    enqueue(run, "--first", "1")
    assert run("set", NAME, "--rows", "2-4", "--field", "priority=9", "--field", "duration=5")[1]["done"] == 3
    code, _, err = run("set", NAME, "--rows", "2", "--field", "durration=5")
    assert code == 2 and "is duration meant?" in err
    refused = run("set", NAME, "--rows", "2", "--field", "duration=99")[1]["refused"][0]
    assert refused["code"] == "not_served" and refused["message"].startswith("cannot be made like that: duration: must")
    assert run("resume", NAME, "--rows", "3")[1]["done"] == 1
    assert run("cancel", NAME, "--key", "L-6", "--yes")[1]["done"] == 1
    go(world, gateway)
    assert states(world) == ["succeeded", "succeeded", "queued", "queued", "cancelled"]
    sent = [task["body"] for task in gateway.ledger()["tasks"][-2:]]
    assert [body["duration"] for body in sent] == [5, 5]
    code, left, _ = run("set", NAME, "--rows", "2", "--field", "priority=1")
    assert (code, left["idle"][0]["code"]) == (0, "has_ended")
    assert [job["priority"] for job in world.jobs()] == [9, 9, 9, 5, 5]
    assert enqueue(run)["edited"] == {"replaced": [], "again": [], "paid_for": []}, "the sheet is as it was"


def test_an_edited_row_replaces_what_waits_and_is_never_paid_for_again_silently(
    run: Run, world: World, gateway: DoubtfulGateway
) -> None:
    write_sheet("an old lamp", "a new lamp")
    enqueue(run, "--first", "1")
    go(world, gateway)
    write_sheet("an older lamp", "a newer lamp", "one more lamp")
    code, plan, _ = run("plan", "lamps.csv", "--name", NAME, "--no-fetch")
    assert (code, plan["edited"]) == (0, {"replaced": [3], "again": [], "paid_for": [2]})
    assert plan["cost"]["jobs"] == 1, "only the new row costs anything"
    stored = enqueue(run)
    assert (stored["created"], stored["edited"]) == (1, {"replaced": [3], "again": [], "paid_for": [2]})
    assert enqueue(run)["edited"] == {"replaced": [], "again": [], "paid_for": []}, "said once"
    run("resume", NAME)
    go(world, gateway)
    assert gateway.generations()["a new lamp"] == gateway.generations()["an older lamp"] == 0
    assert gateway.generations()["an old lamp"] == gateway.generations()["a newer lamp"] == 1
    assert [row.edited for row in rows_of(world)] == [True, False, False]
    assert run("reroll", NAME, "--rows", "2")[1]["done"] == 1
    go(world, gateway)
    assert gateway.generations()["an older lamp"] == 1
    assert [row.edited for row in rows_of(world)] == [False, False, False]


def test_a_sheet_that_is_as_it_was_again_asks_for_nothing(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet("a lamp of glass", seed=7)
    enqueue(run)
    go(world, gateway)
    write_sheet("a new lamp", seed=7)
    assert enqueue(run)["edited"]["paid_for"] == [2]
    write_sheet("a lamp of glass", seed=7)
    assert run("plan", "lamps.csv", "--name", NAME, "--no-fetch")[1]["edited"]["paid_for"] == []
    assert enqueue(run)["edited"]["paid_for"] == []
    assert [row.edited for row in rows_of(world)] == [False]
    run("reroll", NAME, "--rows", "2")
    assert len({job["request"]["seed"] for job in world.jobs()}) == 2, "else the same video is paid for again"


def test_a_row_that_was_taken_out_of_the_sheet_is_named_while_it_waits(
    run: Run, world: World, gateway: DoubtfulGateway
) -> None:
    write_sheet("a made lamp", "a kept lamp", "a lamp that was taken out")
    enqueue(run, "--first", "1")
    go(world, gateway)
    write_sheet("a made lamp", "a kept lamp")
    code, document, err = run("run", "lamps.csv", "--name", NAME)
    assert (code, [(row["row"], row["key"]) for row in document["not_in_file"]]) == (0, [(4, "L-4")])
    assert f"reelq campaign cancel {NAME} --key L-4" in err
    run("cancel", NAME, "--key", "L-4")
    assert run("run", "lamps.csv", "--name", NAME)[1]["not_in_file"] == []
    assert run("status", NAME)[1]["waiting_for"] == {"kept_back": 1}
    run("pause", NAME)
    assert run("status", NAME)[1]["waiting_for"] == {"paused": 1}


def test_an_approved_draft_becomes_its_final(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet("a lamp", "a chair", model="seedance-2.5", draft="true", duration="5", ratio="16:9")
    enqueue(run)
    go(world, gateway)
    code, done, _ = run("approve", NAME, "--rows", "2", "--yes")
    assert (code, done["new_jobs"], done["cost"]["jobs"]) == (0, 1, 1)
    assert [row.versions for row in rows_of(world)] == [2, 1]
    for field in ("prompt=a bear", "duration=", "account="):
        code, left, _ = run("set", NAME, "--rows", "2", "--field", field)
        assert (code, left["refused"][0]["code"]) == (1, "of_draft")
    assert run("set", NAME, "--rows", "2", "--field", "priority=9")[1]["done"] == 1
    go(world, gateway)
    lamp, chair = rows_of(world)
    final = world.producer.get(lamp.job_id)
    assert (str(lamp.state), str(lamp.review), final.request["resolution"]) == ("succeeded", "approved", "1080p")
    assert final.draft_of == lamp.id
    assert run("approve", NAME, "--rows", "2")[1]["idle"][0]["code"] == "done_already"
    assert run("reroll", NAME, "--rows", "2")[1]["done"] == 1, "a new draft"
    newest = world.producer.get(rows_of(world)[0].newest_job_id)
    assert newest.request["draft"] is True and newest.draft_of is None
    world.later(8 * 86_400.0)
    code, old, _ = run("approve", NAME, "--rows", "3")
    assert (code, old["refused"][0]["code"]) == (1, "draft_over")
    assert chair.versions == 1


def test_a_waiting_row_that_is_edited_to_name_a_draft_becomes_its_final(
    run: Run, world: World, gateway: DoubtfulGateway
) -> None:
    write_sheet("a lamp", "a chair", model="seedance-2.5", draft="true", duration="5", ratio="16:9")
    enqueue(run)
    go(world, gateway)
    lamp, chair = rows_of(world)

    def finals(column: str, value: object) -> UUID:
        Path("finals.csv").write_text(f"sku,{column}\nF-2,{value}\n", encoding="utf-8")
        code, _, err = run("run", "finals.csv", "--name", "finals", "--key", "sku", "--paused")
        assert code == 0, err
        with world.begin() as conn:
            [row] = rows.stream_rows(conn, campaign_status(conn, "default", "finals").id)
        return row.newest_job_id

    job_id = finals("prompt", "a bear")
    assert finals("draft_of", chair.job_id) == job_id
    final = world.producer.get(job_id)
    assert (final.draft_of, final.request["prompt"]) == (chair.job_id, "a chair")
    assert finals("draft_of", lamp.job_id) == job_id
    assert world.producer.get(job_id).draft_of == chair.job_id, "a final stays that of its draft"


def test_a_file_that_is_gone_leaves_its_row_and_no_other(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet("a lamp", "a chair")
    enqueue(run)
    gone = f"upload://{'0' * 64}.png"
    code, left, _ = run("set", NAME, "--rows", "2", "--field", f"first_frame={gone}")
    assert (code, left["done"], left["refused"][0]["code"]) == (1, 0, "file_unknown")
    with world.begin() as conn:
        conn.execute(
            "UPDATE jobs SET request = request || jsonb_build_object('first_frame', %s::text) WHERE id = %s",
            [gone, rows_of(world)[0].job_id],
        )
    assert run("cancel", NAME, "--all", "--yes")[1]["done"] == 2
    code, done, _ = run("retry", NAME)
    assert (code, done["done"], done["refused"][0]["rows"][0]["row"]) == (1, 1, 2)
    assert gone in done["refused"][0]["message"]


def test_a_row_is_not_given_an_asset_of_another_tenant(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet("a lamp")
    enqueue(run)
    asset = {"first_frame": "asset://asset-1"}
    assert run("set", NAME, "--all", "--field", "first_frame=asset://asset-1")[1]["done"] == 1, "the operator's own"
    other = world.producer.as_tenant("other")
    other.enqueue_many([{"prompt": "a chair"}], campaign=NAME)
    terms = Terms(datetime.now(UTC), fields=asset)
    refused = carry_out(other, NAME, Verb.SET, EVERY_ROW, terms)
    assert (refused.done, refused.document["refused"][0]["code"]) == (0, "file_unknown")
    with world.begin() as conn:
        give_assets(conn, "other", ["asset-1"])
    assert carry_out(other, NAME, Verb.SET, EVERY_ROW, terms).done == 1


def test_one_tenant_decides_nothing_about_anothers_rows(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    write_sheet("a lamp")
    enqueue(run)
    other = world.producer.as_tenant("other")
    with pytest.raises(CampaignNotFound):
        carry_out(other, NAME, Verb.CANCEL, EVERY_ROW)
    other.enqueue_many([{"prompt": "a chair"}], campaign=NAME)
    assert carry_out(other, NAME, Verb.CANCEL, EVERY_ROW, operation="same").done == 1
    assert states(world) == ["queued"] and [str(row.state) for row in rows_of(world, "other")] == ["cancelled"]
    chosen = choose(rows="2")
    assert chosen is not None
    assert carry_out(world.producer, NAME, Verb.CANCEL, chosen, operation="same").done == 1, "another tenant's id"
    with pytest.raises(InvalidInput, match="was another operation: cancel"):
        carry_out(world.producer, NAME, Verb.RETRY, chosen, operation="same")


def test_status_and_wait_speak_of_rows(run: Run, world: World, gateway: DoubtfulGateway) -> None:
    gateway.arm(
        {"kind": "moderate_output", "prompt_contains": "fox"}, {"kind": "moderate_input", "prompt_contains": "bear"}
    )
    write_sheet("a lamp", "a fox", "a bear")
    enqueue(run, "--budget", "100 CNY")
    go(world, gateway)
    gateway.arm()
    assert run("retry", NAME)[1]["done"] == 1
    go(world, gateway)
    code, status, _ = run("status", NAME)
    assert (code, status["rows"], status["sheet_rows"]) == (0, 3, 3)
    assert status["states"] == status["counts"] == {"succeeded": 2, "failed": 1}
    assert status["reviews"] == {"open": 3} and status["waiting_for"] == {}
    assert (status["budget"]["amount"], status["total"], status["finished"]) == (100.0, 3, 3)
    [reason] = status["reasons"]
    assert (reason["code"], reason["stage"], reason["rows"], reason["numbers"]) == (
        "moderation_blocked",
        "input",
        1,
        [4],
    )
    assert (
        reason["cure"] == "other_input" and "wording" in reason["advice"]["en"] and "提示词" in reason["advice"]["zh"]
    )
    assert reason["said"][0]["rows"] == 1 and reason["said"][0]["message"]
    with world.begin() as conn:
        conn.execute("UPDATE campaign_rows SET number = 9 WHERE key = 'L-4'")
    assert run("retry", NAME, "--rows", "9")[1]["refused"][0]["code"] == "flagged_input"
    write_sheet("a lamp", "a fox")
    code, waited, err = run("run", "lamps.csv", "--name", NAME, "--key", "sku", "--wait")
    assert (code, waited["counts"]) == (0, {"succeeded": 2}), f"the retry stands for its row: {err}"


def test_killed_in_the_middle_and_run_again_every_row_is_there_once(
    run: Run, world: World, gateway: DoubtfulGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sheet("a lamp", "a chair")
    with monkeypatch.context() as patch:
        patch.setattr("producer.campaigns.storing.add_rows", _killed)
        assert run("run", "lamps.csv", "--name", NAME, "--key", "sku")[0] != 0
    assert world.jobs() == []
    assert (enqueue(run)["created"], enqueue(run)["created"]) == (2, 0)
    assert [row.number for row in rows_of(world)] == [2, 3]
    go(world, gateway)
    with monkeypatch.context() as patch:
        patch.setattr("storage.campaigns.operations.end", _killed)
        with pytest.raises(SystemError):
            carry_out(world.producer, NAME, Verb.REROLL, EVERY_ROW, operation="o-1")
    assert states(world) == ["succeeded"] * 2, "all or nothing"
    assert carry_out(world.producer, NAME, Verb.REROLL, EVERY_ROW, operation="o-1").done == 2
    go(world, gateway)
    again = carry_out(world.producer, NAME, Verb.REROLL, EVERY_ROW, operation="o-1")
    assert (again.known, again.done, len(again.document["jobs"])) == (True, 2, 2)
    assert len(world.jobs()) == 4


def _killed(*_: Any) -> None:
    raise SystemError("killed here")

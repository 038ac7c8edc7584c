"""Rows of campaigns from elsewhere: looked at and decided about as at the server."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from producer import Producer
from producer.operator_actions.tenants import create_key
from storage.jobs.states import JobState
from tests.integration.api.api_server import bring
from tests.integration.client.elsewhere import Run, both

Away = dict[str, str]
S = JobState
SHEET = "SKU,prompt\na1,a red lamp\na2,a blue lamp\na3,a green lamp\na4,a white lamp\na5,a black lamp\n"
STATES = (S.SUCCEEDED, S.SUCCEEDED, S.FAILED, S.GENERATING, S.QUEUED)
OPERATION = re.compile(r"operation [0-9a-f-]{36}")


@pytest.fixture
def campaign(run: Run, tmp_path: Path, producer: Producer, api: httpx.Client) -> None:
    """Two campaigns that are the same, in all states, one for each door; another tenant has one of the same name."""
    sheet = tmp_path / "lamps.csv"
    sheet.write_text(SHEET, encoding="utf-8")
    for name in ("lamps-1", "lamps-2"):
        code, out, err = run("campaign", "run", sheet, "--name", name, "--key", "SKU", "--json", here=True)
        assert code == 0, err
        for job_id, state in zip(json.loads(out)["ids"], STATES, strict=True):
            if state is not S.QUEUED:
                bring(producer, job_id, state)
    producer.as_tenant("acme").enqueue_many([{"prompt": "theirs"}], campaign="lamps-1")


@pytest.mark.usefixtures("campaign")
def test_the_status_is_the_same(run: Run, away: Away) -> None:
    run("campaign", "set", "lamps-1", "--budget", "100 USD", "--max-concurrent", "2", here=True)
    run("campaign", "approve", "lamps-1", "--rows", "2", here=True)
    run("campaign", "pause", "lamps-1", here=True)
    assert both(run, away, "campaign", "status", "lamps-1")[0] == 0
    assert both(run, away, "campaign", "status", "autumn")[0] == 2
    here, there = (
        json.loads(run("campaign", "status", "lamps-1", "--json", **how)[1]) for how in (away, {"here": True})
    )
    assert there == here
    assert (there["rows"], there["reviews"], there["budget"]["amount"]) == (5, {"approved": 1, "open": 4}, 100.0)


HERE: Any = {"here": True}


@pytest.mark.usefixtures("campaign")
def test_campaigns_are_listed_newest_first(run: Run, away: Away) -> None:
    run("campaign", "pause", "lamps-2", here=True)
    assert both(run, away, "campaign", "list")[0] == 0
    rows = run("campaign", "list", **away)[1].splitlines()
    assert rows[0].split() == ["NAME", "AGE", "ROWS", "STATES"]
    assert [row.split()[0] for row in rows[1:]] == ["lamps-2", "lamps-1"]
    assert rows[1].endswith(", paused") and not rows[2].endswith(", paused")
    here, there = (json.loads(run("campaign", "list", "--json", **how)[1]) for how in (HERE, away))
    assert here == there and [found["name"] for found in here] == ["lamps-2", "lamps-1"]
    [newest] = json.loads(run("campaign", "list", "--limit", "1", "--json", **away)[1])
    assert (newest["name"], newest["total"]) == ("lamps-2", 5) and newest["paused_at"] is not None
    assert "lamps-2" not in run("campaign", "list", "--tenant", "acme", here=True)[1]


def test_many_campaigns_are_listed_page_by_page(
    run: Run, away: Away, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: a list here was one transaction, half a minute for 3,000 campaigns, and locked those that it completed."""
    monkeypatch.setattr("producer.cli.doors.here.jobs._PAGE", 2)
    monkeypatch.setattr("producer.cli.doors.there.jobs._MOST_CAMPAIGNS", 2)
    assert both(run, away, "campaign", "list") == (0, "")
    for number in range(5):
        producer.enqueue_many([{"prompt": "a lamp"}], campaign=f"c{number}")
    for limit in (1, 2, 3, 4, 5, 9):
        here, there = (run("campaign", "list", "--limit", limit, "--json", **how)[1] for how in (HERE, away))
        names = [found["name"] for found in json.loads(here)]
        assert names == ["c4", "c3", "c2", "c1", "c0"][:limit] and json.loads(there) == json.loads(here)


PREVIEWS: Sequence[tuple[str, ...]] = (
    ("approve", "--rows", "2-6"),
    ("approve", "--key", "a1", "--key", "a9", "--comment", "sharp"),
    ("reject", "--state", "succeeded"),
    ("reroll", "--all"),
    ("retry",),
    ("cancel", "--all", "--discard"),
    ("cancel",),
    ("resume", "--all"),
    ("resume",),
    ("set", "--all", "--field", "priority=9"),
    ("set", "--rows", "6", "--field", "duration=99"),
    ("reroll", "--rows", "40"),
    ("reroll", "--rows", "zz"),
    ("reroll",),
    ("reroll", "--reason", "nothing"),
)


@pytest.mark.usefixtures("campaign")
def test_a_decision_is_announced_as_at_the_server(run: Run, away: Away) -> None:
    for verb, *options in PREVIEWS:
        code, _ = both(run, away, "campaign", verb, "lamps-1", *options, "--dry-run")
        documents = [
            run("campaign", verb, "lamps-1", *options, "--dry-run", "--json", **how) for how in ({"here": True}, away)
        ]
        assert documents[0][0] == documents[1][0] == code
        assert documents[0][1:] == documents[1][1:] or json.loads(documents[0][1]) == json.loads(documents[1][1])


@pytest.mark.usefixtures("campaign")
def test_a_decision_is_carried_out_as_at_the_server(run: Run, away: Away) -> None:
    decisions: Sequence[tuple[str, ...]] = (
        ("approve", "--rows", "2", "--comment", "sharp"),
        ("approve", "--rows", "2-5"),
        ("reject", "--key", "a2"),
        ("retry", "--yes"),
        ("retry", "--rows", "2"),
        ("set", "--rows", "6", "--field", "priority=9"),
        ("cancel", "--rows", "5-6", "--yes"),
        ("reroll", "--rows", "2", "--yes"),
        ("resume", "--rows", "2"),
    )
    for verb, *options in decisions:
        local = run("campaign", verb, "lamps-1", *options, here=True)
        remote = run("campaign", verb, "lamps-2", *options, **away)
        said = [OPERATION.sub("operation", part.replace("lamps-2", "lamps-1")) for part in remote[1:]]
        assert (remote[0], *said) == (local[0], *(OPERATION.sub("operation", part) for part in local[1:])), verb
    local, remote = (
        json.loads(run("campaign", "status", name, "--json", here=True)[1]) for name in ("lamps-1", "lamps-2")
    )
    assert (remote["states"], remote["reviews"]) == (local["states"], local["reviews"])


@pytest.mark.usefixtures("campaign")
def test_a_repeated_resume_of_the_whole_campaign_does_not_end_a_later_pause(run: Run, away: Away) -> None:
    def paused(name: str) -> bool:
        return json.loads(run("campaign", "status", name, "--json", here=True)[1])["paused_at"] is not None

    for name, way in (("lamps-1", HERE), ("lamps-2", away)):
        resume = ("campaign", "resume", name, "--operation", f"op-{name}")
        run("campaign", "pause", name, here=True)
        assert run(*resume, "--dry-run", **way)[0] == 0 and paused(name)
        code, out, err = run(*resume, "--json", **way)
        first = json.loads(out)
        assert (code, first["operation"], paused(name)) == (0, f"op-{name}", False), err
        run("campaign", "pause", name, here=True)
        again = json.loads(run(*resume, "--json", **way)[1])
        assert (again["operation"], again["done"]) == (first["operation"], first["done"])
        assert "was carried out before" in run(*resume, **way)[2] and paused(name)
        assert run("campaign", "resume", name, **way)[0] == 0 and not paused(name)
        for option in (("--dry-run",), ("--operation", "op-2")):
            code, _, err = run("campaign", "set", name, "--weight", "7", *option, **way)
            assert (code, f"{option[0]}: is for --field" in err) == (2, True), err
        assert run("campaign", "status", name, "--json", here=True)[1].count('"weight": 7') == 0


@pytest.mark.usefixtures("campaign")
def test_an_operation_is_carried_out_once_through_both_doors(
    run: Run, away: Away, api: httpx.Client, producer: Producer
) -> None:
    reroll = ("campaign", "reroll", "lamps-1", "--rows", "2-3", "--operation", "op-1", "--yes")
    code, out, err = run(*reroll, "--json", **away)
    first = json.loads(out)
    assert (code, first["done"], len(first["jobs"])) == (0, 2, 2), err
    assert both(run, away, *reroll)[0] == 0
    said = "operation op-1 was carried out before (2 rows enqueued again with another seed); nothing was done now"
    assert run(*reroll, **away)[2] == f"lamps-1: {said}\n"
    local, remote = (json.loads(run(*reroll, "--json", **how)[1]) for how in ({"here": True}, away))
    assert remote == local and remote["jobs"] == first["jobs"]
    conflict = "operation: op-1 was another operation: reroll of other rows, or with other values; use another id"
    for how in (HERE, away):
        for more in ((), ("--json",)):
            code, out, err = run("campaign", "reroll", "lamps-1", "--rows", "3", "--operation", "op-1", *more, **how)
            assert (code, out, conflict in err) == (2, "", True), (how, more, err)
    assert len(json.loads(run(*reroll, "--json", **away)[1])["jobs"]) == 2
    # Another tenant's campaign of that name is another one.
    with producer.database.begin() as conn:
        key, _ = create_key(conn, "acme", "laptop", ["read", "enqueue"], None)
    acme = {"REELQ_API_URL": str(api.base_url), "REELQ_API_KEY": key}
    assert json.loads(run("campaign", "status", "lamps-1", "--json", **acme)[1])["rows"] == 1
    assert run("campaign", "status", "lamps-2", **acme)[:2] == (2, "")
    assert json.loads(run("campaign", "reroll", "lamps-1", "--all", "--dry-run", "--json", **acme)[1])["acts"] == 0


def test_a_person_is_asked_with_the_cost(run: Run, away: Away, campaign: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("producer.cli.campaigns.deciding.on_terminal", lambda: True)
    monkeypatch.setattr("producer.cli.campaigns.deciding.confirm", lambda question, yes: asked.append(question))
    for how in ({"here": True}, away):
        assert run("campaign", "reroll", "lamps-1", "--rows", "2", **how)[0] == 0
        asked.append("")
        assert run("campaign", "approve", "lamps-1", "--rows", "3", **how)[0] == 0
        run("campaign", "cancel", "lamps-1", "--rows", "2", "--yes", here=True)
    assert asked[0] == asked[2] and "Reroll 1 row of lamps-1; 1 new video, USD" in asked[0]


@pytest.mark.usefixtures("campaign")
def test_a_repeated_operation_prints_the_document_of_the_first_time(run: Run, away: Away) -> None:
    """Seen: the first time, it had `rows`, `idle`, `refused` and `missing` of the look before."""
    for name, way in (("lamps-1", HERE), ("lamps-2", away)):
        for verb, *options in (
            ("approve", "--rows", "2-5,9"),
            ("retry", "--yes"),
            ("set", "--all", "--field", "priority=9"),
            ("cancel", "--all", "--yes"),
            ("resume", "--rows", "6"),
            ("resume",),
        ):
            line = ("campaign", verb, name, *options, "--json", "--operation", f"{name} {verb} {options}")
            (code, first, err), (code_again, again, _) = run(*line, **way), run(*line, **way)
            assert (code_again, json.loads(again)) == (code, json.loads(first)), line
            assert not err and json.loads(first)["verb"] == verb


@pytest.mark.usefixtures("campaign")
def test_rows_of_a_paused_campaign_cannot_be_resumed_alone(run: Run, away: Away) -> None:
    """Seen: "is not kept back", and exit code 0."""
    run("campaign", "pause", "lamps-1", here=True)
    for way in (HERE, away):
        code, _, err = run("campaign", "resume", "lamps-1", "--rows", "6", **way)
        assert (code, "1 row (row 6): waits because its campaign is paused; resume the whole" in err) == (1, True), err
        code, _, err = run("campaign", "resume", "lamps-1", "--operation", f"op {way}", **way)
        assert code == 0 and err.splitlines()[-1].startswith("lamps-1 continues: 1 row released (operation op ")
        run("campaign", "pause", "lamps-1", here=True)


def test_a_whole_large_campaign_is_resumed_and_decided_about_from_elsewhere(
    run: Run, away: Away, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: an operation that resumes a campaign of more than 10,000 rows was refused with advice about --rows."""
    monkeypatch.setattr("producer.campaigns.decisions.decision.MOST_ACTING", 2)
    producer.enqueue_many([{"prompt": f"lamp {number}"} for number in range(3)], campaign="many")
    run("campaign", "pause", "many", here=True)
    assert run("campaign", "resume", "many", "--dry-run", **away)[0] == 0
    code, _, err = run("campaign", "resume", "many", "--operation", "op-1", **away)
    assert (code, "many continues: 3 rows released" in err) == (0, True), err
    cancel = ("campaign", "cancel", "many", "--all", "--yes")
    code, _, err = run(*cancel, **away)
    assert (code, "chooses 3 rows; at most 2 can be decided about at once from elsewhere" in err) == (2, True), err
    assert run(*cancel, "--dry-run", **away)[0] == 0
    assert json.loads(run(*cancel, "--json", **away)[1])["done"] == 3

"""The start, quiet hours, jobs at once, deadline and priority of a campaign by command: what is stored and said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from producer import Producer
from producer.campaigns.status import cancel_campaign
from producer.cli.campaigns import waiting
from producer.cli.shared import progress
from producer.operator_actions.standstill import standstill_of
from producer.operator_actions.waiting import why_it_waits
from storage.settings import Settings
from tests.integration.producer.command_line import CommandLine, Run

ACCOUNTS = [{"name": "main", "gateway": "ark", "api_key": "sk-secret", "max_in_flight": 50}]
SHEET = "sku,prompt,priority,deadline\nA,a lamp,,\nB,a chair,3,\nC,a vase,,2037-01-01T00:00:00Z\n"
RUN = ("campaign", "run", "lamps.csv", "--name", "lamps", "--key", "sku")


@pytest.fixture
def run(settings: Settings, command_line: CommandLine) -> Run:
    """Commands in a directory with the sheet."""
    Path("lamps.csv").write_text(SHEET, encoding="utf-8")
    return command_line.with_environ(settings, ACCOUNTS, TZ="Asia/Shanghai")


@pytest.fixture
def configured(settings: Settings) -> Settings:
    return Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})


def status(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("campaign", "status", "lamps", "--json")[1])
    return found


def waits(configured: Settings, job_id: str) -> list[str]:
    with Producer(configured) as producer, producer.database.begin() as conn:
        found = why_it_waits(conn, configured, producer.get(job_id))
    return [item.code for item in found if item.code != "parts_silent"]


def test_a_campaign_that_starts_later_says_when(run: Run, configured: Settings) -> None:
    code, out, err = run(
        *(*RUN, "--start-at", "2037-12-04 18:00", "--max-concurrent", 3, "--priority", 8),
        *("--deadline", "2037-12-06T12:00+01:00", "--json"),
    )
    assert code == 0, err
    assert "lamps starts at 2037-12-04 " in err
    ids = json.loads(out)["ids"]
    with Producer(configured) as producer:
        jobs = [producer.get(job_id) for job_id in ids]
    assert [job.priority for job in jobs] == [8, 3, 8], "a row's own counts"
    noon = datetime(2037, 12, 6, 11, tzinfo=UTC)
    assert [job.deadline_at for job in jobs] == [noon, noon, datetime(2037, 1, 1, tzinfo=UTC)]
    assert {job.reason for job in jobs} == {"before_start"}
    found = status(run)
    assert found["waiting_for"] == {"before_start": 3}
    assert found["pace"] | {"in_use": 0} == {
        "start_at": "2037-12-04T10:00:00+00:00",
        "quiet_hours": None,
        "time_zone": None,
        "max_concurrent": 3,
        "in_use": 0,
        "waits_for": "before_start",
        "goes_on_at": "2037-12-04T10:00:00+00:00",
    }
    assert waits(configured, ids[0]) == ["before_start"]
    assert "the campaign starts at 2037-12-04" in run("jobs", "show", ids[0])[1]
    assert run("campaign", "set", "lamps", "--start-at", "now", "--max-concurrent", "none")[0] == 0
    assert waits(configured, ids[0]) == []
    assert status(run)["pace"]["waits_for"] is None and status(run)["waiting_for"] == {"enqueued": 3}


def test_quiet_hours_are_said_and_changed(run: Run, configured: Settings) -> None:
    now = datetime.now(UTC)
    quiet = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    code, out, err = run(*RUN, "--quiet-hours", quiet, "--time-zone", "UTC", "--json")
    assert code == 0 and f"lamps has quiet hours ({quiet} UTC) and goes on at " in err
    job_id = json.loads(out)["ids"][0]
    assert waits(configured, job_id) == ["quiet_hours"]
    assert "the campaign has quiet hours until" in run("jobs", "show", job_id)[1]
    assert status(run)["waiting_for"] == {"quiet_hours": 3}
    code, out, _ = run("campaign", "set", "lamps", "--quiet-hours", "03:00-03:01")
    assert code == 0 and "Asia/Shanghai: submits nothing in these hours" in out, "by this machine's clock"
    assert run("campaign", "set", "lamps", "--quiet-hours", "none")[0] == 0
    assert status(run)["pace"]["quiet_hours"] is None and waits(configured, job_id) == []


def test_a_full_campaign_says_so(run: Run, configured: Settings) -> None:
    ids = json.loads(run(*RUN, "--max-concurrent", 1, "--json")[1])["ids"]
    with Producer(configured) as producer, producer.database.begin() as conn:
        conn.execute("UPDATE jobs SET account = 'main', due_at = now() + interval '1 h' WHERE id = %s::uuid", [ids[0]])
    assert waits(configured, ids[1]) == ["max_concurrent"]
    assert "the campaign runs 1 of at most 1 jobs at once" in run("jobs", "show", ids[1])[1]
    assert "  at once    1 of at most 1 job\n" in run("campaign", "status", "lamps")[1]


def test_wait_goes_on_while_it_will_go_on_by_itself(
    run: Run, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_STILL_S", 0.1)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "starts at" in text:  # it is shown while the command waits: now the campaign ends
            with Producer(configured) as producer:
                with producer.database.begin() as conn:
                    assert standstill_of(conn, configured, "default", "lamps") == []
                cancel_campaign(producer.database, "default", "lamps")

    monkeypatch.setattr(waiting, "say", say)
    assert run(*RUN, "--start-at", "2037-12-04 18:00", "--wait")[0] == 1
    assert [text for text in said if text.startswith("lamps")] == [said[0]]


def test_ctrl_c_ends_the_command_and_not_the_campaign(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_STILL_S", 0.1)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "starts at" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr(waiting, "say", say)
    assert run(*RUN, "--start-at", "2037-12-04 18:00", "--wait")[0] == 130
    assert said[1:] == ["stopped waiting; the jobs continue (`reelq campaign status lamps`)"]
    assert status(run)["states"] == {"queued": 3}


def test_bad_times_are_one_clear_line(run: Run) -> None:
    for option, value, said in (
        ("--start-at", "tomorrow", "start_at: must be a date and a time, as in 2026-12-04 18:00"),
        ("--start-at", "2037-12-04", "start_at: must be a date and a time"),
        ("--quiet-hours", "10pm-7am", "quiet_hours: must be two times of day, as in 22:00-07:00"),
        ("--max-concurrent", "0", "max_concurrent: must be 1 to 100,000"),
        ("--deadline", "2020-01-01 10:00", "deadline: has passed"),
    ):
        code, _, err = run(*RUN, option, value)
        assert code == 2 and said in err and "Traceback" not in err, option
    code, _, err = run(*RUN, "--start-at", "2037-12-04 18:00", "--time-zone", "Mars/Olympus")
    assert code == 2 and "time_zone: is not a time zone this machine knows" in err


def test_a_plan_counts_the_start(run: Run) -> None:
    start, late = datetime.now(UTC) + timedelta(days=2), datetime.now(UTC) + timedelta(days=1)
    code, out, err = run(
        *("campaign", "plan", "lamps.csv", "--start-at", start.isoformat(), "--deadline", late.isoformat()),
        *("--quiet-hours", "22:00-07:00", "--max-concurrent", 1, "--json"),
    )
    plan = json.loads(out)
    assert code == 0, err
    assert [item["row"] for item in plan["late"]] == [2, 3], "row 4 has a later deadline of its own"
    assert (
        plan["finish"]["p50_s"] > 2 * 86400
        and "quiet hours after the start are not counted" in plan["finish"]["assumes"]
    )

"""`reelq campaign plan` and `run` against a real PostgreSQL: what is fetched, known, kept back and remembered."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from producer import Producer
from producer.campaigns.planning.plan import make_plan
from producer.operator_actions.standstill import standstill_of
from storage.admission.circuit_breaker import Cause
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import claim_submits, close_account
from tests.integration.producer.command_line import CommandLine, Run
from tests.integration.producer.media_server import serving_media

RATES = [{"gateway": "ark", "price": 2, "per": "call", "currency": "CNY", "as_of": "2026-01-01"}]
ACCOUNTS = [{"name": "main", "gateway": "ark", "api_key": "sk-secret", "max_in_flight": 2, "rates": RATES}]
PRODUCTS = "SKU,产品名,价格\n" + "".join(f"P-{number},灯 {number},¥{number}\n" for number in range(1, 7))
TEMPLATE = ("--prompt", "{{ product }} turns slowly", "--key", "sku")
MAPPED = (*TEMPLATE, "--map", "产品名=product")


@pytest.fixture
def run(settings: Settings, command_line: CommandLine) -> Run:
    """Commands in a directory with the sheet."""
    Path("products.csv").write_text(PRODUCTS, encoding="utf-8")
    return command_line.with_environ(settings, ACCOUNTS, REELQ_ALLOW_PRIVATE_NETWORKS="true")


@pytest.fixture
def configured(settings: Settings) -> Settings:
    return Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})


def plan_of(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, err = run("campaign", "plan", *arguments, "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == (2 if found["bad"] else 0), err
    return found


def standstill(configured: Settings, name: str) -> list[tuple[str, int]]:
    with Producer(configured) as producer, producer.database.begin() as conn:
        return [(why.code, why.jobs) for why in standstill_of(conn, configured, DEFAULT_TENANT, name)]


def test_a_plan_stores_nothing_and_a_run_remembers_the_mapping(run: Run) -> None:
    plan = plan_of(run, "products.csv", *MAPPED, "--budget", "7 CNY", "--name", "lamps")
    assert (plan["rows"], plan["good"], plan["bad"], plan["known"]) == (6, 6, [], 0)
    assert plan["cost"] == {"currency": "CNY", "low": 12.0, "high": 12.0, "jobs": 6, "by_list_price": 0}
    assert plan["budget"] == {"amount": 7.0, "left": 7.0, "currency": "CNY", "pays_for": 3, "of": 6}
    assert plan["columns"] == {"used": ["SKU", "产品名"], "kept": ["价格"]}
    assert plan["finish"]["p50"] <= plan["finish"]["p90"]
    assert plan["samples"][0]["request"]["prompt"] == "灯 1 turns slowly"
    assert run("campaign", "status", "lamps")[0] == 2, "a plan creates no campaign"

    code, out, err = run("campaign", "run", "products.csv", *MAPPED, "--name", "lamps", "--budget", "7 CNY", "--json")
    assert (code, json.loads(out)["created"]) == (0, 6), err
    plan = plan_of(run, "products.csv", "--prompt", "{{ product }} turns slowly", "--name", "lamps")
    assert (plan["known"], plan["cost"]["jobs"], plan["budget"]["of"]) == (6, 0, 0), "mapping and key are remembered"
    Path("products.csv").write_text(PRODUCTS.replace("灯 2", "灯 22"), encoding="utf-8")
    plan = plan_of(run, "products.csv", *TEMPLATE, "--name", "lamps")
    assert (plan["bad"], plan["edited"]) == ([], {"replaced": [3], "again": [], "paid_for": []})


def test_media_are_fetched_once_each_and_what_is_wrong_is_in_the_plan(run: Run) -> None:
    with serving_media() as media:
        names = ["good.png", "good.png?2", "moved.png", "good.png", "lying.png", "tiny.png", "empty.png", "none.png"]
        rows = [{"prompt": f"shot {n}", "first_frame": f"{media.url}/{name}"} for n, name in enumerate(names)]
        rows += [{"prompt": "loop", "first_frame": f"{media.url}/loop.png"}]
        Path("a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        plan = plan_of(run, "a.jsonl")
        said = {bad["row"]: bad["message"] for bad in plan["bad"]}
        assert list(said) == [5, 6, 7, 8, 9]
        assert "cannot be read as a picture" in said[5]
        assert "10x10" in said[6]
        assert said[7].endswith("/empty.png is empty")
        assert said[8].endswith("/none.png answers HTTP 404 Not Found")
        assert "redirects more than 5 times" in said[9]
        assert plan["media"] == {"fetched": 8, "unusable": 4}
        assert media.asked["/good.png"] == 2, "once for itself, and once for the redirect to it"
        media.asked.clear()
        assert plan_of(run, "a.jsonl", "--no-fetch")["bad"] == []
        assert not media.asked


def test_media_at_private_addresses_are_not_fetched(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELQ_ALLOW_PRIVATE_NETWORKS", "false")
    with serving_media() as media:
        Path("a.jsonl").write_text(json.dumps({"prompt": "a", "first_frame": f"{media.url}/good.png"}) + "\n")
        [bad] = plan_of(run, "a.jsonl")["bad"]
        assert "127.0.0.1 is not a public address" in bad["message"]
        assert not media.asked


def test_the_first_rows_run_and_the_rest_waits_for_resume(run: Run, configured: Settings) -> None:
    code, out, err = run("campaign", "run", "products.csv", *MAPPED, "--name", "lamps", "--first", "2")
    assert (code, out) == (0, ""), err
    assert "the rest after the first 2 waits for `reelq campaign resume lamps`" in err
    jobs = json.loads(run("jobs", "list", "--json")[1])
    kept = [job for job in jobs if job["reason"] == "kept_back"]
    assert sorted(job["request"]["prompt"] for job in kept) == [f"灯 {number} turns slowly" for number in range(3, 7)]
    assert "submits the rest" in run("jobs", "show", kept[0]["id"])[1]
    assert "4 rows: waits until its campaign is resumed" in run("campaign", "status", "lamps")[1]
    assert standstill(configured, "lamps") == [], "the first rows go on"
    with Producer(configured) as producer, producer.database.begin() as conn:
        assert len(claim_submits(conn, "main", "ark", 10, 30.0)) == 2
    assert run("campaign", "resume", "lamps")[0] == 0
    with Producer(configured) as producer, producer.database.begin() as conn:
        reasons = {row[0] for row in conn.execute("SELECT reason FROM jobs WHERE due_at <= now()")}
    assert reasons == {None}


def test_a_campaign_stands_still_for_a_reason(run: Run, configured: Settings) -> None:
    rows = ("products.csv", *MAPPED)
    assert run("campaign", "run", *rows, "--name", "held", "--paused")[0] == 0
    assert standstill(configured, "held") == [("paused", 6)]
    assert run("campaign", "resume", "held")[0] == 0
    assert standstill(configured, "held") == []
    assert run("campaign", "run", *rows, "--name", "poor", "--budget", "1 CNY", "--first", "5")[0] == 0
    assert standstill(configured, "poor") == [("over_budget", 5), ("kept_back", 1)]
    with Producer(configured) as producer, producer.database.begin() as conn:
        close_account(conn, "main", Cause.ACCOUNT, "no credit")
    assert standstill(configured, "held") == [("suspended", 6)]
    advice = "main says: 'no credit'; repair its key or credit, then run `reelq accounts resume main`"
    assert f"waits      6 jobs: {advice}" in run("campaign", "status", "held")[1]


def test_wait_ends_when_nothing_goes_on(run: Run) -> None:
    code, out, err = run(
        "campaign", "run", "products.csv", *MAPPED, "--name", "poor", "--budget", "1 CNY", "--wait", "--json"
    )
    assert code == 1
    [why] = json.loads(out)["standstill"]
    assert (why["code"], why["jobs"]) == ("over_budget", 6)
    assert '1.00 CNY of 1.00 is left; raise it with `reelq campaign set poor --budget "AMOUNT CNY"`' in err


def test_bad_rows_can_be_skipped_and_written_down(run: Run) -> None:
    Path("a.csv").write_text("prompt,duration\ngood,5\nbad,3\nalso good,5\n")
    code, out, err = run("campaign", "run", "a.csv", "--name", "a", "--write-errors", "errors.csv")
    assert (code, out) == (2, "")
    assert "a.csv row 3: duration: must be" in err
    assert "duration: must be" in Path("errors.csv").read_text(encoding="utf-8-sig").splitlines()[2]
    assert run("campaign", "status", "a")[0] == 2, "nothing is enqueued"
    code, out, err = run("campaign", "run", "a.csv", "--name", "a", "--skip-bad", "--json")
    assert (code, json.loads(out)["created"], json.loads(out)["skipped"]) == (0, 2, 1)
    assert "skipped a.csv row 3: duration: must be" in err


def test_a_plan_is_made_outside_of_a_transaction(run: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen: on a busy machine, the plan of 50,000 rows ended with "idle-in-transaction timeout"."""
    waiting: list[int] = []

    def watched(*arguments: Any, **options: Any) -> Any:
        with psycopg.connect(settings.require_database_url()) as conn:
            found = conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
            ).fetchone()
        waiting.append(0 if found is None else found[0])
        return make_plan(*arguments, **options)

    monkeypatch.setattr("producer.campaigns.planning.plan.make_plan", watched)
    monkeypatch.setattr("producer.cli.campaigns.run.on_terminal", lambda: True)
    monkeypatch.setattr("producer.cli.campaigns.run.confirm", lambda question, yes: None)
    assert run("campaign", "plan", "products.csv", *MAPPED)[0] == 0
    assert run("campaign", "run", "products.csv", *MAPPED, "--name", "planned")[0] == 0
    assert waiting == [0, 0]


@pytest.mark.parametrize("way", [(), ("--skip-bad",)])
def test_many_bad_rows_are_a_few_lines_and_where_all_are(run: Run, way: tuple[str, ...]) -> None:
    """Seen: a line for each of 1,000 rows, where no person sits at a terminal."""
    rows = [f"shot {number},{3 if number else 5}" for number in range(1_001)]
    Path("a.csv").write_text("\n".join(["prompt,duration", *rows, ""]))
    code, _, err = run("campaign", "run", "a.csv", "--name", "many", *way)
    assert code == (0 if way else 2)
    lines = [line for line in err.splitlines() if "bad row" in line or "a.csv row" in line]
    assert len(lines) == 21 and "a.csv row 3: duration: must be" in lines[0]
    assert "980 other bad rows" in lines[-1] and "`reelq campaign plan` of the same sheet" in lines[-1]
    assert way or "nothing was enqueued" in lines[-1]


def test_what_init_writes_runs_as_it_is(run: Run) -> None:
    code, out, _ = run("campaign", "init", "spring")
    assert code == 0
    plan_line, run_line = [line for line in out.splitlines() if line.startswith("reelq ")]
    code, out, err = run(*plan_line.split()[1:], "--json")
    plan = json.loads(out)
    assert (code, plan["rows"], plan["jobs"], plan["bad"]) == (0, 3, 6, []), err
    assert plan["columns"]["kept"] == ["note"]
    code, _, err = run(*run_line.removesuffix(" --wait").split()[1:])
    assert code == 0, err
    assert "spring: 6 rows, 6 new" in err
    code, _, err = run("campaign", "init", "spring")
    assert (code, "exists already" in err) == (2, True)


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self) -> bool:
        return True


def test_a_person_sees_the_plan_and_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.cli.campaigns.run.on_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, _, err = run("campaign", "run", "products.csv", *MAPPED, "--name", "lamps")
    assert code == 130
    assert "products.csv: 6 rows, 6 good" in err
    assert "cost       CNY 12.00" in err
    assert "Enqueue 6 videos as lamps?" in err
    assert run("campaign", "status", "lamps")[0] == 2, "nothing is enqueued"
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run("campaign", "run", "products.csv", *MAPPED, "--name", "lamps")[0] == 0
    assert run("campaign", "run", "products.csv", *MAPPED, "--name", "lamps", "--yes")[0] == 0, "--yes asks nothing"
    assert len(json.loads(run("jobs", "list", "--json")[1])) == 6

"""`reelq` against a real PostgreSQL and a real S3: what is stored, what is printed, which exit code."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from producer import Producer
from storage import heartbeats
from storage.admission import model_limits
from storage.admission.circuit_breaker import Cause
from storage.admission.slot_limits import SlotLimit
from storage.database import connect
from storage.jobs import queries, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import claim_submits, close_account
from tests.integration.producer.command_line import CommandLine, Run
from tests.media_files import picture
from tests.servers import environ_for
from tests.waiting import wait_for

S = JobState
ACCOUNTS = [{"name": "main", "gateway": "anyfast", "api_key": "sk-secret-key", "max_in_flight": 2}]
ROWS = [{"prompt": f"shot {number}", "duration": 4} for number in range(4)]


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    with Producer(Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})) as made:
        yield made


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps(ACCOUNTS)}


@pytest.fixture
def run(settings: Settings, command_line: CommandLine) -> Run:
    return command_line.with_environ(settings, ACCOUNTS)


def write(name: str, *rows: dict[str, Any]) -> str:
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return name


def move(producer: Producer, job_id: Any, *steps: tuple[JobState, dict[str, Any]]) -> None:
    source = S.QUEUED
    for target, patch in steps:
        with producer.database.begin() as conn:
            assert transitions.move(conn, [Move(job_id, (source,), target, Reason.HELD, due_in_s=60.0, patch=patch)])
        source = target


SUBMITTED = (S.SUBMITTING, {"account": "main", "gateway": "anyfast", "model": "seedance"})
FAILED = (S.FAILED, {"error": {"code": "moderation_blocked", "message": "the \x1b[31mprompt\nis refused"}})


def test_a_file_with_one_bad_row_enqueues_nothing(run: Run, producer: Producer) -> None:
    code, out, err = run("campaign", "run", write("a.jsonl", *ROWS, {"prompt": "x", "priority": 99}), "--name", "a")
    assert (code, out) == (2, "")
    assert err == "a.jsonl line 5: priority: must be 0 to 9, higher first, not 99\n"
    assert json.loads(run("jobs", "list", "--json")[1]) == []
    assert run("campaign", "status", "a")[0] == 2


def test_a_campaign_from_jsonl_and_again_from_csv(run: Run) -> None:
    code, out, err = run("campaign", "run", write("a.jsonl", *ROWS), "--name", "spring", "--json")
    first = json.loads(out)
    assert (code, first["rows"], first["created"], first["counts"]) == (0, 4, 4, {"queued": 4})
    assert "spring: 4 rows, 4 new" in err
    Path("a.csv").write_text("duration,prompt\n" + "".join(f"4,shot {number}\n" for number in range(5)))
    code, out, _ = run("campaign", "run", "a.csv", "--name", "spring", "--json")
    second = json.loads(out)
    assert (code, second["rows"], second["created"]) == (0, 5, 1)
    assert second["ids"][:4] == first["ids"]
    _, out, _ = run("campaign", "status", "spring")
    assert out == "spring: 5 rows: 5 queued\n  cost       estimated CNY 20.08 for 5 jobs, at Ark's list price\n"


def test_a_campaign_of_one_row_is_named_in_the_singular(run: Run) -> None:
    assert run("campaign", "run", write("one.jsonl", ROWS[0]), "--name", "one")[2].endswith("one: 1 row, 1 new\n")


def test_a_key_of_another_request_is_refused_by_its_row(run: Run) -> None:
    run("submit", "a cat", "--idempotency-key", "k")
    path = write("a.jsonl", {"prompt": "new"}, {"prompt": "a dog", "idempotency_key": "k"})
    code, out, err = run("campaign", "run", path, "--name", "a")
    assert (code, out) == (2, "")
    assert err.startswith("a.jsonl line 2: idempotency_key 'k' belongs to job ")
    assert len(err.splitlines()) == 1
    assert len(json.loads(run("jobs", "list", "--json")[1])) == 1


def test_the_json_list_is_one_array_with_all_documented_fields(run: Run, producer: Producer) -> None:
    run("campaign", "run", write("a.jsonl", *ROWS, {"prompt": "猫", "idempotency_key": "k"}), "--name", "a")
    run("submit", "alone")
    found = json.loads(run("jobs", "list", "--json")[1])
    assert len(found) == 6
    wanted = {"id", "state", "idempotency_key", "campaign", "account", "gateway_task_id", "object_key", "error"}
    assert all(wanted <= job.keys() for job in found)
    assert [job["request"]["prompt"] for job in found][:2] == ["alone", "猫"]
    assert {job["idempotency_key"] for job in found if job["campaign"] is None} == {None}
    assert len(json.loads(run("jobs", "list", "--json", "--limit", 2)[1])) == 2
    assert len(json.loads(run("jobs", "list", "--json", "--campaign", "a", "--state", "queued")[1])) == 5
    assert json.loads(run("jobs", "list", "--json", "--state", "failed")[1]) == []
    lines = run("jobs", "list")[1].splitlines()
    assert lines[0].split() == ["ID", "STATE", "AGE", "CAMPAIGN", "PROMPT"]
    assert lines[2].endswith("猫")


def test_wait_ends_when_every_job_is_done_or_held_and_reports_failures(run: Run, producer: Producer) -> None:
    path = write("a.jsonl", *ROWS)
    ids = json.loads(run("campaign", "run", path, "--name", "a", "--json")[1])["ids"]

    def finish() -> None:
        time.sleep(0.4)
        for index, job_id in enumerate(ids):
            if index == 0:
                move(producer, job_id, SUBMITTED, FAILED)
            elif index == 1:
                move(producer, job_id, SUBMITTED, (S.UNCONFIRMED, {}))
            else:
                producer.cancel(job_id)

    worker = threading.Thread(target=finish)
    worker.start()
    code, out, err = run("campaign", "run", path, "--name", "a", "--wait", "--json")
    worker.join()
    assert code == 1
    assert json.loads(out)["counts"] == {"unconfirmed": 1, "failed": 1, "cancelled": 2}
    assert "a: 4/4 done · 1 unconfirmed · 1 failed · 2 cancelled" in err
    assert "failed: moderation_blocked: the \ufffd[31mprompt is refused" in err
    code, out, _ = run("campaign", "status", "a")
    assert code == 0
    assert out.startswith("a: 4 rows: 1 unconfirmed · 1 failed · 2 cancelled\n")


def test_submit_takes_every_field_and_prints_the_id(run: Run, tmp_path: Path, producer: Producer) -> None:
    (tmp_path / "frame.png").write_bytes(picture())
    code, out, _ = run(
        *("submit", "a cat", "--tier", "fast", "--resolution", "480p", "--ratio", "9:16", "--duration", "-1"),
        *("--no-audio", "--first-frame", "frame.png", "--seed", "7", "--watermark", "--return-last-frame"),
        *("--account", "main", "--priority", "9", "--idempotency-key", "k", "--deadline", "60"),
        *("--webhook-url", "https://a.example/b", "--metadata", '{"sku": "猫"}', "--tag", "x", "--tag", "y"),
    )
    assert code == 0
    job = producer.get(out.strip())
    assert job.request | {"first_frame": ""} == {
        "prompt": "a cat",
        "tier": "fast",
        "resolution": "480p",
        "ratio": "9:16",
        "duration": -1,
        "audio": False,
        "first_frame": "",
        "seed": 7,
        "watermark": True,
        "return_last_frame": True,
    }
    assert (job.account_pin, job.priority, job.idempotency_key, job.tags) == ("main", 9, "k", ["x", "y"])
    assert job.metadata == {"sku": "猫"}
    assert job.deadline_at is not None
    for arguments, said in (
        (["--duration", "long"], "duration: must be a whole number, not 'long'"),
        (["--first-frame", "none.png"], "first_frame: none.png does not exist"),
        (["--resolution", "4k"], "resolution: anyfast"),
        (["--idempotency-key", "k"], f"idempotency_key 'k' belongs to job {job.id}"),
        (["--deadline", "soon"], "deadline: must be seconds from now or an ISO 8601 instant"),
    ):
        code, out, err = run("submit", "another", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith(said)
        assert len(err.splitlines()) == 1


def test_submit_and_wait(run: Run, producer: Producer) -> None:
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(lambda: producer.cancel(wait_for("a job", lambda: _only(producer))))
        code, out, err = run("submit", "a cat", "--wait", "--json")
        ended.result()
    assert (code, json.loads(out)["state"]) == (1, "cancelled")
    code, _, err = run("submit", "a cat", "--wait", "--timeout", "0.2")
    assert code == 1
    assert err.splitlines()[-1] == "1 of 1 job did not finish within 0.2 s; it continues"


def test_submit_says_once_why_the_job_that_it_waits_for_waits(run: Run, producer: Producer) -> None:
    with producer.database.begin() as conn:
        close_account(conn, "main", Cause.ACCOUNT, "wrong key")
    code, _, err = run("submit", "a cat", "--wait", "--timeout", "8")
    [line] = [line for line in err.splitlines() if line.startswith("waits: main is suspended")]
    assert code == 1
    assert line.endswith("account_problem: wrong key; repair its key or credit, then run `reelq accounts resume main`")


def test_submit_says_what_to_do_about_a_job_that_is_held(run: Run, producer: Producer) -> None:
    def hold() -> None:
        job_id = wait_for("a job", lambda: _only(producer))
        move(producer, job_id, SUBMITTED, (S.UNCONFIRMED, {}))

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        code, out, _ = run("submit", "a cat", "--wait")
        held.result()
    assert (code, f"reelq jobs resolve {_only(producer)}" in out) == (1, True)


def _only(producer: Producer) -> UUID | None:
    """The only job; None while there is none."""
    with connect(producer.settings.require_database_url()) as conn:
        found = queries.page_of_jobs(conn, queries.JobFilter(DEFAULT_TENANT))
    assert len(found) < 2
    return found[0].id if found else None


def test_show_says_why_a_job_waits(run: Run, producer: Producer) -> None:
    job = producer.enqueue("a cat\x1b[2J", metadata={"a": 1}, tags=["x"])
    code, out, _ = run("jobs", "show", job.id)
    assert code == 0
    assert "\x1b" not in out
    assert f"Job {job.id}  queued" in out
    assert "not seen for a minute: scheduler, submit, poll, transfer" in out
    with producer.database.begin() as conn:
        for part in ("scheduler", "submit", "poll", "transfer"):
            heartbeats.beat(conn, part, "test")
        close_account(conn, "main", Cause.ACCOUNT, "no credit")
    _, out, _ = run("jobs", "show", str(job.id)[:23])
    assert "not seen" not in out
    assert "main is suspended until" in out
    assert "account_problem: no credit; repair its key or credit" in out
    [row] = json.loads(run("accounts", "list", "--json")[1])
    assert (row["state"], row["error"]) == ("suspended", "account_problem: no credit")
    assert run("accounts", "resume", "main")[0] == 0
    assert "suspended" not in run("jobs", "show", job.id)[1]
    with producer.database.begin() as conn:
        close_account(conn, "main", Cause.OUTAGE, "no route", code="not_sent")
    assert "outage since" in run("accounts", "list")[1]
    [row] = json.loads(run("accounts", "list", "--json")[1])
    assert (row["state"], row["error"], bool(row["suspended_since"])) == ("outage", "not_sent: no route", True)
    assert "the gateway of main is down" in run("jobs", "show", job.id)[1]
    assert run("accounts", "resume", "main")[0] == 0
    for name in "bcd":
        move(producer, producer.enqueue(name).id, SUBMITTED)
    assert "every slot of main is taken (3 of 2)" in run("jobs", "show", job.id)[1]
    with producer.database.begin() as conn:
        model_limits.set_limit(conn, "main", "seedance", SlotLimit(1))
        conn.execute("UPDATE jobs SET account = 'other' WHERE request ->> 'prompt' IN ('c', 'd')")
    lowered = run("jobs", "show", job.id)[1]
    assert "every slot of model seedance of main is taken (1 of 1)" in lowered, "fewer slots, as the gateway wants"
    shown = json.loads(run("jobs", "show", job.id, "--json")[1])
    assert (shown["id"], shown["attempts"], shown["events"][0]["reason"]) == (str(job.id), [], "enqueued")


def test_an_id_may_be_shortened_while_it_is_unambiguous(run: Run, producer: Producer) -> None:
    one, two = producer.enqueue("a"), producer.enqueue("b")
    code, _, err = run("jobs", "show", str(one.id)[:4])
    assert code == 2
    assert err.startswith(f"several jobs begin with {str(one.id)[:4]}: ")
    assert str(two.id) in err
    assert run("jobs", "show", "ffff")[2] == "there is no job ffff\n"
    assert run("jobs", "show", "%")[2] == "there is no job '%'\n"


def test_a_campaign_is_paused_and_resumed(run: Run, producer: Producer) -> None:
    producer.enqueue_many([{"prompt": "a"}, {"prompt": "b"}], campaign="a")
    assert run("campaign", "pause", "a")[:2] == (0, "a is paused: 2 queued\n")
    assert run("campaign", "status", "a")[1].splitlines()[0] == "a: 2 rows: 2 queued, paused"
    assert json.loads(run("campaign", "status", "a", "--json")[1])["paused_at"] is not None
    assert run("campaign", "resume", "a", "--dry-run")[::2] == (0, "a: resume 2 rows (rows 1 and 2)\n")
    assert json.loads(run("campaign", "resume", "a", "--dry-run", "--json")[1])["acts"] == 2
    assert json.loads(run("campaign", "status", "a", "--json")[1])["paused_at"] is not None, "still paused"
    assert run("campaign", "resume", "nothing", "--dry-run")[0] == 2
    assert run("campaign", "resume", "a")[:2] == (0, "a continues: 2 queued\n")
    assert json.loads(run("campaign", "resume", "a", "--json")[1])["paused_at"] is None
    code, out, err = run("campaign", "pause", "nothing")
    assert (code, out) == (2, "")
    assert "nothing" in err


def test_a_campaign_is_cancelled_and_exported(run: Run, producer: Producer) -> None:
    first, second = producer.enqueue_many([{"prompt": "猫"}, {"prompt": "b"}], campaign="a")
    move(producer, second.id, SUBMITTED, (S.GENERATING, {"gateway_task_id": "t"}))
    assert run("campaign", "cancel", "a")[0] == 2, "there is no terminal to ask"
    code, out, _ = run("campaign", "cancel", "a", "--yes")
    assert (code, out) == (
        0,
        "a: 1 cancelled, 0 being cancelled by their gateways, "
        "1 still running (already billed; use --discard to drop the results)\n",
    )
    assert json.loads(run("campaign", "cancel", "a", "--discard", "--yes", "--json")[1])["cancelled"] == 1
    lines = [json.loads(line) for line in run("campaign", "export", "a")[1].splitlines()]
    assert [line["id"] for line in lines] == [str(first.id), str(second.id)]
    assert lines[0]["request"]["prompt"] == "猫"
    assert lines[0]["video_url"] is None
    assert run("campaign", "export", "a", "--out", "a.out.jsonl")[2] == "wrote 2 rows of a to a.out.jsonl\n"
    for command in (["export", "nothing"], ["cancel", "nothing", "--yes"]):
        code, out, err = run("campaign", *command)
        assert (code, out) == (2, "")
        assert "nothing" in err


def test_unconfirmed_jobs_are_resolved_by_filter(run: Run, producer: Producer) -> None:
    for name, account in (("a", "main"), ("b", "main"), ("b", "other")):
        job = producer.enqueue_many([{"prompt": f"{name} {account}"}], campaign=name)[0]
        submitted = (S.SUBMITTING, SUBMITTED[1] | {"account": account})
        move(producer, job.id, submitted, (S.UNCONFIRMED, {}))
    code, _, err = run("jobs", "resolve", "--campaign", "b", "--account", "other", "--resubmit")
    assert code == 2
    assert "Submit 1 job again" in err
    assert run("jobs", "resolve", "--campaign", "b", "--account", "other", "--resubmit", "--yes")[0] == 0
    assert len(run("jobs", "resolve", "--all", "--abandon", "--yes")[1].splitlines()) == 2
    states = [job["state"] for job in json.loads(run("jobs", "list", "--json")[1])]
    assert sorted(states) == ["failed", "failed", "queued"]
    status = run("campaign", "status", "a")[1]
    assert "             given up by hand; the gateway may have generated and billed it\n" in status, "its own words"
    for wrong in ((), ("--all", "--adopt", "t"), ("abc", "--all", "--abandon"), ("--all",)):
        assert run("jobs", "resolve", *wrong)[0] == 2


def test_cancel_retry_and_resolve(run: Run, producer: Producer) -> None:
    one, two, three = (producer.enqueue(name) for name in "abc")
    move(producer, two.id, SUBMITTED, (S.UNCONFIRMED, {}))
    code, out, err = run("jobs", "cancel", one.id, one.id, two.id)
    assert (code, out) == (1, f"{one.id} cancelled\n")
    assert err.startswith(f"job {two.id} may have been submitted to main and may be billed")
    code, out, _ = run("jobs", "retry", one.id, "--json")
    [again] = json.loads(out)
    assert (code, again["state"], again["metadata"]) == (0, "queued", {"retry_of": str(one.id)})
    code, out, err = run("jobs", "retry", three.id)
    assert (code, out) == (1, "")
    assert "only a failed or cancelled job can be retried" in err
    assert run("jobs", "resolve", two.id, "--adopt", "cgt-1", "--unchecked")[:2] == (0, f"{two.id} generating\n")
    assert run("jobs", "resolve", two.id, "--abandon")[0] == 1
    assert run("jobs", "cancel", two.id, "--discard", "--yes")[:2] == (0, f"{two.id} cancelled\n")
    move(producer, three.id, SUBMITTED, (S.UNCONFIRMED, {}))
    assert run("jobs", "resolve", three.id, "--resubmit", "--yes")[:2] == (0, f"{three.id} queued\n")


def test_an_outdated_schema_is_reported(run: Run, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELQ_DATABASE_URL", empty_postgres_url)
    for arguments in (["jobs", "list"], ["submit", "a cat"]):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.rstrip().endswith("run `reelq db upgrade`")
    assert run("db", "upgrade")[1].startswith("the database is upgraded from empty to ")
    assert run("db", "upgrade")[1].startswith("the database is up to date (")
    assert run("db", "recount")[1] == "all counts are right\n"
    assert run("jobs", "list")[0] == 0


def test_doctor_reports_no_problem_when_everything_works(run: Run, producer: Producer) -> None:
    code, out, _ = run("doctor", "--no-gateways")
    assert code == 2
    assert "108,900 tokens" in out and "Ark's list price of 2026-11-28" in out, "the gateway publishes no price"
    assert [line.split()[1] for line in out.splitlines() if line.startswith("BAD")] == [
        "scheduler",
        "submit",
        "poll",
        "transfer",
        "notify",
    ]
    with producer.database.begin() as conn:
        for part in ("scheduler", "submit", "poll", "transfer", "notify"):
            heartbeats.beat(conn, part, "test")
    assert run("doctor", "--no-gateways")[0] == 0


def test_budgets_and_weights_are_set_and_shown(run: Run, producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = {"gateway": "anyfast", "price": "0.5", "per": "second", "currency": "CNY", "as_of": "2026-11-01"}
    monkeypatch.setenv("REELQ_ACCOUNTS", json.dumps([ACCOUNTS[0] | {"rates": [rate]}]))
    terms = ("tenants", "set", "acme", "--weight", 3, "--budget", "500 CNY", "--jobs-per-minute", 60)
    code, out, said = run(*terms)
    assert code == 0 and "weight 3, 60 jobs per minute, budget CNY 500.00" in out
    assert "acme is a new tenant" in said and "new tenant" not in run(*terms)[2]
    listed = {item["name"]: item for item in json.loads(run("tenants", "list", "--json")[1])}
    assert set(listed) == {"acme", "default"} and listed["default"]["budget"] is None
    assert (listed["acme"]["budget"]["amount"], listed["acme"]["budget"]["held"]) == (500, False)
    assert "spent CNY 0.00" in run("tenants", "list")[1]

    file = write("jobs.jsonl", *({"prompt": f"shot {number}", "duration": 5, "ratio": "16:9"} for number in range(3)))
    code, _, said = run("campaign", "run", file, "--name", "spring", "--budget", "9 credits")
    assert code == 2 and "no price in credits is known for" in said
    assert run("campaign", "run", file, "--name", "spring", "--budget", "CNY 4.9", "--weight", 2)[0] == 0
    with producer.database.begin() as conn:
        assert len(claim_submits(conn, "main", "anyfast", 3, 60.0)) == 1
    last = json.loads(run("jobs", "list", "--json")[1])[0]
    assert last["reason"] == "over_budget"
    assert 'campaign set spring --budget "AMOUNT CNY"' in run("jobs", "show", last["id"])[1]
    assert "some jobs do not fit" in run("campaign", "status", "spring")[1]
    assert "has CNY 2.40 left, and this job may cost CNY 2.50" in run("jobs", "show", last["id"])[1]
    code, out, _ = run("campaign", "set", "spring", "--budget", "none")
    assert code == 0 and "weight 2, budget none" in out
    with producer.database.begin() as conn:
        assert len(claim_submits(conn, "main", "anyfast", 3, 60.0)) == 2
    for budget in ("100", "CNY", "-1 CNY", "1e9 CNY", "100 CNY extra"):
        code, _, said = run("tenants", "set", "acme", "--budget", budget)
        assert code == 2 and "budget: must be an amount and its currency" in said, budget


def test_keys_are_created_shown_once_and_revoked(run: Run, producer: Producer) -> None:
    code, key, said = run("keys", "create", "--name", "backend", "--tenant", "acme", "--scope", "read")
    assert code == 0 and key.startswith("rq_") and "acme" in said
    listed = json.loads(run("keys", "list", "--json")[1])
    assert [(item["tenant"], item["name"], item["scopes"]) for item in listed] == [("acme", "backend", ["read"])]
    assert key.strip() not in json.dumps(listed)
    assert "active" in run("keys", "list", "--tenant", "acme")[1]
    made = json.loads(run("keys", "create", "--name", "second", "--json")[1])
    assert made["scopes"] == ["enqueue", "read"]
    assert run("keys", "revoke", listed[0]["id"])[0] == 0
    assert "revoked" in run("keys", "list", "--tenant", "acme")[1]
    for arguments, wrong in (
        (("keys", "revoke", listed[0]["id"]), "there is no key"),
        (("keys", "create", "--name", "x", "--scope", "all"), "scope: must be one of"),
        (("keys", "create", "--name", " "), "name: must be"),
        (("keys", "create", "--name", "x", "--tenant", "No Way"), "tenant: must be"),
        (("keys", "create", "--name", "x", "--tenant", "acme", "--scope", "metrics"), "scope: metrics count"),
    ):
        code, _, said = run(*arguments)
        assert code == 2 and wrong in said, arguments

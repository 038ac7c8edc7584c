"""Jobs of another program with values at the limits of their columns, and with JSON that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from producer.operator_actions.job_actions import adopt
from simulator.main import SimulatorOptions, running
from storage.admission.spending.budgets import set_budget, shortages
from storage.database import connect
from storage.jobs import claims, durations
from storage.jobs.enqueue import new_job_id
from storage.jobs.queries import get_jobs
from storage.jobs.shown.document import job_document
from storage.jobs.transitions import request_cancel
from storage.reporting.gauges import read_gauges
from storage.reporting.overview import finished_lately
from storage.settings import Settings
from tests.contract.clients import account_url
from tests.integration.submitting.rounds import World
from tests.transfers import Files, a_video
from tests.waiting import wait_for
from worker.app import app
from worker.scheduling.dispatch import Dispatcher
from worker.scheduling.maintenance import lost_submits

LARGEST, SMALLEST, FULL = 2**31 - 1, -(2**31), 2**63 - 1
DEEP = "[" * 2000 + "]" * 2000
ROOM = {"submit": 10, "poll": 10, "transfer": 10, "notify": 10}
UNREADABLE = [
    f'{{"prompt": "a", "x": {DEEP}}}',
    '{"prompt": "a", "seed": 1e400}',
    f'{{"prompt": "a", "seed": {"9" * 4000}}}',
]
FAILED, ACCEPTED = "failed invalid_request", "generating accepted"


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, time="fixed", median_seconds=600)) as url:
        yield account_url(url, "ark")


@pytest.fixture
def world(settings: Settings, gateway: str) -> Iterator[World]:
    near = settings.model_copy(update={"allow_private_networks": True})
    made = World(near, main={"gateway": "ark", "base_url": gateway})
    yield made
    made.close()


def stored(world: World, **values: Any) -> UUID:
    """A queued job, with these values in its row."""
    odd = new_job_id()
    row = {"id": odd, "request": '{"prompt": "a cat"}', "request_hash": "", "gateways": ["ark"]} | values
    insert = sql.SQL("INSERT INTO jobs ({}) VALUES ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
    )
    with connect(world.url) as conn:
        conn.execute(insert, row)
    return odd


def sent(world: World, **values: Any) -> UUID:
    """A job with a task that the gateway does not know."""
    task = {"state": "generating", "account": "main", "attempt": 1, "gateway_task_id": str(new_job_id())}
    return stored(world, **task | values)


def submitted(world: World) -> tuple[UUID, str]:
    """A job that the gateway has accepted, and its task."""
    [job_id] = world.enqueue(1)
    world.round()
    return job_id, world.jobs()[0]["gateway_task_id"]


def tick(world: World) -> None:
    """One round of the scheduler, and of the workers that get its messages."""
    dispatcher = Dispatcher(app, world.settings, world.runtime.database)
    with world.runtime.database.begin() as conn:
        conn.execute("UPDATE jobs SET due_at = now() WHERE state = 'queued'")
        claimed = [item for batch in dispatcher.claim_submits(conn, ROOM) for item in batch.claimed]
    world.submit(claimed)


def ends(world: World) -> dict[UUID, str]:
    return {row["id"]: f"{row['state']} {row['reason']}" for row in world.jobs()}


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ({"attempt": LARGEST}, FAILED),
        ({"attempt": -1}, FAILED),
        ({"attempt": SMALLEST}, FAILED),
        ({"claim": FULL}, ACCEPTED),
        ({"claim": -5}, ACCEPTED),
        ({"refusals": LARGEST, "setbacks": LARGEST, "polls": FULL, "missing_times": 32767}, ACCEPTED),
        *(({"request": request}, FAILED) for request in UNREADABLE),
        ({"metadata": f'{{"a": {DEEP}}}', "estimate": '{"high": 1e400}'}, ACCEPTED),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_queued_row_at_its_limits_stops_no_other(world: World, values: dict[str, Any], end: str) -> None:
    good = world.enqueue(2)
    odd = stored(world, **values)
    tick(world)
    found = ends(world)
    assert [found[job_id] for job_id in good] == [ACCEPTED] * 2
    assert found[odd] == end
    with connect(world.url) as conn:
        assert len([job_document(job) for job in get_jobs(conn, "default", [*good, odd]).values()]) == 3


@pytest.mark.parametrize("outcome", ["throttled", "accepted"])
def test_a_job_that_was_put_back_with_sql_counts_on_and_stops_no_other(world: World, outcome: str) -> None:
    """Its `attempt` was set to 0. An earlier attempt that was accepted is paid for: the job continues with its task."""
    odd, task = submitted(world)
    with connect(world.url) as conn:
        conn.execute(
            "UPDATE jobs SET state = 'queued', attempt = 0, account = NULL, gateway_task_id = NULL, due_at = now()"
        )
        if outcome != "accepted":
            conn.execute("UPDATE attempts SET outcome = %s, gateway_task_id = NULL", [outcome])
    good = world.enqueue(2)
    tick(world)
    found = {row["id"]: (row["state"], row["attempt"], row["gateway_task_id"]) for row in world.jobs()}
    assert [found[job_id][:2] for job_id in good] == [("generating", 1)] * 2
    assert found[odd][:2] == ("generating", 1 if outcome == "accepted" else 2)
    assert (found[odd][2] == task) is (outcome == "accepted")


@pytest.mark.parametrize("outcome", [None, "outcome_unknown", "not_submitted", "throttled"])
def test_a_refused_row_whose_earlier_attempt_may_be_paid_for_is_held(world: World, outcome: str | None) -> None:
    """It failed as an invalid request, and the video that it may have was forgotten."""
    odd, task = submitted(world)
    with connect(world.url) as conn:
        conn.execute(
            "UPDATE attempts SET outcome = %(is)s, gateway_task_id = NULL,"
            " finished_at = CASE WHEN %(is)s::text IS NOT NULL THEN finished_at END",
            {"is": outcome},
        )
        conn.execute(
            "UPDATE jobs SET state = 'queued', attempt = %s, account = NULL, gateway = NULL, model = NULL,"
            " gateway_task_id = NULL",
            [LARGEST],
        )
    good = world.enqueue(2)
    tick(world)
    found = {row["id"]: (row["state"], row["reason"], row["attempt"], row["account"]) for row in world.jobs()}
    assert [found[job_id][0] for job_id in good] == ["generating"] * 2
    if outcome in ("not_submitted", "throttled"):
        assert found[odd][:2] == ("failed", "invalid_request")
        return
    assert found[odd] == ("unconfirmed", "outcome_unknown", 1, "main")
    [event] = world.rows("SELECT detail FROM job_events WHERE job_id = %s AND target = 'unconfirmed'", odd)
    assert "refuses an attempt" in event["detail"]["message"]
    assert event["detail"]["message"].endswith("; the gateway may have accepted attempt 1")
    adopt(world.runtime.database, "default", odd, task)
    assert world.rows("SELECT state FROM jobs WHERE id = %s", odd)[0]["state"] == "generating"


def test_a_row_that_the_database_does_not_let_change_stops_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A trigger of another program refuses each new state of a job, also the one in which it would end. The attempts of
    the others were committed by then, and they were held although nothing had been sent."""
    before, odd, after = world.enqueue(3)
    with connect(world.url) as conn:
        conn.execute(
            sql.SQL(
                """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                   $$BEGIN RAISE check_violation USING MESSAGE = 'not this one'; END$$;
                   CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW
                   WHEN (OLD.id = {} AND NEW.state <> OLD.state) EXECUTE FUNCTION refuse()"""
            ).format(sql.Literal(str(odd)))
        )
    tick(world)
    assert ends(world) | {odd: ""} == {before: ACCEPTED, odd: "", after: ACCEPTED}
    assert world.states() == {"generating": 2, "queued": 1}
    assert world.rows("SELECT count(*) AS attempts FROM attempts") == [{"attempts": 2}]
    [said] = [text for record in caplog.records if (text := record.getMessage()).startswith("submit.not_begun")]
    assert said == f"submit.not_begun job_id={odd} error=not this one"


@pytest.mark.parametrize(
    "values",
    [
        *({"prices": prices} for prices in ('{"main": 5}', '{"main": {"USD": "dear"}}', '["main"]', '{"main": []}')),
        *({"estimate": estimate} for estimate in ("[1]", '{"currency": "USD"}', '{"currency": [], "high": {}}', "5")),
        {"estimate": '{"currency": "USD", "high": 1e400}'},
        {"attempt": LARGEST, "prices": '{"main": {"USD": "dear"}}'},
    ],
    ids=str,
)
def test_a_price_that_is_none_is_held_by_a_budget_and_stops_no_other(world: World, values: dict[str, Any]) -> None:
    good = world.enqueue(2)
    odd = stored(world, **values)
    with connect(world.url) as conn:
        set_budget(conn, "default", None, Decimal(1000), "USD")
    tick(world)
    found = ends(world)
    assert [found[job_id] for job_id in good] == [ACCEPTED] * 2
    assert found[odd] == "queued no_price"
    with connect(world.url) as conn:
        assert len(shortages(conn, odd)) == 1


def test_a_list_of_prices_becomes_the_price_at_an_account(world: World) -> None:
    odd = stored(world, prices="[5]")
    with connect(world.url) as conn:
        set_budget(conn, "default", None, Decimal("0.01"), "USD")
    for _ in range(3):
        tick(world)
    [row] = world.rows("SELECT prices FROM jobs WHERE id = %s", odd)
    assert list(row["prices"]) == ["main"]


@pytest.mark.parametrize("values", [{"claim": FULL}, {"polls": FULL}, *({"request": text} for text in UNREADABLE)])
def test_tasks_of_such_rows_are_polled_beside_others(world: World, values: dict[str, Any]) -> None:
    world.enqueue(1)
    world.round()
    odd = sent(world, **values)
    world.poll()
    polled = {row["id"]: (row["polls"], row["reason"]) for row in world.jobs()}
    assert polled.pop(odd)[1] == "task_unknown"
    assert set(polled.values()) == {(1, "generating")}


def test_a_row_with_the_last_claim_is_recovered_and_cancelled(world: World) -> None:
    doubtful = sent(world, claim=FULL, state="submitting", gateway_task_id=None)
    other = sent(world, claim=FULL, state="unconfirmed", gateway_task_id=None)
    running = sent(world, claim=FULL)
    with connect(world.url) as conn:
        assert lost_submits(conn, world.settings) == 1
        assert {item.id for item in claims.claim_unconfirmed(conn, 10, 60)} >= {other}
        assert request_cancel(conn, running, "discard")
    found = {row["id"]: (row["state"], row["claim"]) for row in world.jobs()}
    assert found == {doubtful: ("unconfirmed", 1), other: ("unconfirmed", 1), running: ("generating", 1)}


@pytest.mark.parametrize("moment", ["-infinity", "infinity"])
@pytest.mark.parametrize("column", ["submitted_at", "polled_at"])
def test_an_endless_generation_teaches_no_other_poll(settings: Settings, column: str, moment: str) -> None:
    """It was recorded as a generation time without end, and all polls of such videos failed from then on."""
    with running(SimulatorOptions(seed=7, time="fixed", median_seconds=0.1)) as url:
        near = settings.model_copy(update={"allow_private_networks": True})
        world = World(near, main={"gateway": "ark", "base_url": account_url(url, "ark")})
        try:
            ids = world.enqueue(12)
            world.round()
            with connect(world.url) as conn:
                odd = sql.SQL("UPDATE jobs SET {} = %s WHERE id = %s").format(sql.Identifier(column))
                conn.execute(odd, [moment, ids[0]])
            wait_for("all videos", lambda: world.poll() == 0)
            states = {row["id"]: row["state"] for row in world.jobs() if row["id"] != ids[0]}
            assert set(states.values()) == {"transferring"}
            with connect(world.url) as conn:
                [sample] = durations.samples(conn).values()
                assert all(0 <= seconds < 60 for seconds in sample)
        finally:
            world.close()


def test_endless_times_of_an_older_release_are_not_read(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        conn.execute(
            "INSERT INTO durations (account, tier, resolution, duration, seconds)"
            " VALUES ('main', '', '', '', '{5,Infinity,NaN,7}')"
        )
        assert durations.samples(conn) == {("main", "", "", ""): (5.0, 7.0)}


@pytest.mark.parametrize("moment", ["-infinity", "infinity"])
def test_a_video_generated_at_no_time_is_stored(world: World, moment: str) -> None:
    with Files({"/a.mp4": a_video()}).running() as base:
        link = {"state": "transferring", "account": "main", "video_url": f"{base}/a.mp4", "generated_at": moment}
        stored(world, **link)
        world.transfer()
    assert world.states() == {"succeeded": 1}


def test_jobs_that_ended_at_no_time_hide_no_overview(world: World) -> None:
    error = '{"code": "abandoned", "message": "-"}'
    for moment in ("infinity", "-infinity", "now"):
        stored(world, state="failed", error=error, finished_at=moment, due_at=None)
    sent(world, state="unconfirmed", reason="held", gateway_task_id=None, submitted_at="-infinity")
    with connect(world.url) as conn:
        read_gauges(conn, 60.0)
        for step_s, pieces in ((10, 100), (600, 100)):  # by the rows, and by what is kept
            rate = finished_lately(conn, "default", step_s, pieces)
            assert sum(sum(of.values()) for of in rate.pieces) == 1

"""A generation that may be paid for does not fail on thin evidence: no proxy, no clock and no outage loses a video.

The functions of the workers, with a real PostgreSQL and S3, and the simulator with a clock that the test moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from simulator.main import SimulatorOptions, running
from storage.admission.spending import budgets, settlement
from storage.database import connect
from storage.settings import Settings
from tests.integration.submitting.rounds import World
from tests.simulator_client import Clock
from worker.decisions import EVIDENCE_S
from worker.polling.decisions import MISSING_TIMES

PROXY_404 = {"kind": "status", "where": "query", "status": 404, "body": "proxy"}
UNKNOWN = {"kind": "status", "where": "query", "status": 400, "code": "task_not_exist", "message": "task_not_exist"}
NO_FILES = {"kind": "status", "where": "download", "status": 404, "body": "html"}
DOWN = {"kind": "status", "where": "query", "status": 502, "body": "html"}
NO_URL = {"kind": "missing_url"}


class Paid:
    """Jobs that a gateway has accepted, and its clock, its faults and its ledger."""

    def __init__(self, world: World, url: str, clock: Clock) -> None:
        self.world = world
        self._url = url
        self._clock = clock

    def faults(self, *rules: dict[str, Any]) -> None:
        httpx.delete(f"{self._url}/_sim/faults").raise_for_status()
        if rules:
            httpx.post(f"{self._url}/_sim/faults", json=list(rules)).raise_for_status()

    def later(self, seconds: float) -> None:
        """Let `seconds` pass here and at the gateway."""
        self._clock.now += seconds
        self.world.later(seconds)

    def step(self) -> Counter[str]:
        """Poll and copy every job once."""
        self.world.poll()
        self.world.transfer()
        return self.world.states()

    def ledger(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self._url}/_sim/ledger").raise_for_status().json())

    def submitted(self, count: int, **fields: Any) -> list[Any]:
        ids = self.world.enqueue(count, duration=5, resolution="480p", **fields)
        assert self.world.round() == count
        return ids

    def errors(self) -> Counter[str]:
        with connect(self.world.url) as conn:
            return Counter(row[0] for row in conn.execute("SELECT error ->> 'code' FROM jobs WHERE state = 'failed'"))

    def in_bucket(self) -> int:
        """How many of the gateway's videos are in the bucket, byte for byte."""
        hashes = {task["sha256"] for task in self.ledger()["tasks"]}
        with connect(self.world.url) as conn:
            stored = conn.execute("SELECT sha256, object_key FROM jobs WHERE state = 'succeeded'").fetchall()
        assert all(self.world.runtime.objects.head(key) is not None for _, key in stored)
        return len({sha256 for sha256, _ in stored} & hashes)


@contextmanager
def paid(settings: Settings, gateway: str = "anyfast", path: str = "anyfast", seconds: float = 60) -> Iterator[Paid]:
    clock = Clock()
    with running(SimulatorOptions(time="fixed", median_seconds=seconds, clock=clock)) as url:
        world = World(settings, main={"gateway": gateway, "base_url": f"{url}/{path}"})
        try:
            yield Paid(world, url, clock)
        finally:
            world.close()


@pytest.fixture
def at_gateway(settings: Settings) -> Iterator[Paid]:
    with paid(settings) as found:
        yield found


def test_a_proxy_that_answers_404_for_hours_fails_nothing(at_gateway: Paid) -> None:
    at_gateway.submitted(20)
    at_gateway.faults(PROXY_404)
    for _ in range(12):
        assert at_gateway.step() == {"generating": 20}
        at_gateway.later(600.0)
    at_gateway.faults()
    assert at_gateway.step() == {"succeeded": 20}
    assert at_gateway.in_bucket() == at_gateway.ledger()["totals"]["tasks"] == 20


@pytest.mark.parametrize(
    ("gateway", "fault", "code"),
    [("anyfast", UNKNOWN, "task_lost"), ("anyfast", NO_URL, None), ("uniall", NO_URL, "result_missing")],
)
def test_a_task_that_the_gateway_reports_missing_fails_after_half_an_hour(
    settings: Settings, gateway: str, fault: Any, code: str | None
) -> None:
    """`code` None: then the video is fetched with the gateway's own call."""
    with paid(settings, gateway, gateway) as at_gateway:
        at_gateway.submitted(20)
        at_gateway.later(120.0)
        at_gateway.faults(fault)
        for _ in range(3 * MISSING_TIMES):
            assert at_gateway.step() == {"generating": 20}, "however often the gateway says it within a minute"
        at_gateway.later(EVIDENCE_S - 60)
        assert at_gateway.step() == {"generating": 20}
        at_gateway.faults(DOWN)
        at_gateway.later(120.0)
        assert at_gateway.step() == {"generating": 20}, "nothing new was said"
        at_gateway.faults(fault)
        if code is None:
            assert at_gateway.step() == {"succeeded": 20}
            assert at_gateway.in_bucket() == 20
        else:
            assert at_gateway.step() == {"failed": 20}
            assert at_gateway.errors() == {code: 20}


def test_a_deployment_that_forgets_tasks_for_a_while_fails_no_job(at_gateway: Paid) -> None:
    """Between two periods of "no such task" the gateway knew the task, so the half hour starts again."""
    at_gateway.submitted(20)
    at_gateway.faults(UNKNOWN)
    for _ in range(MISSING_TIMES):
        at_gateway.step()
    at_gateway.faults()
    assert at_gateway.step() == {"generating": 20}
    at_gateway.later(EVIDENCE_S + 1)
    at_gateway.faults(UNKNOWN)
    for _ in range(MISSING_TIMES + 1):
        assert at_gateway.step() == {"generating": 20}
    at_gateway.faults()
    assert at_gateway.step() == {"succeeded": 20}


def test_a_task_reported_missing_a_few_times_a_day_fails_only_after_several_reports(at_gateway: Paid) -> None:
    at_gateway.submitted(3)
    at_gateway.faults(UNKNOWN)
    for _ in range(MISSING_TIMES - 1):
        assert at_gateway.step() == {"generating": 3}
        at_gateway.later(4 * 3600.0)
    assert at_gateway.step() == {"failed": 3}


@pytest.mark.parametrize("fault", [NO_FILES, NO_FILES | {"status": 403}, NO_FILES | {"status": 503}])
def test_a_file_server_that_is_down_past_the_deadline_loses_no_video(at_gateway: Paid, fault: dict[str, Any]) -> None:
    """After 404 the gateway is asked for a fresh link, and there the deadline used to fail the job."""
    at_gateway.submitted(12, deadline=600.0)
    at_gateway.later(70.0)
    at_gateway.faults(fault)
    for _ in range(8):
        at_gateway.step()
        at_gateway.later(300.0)
    assert at_gateway.world.states()["failed"] == 0
    at_gateway.faults(fault, DOWN)  # the gateway does not answer either, and the link still lives
    for _ in range(3):
        at_gateway.step()
    at_gateway.faults(UNKNOWN, fault)
    for _ in range(3):
        at_gateway.step()
    assert at_gateway.world.states()["failed"] == 0
    at_gateway.faults(UNKNOWN)
    for _ in range(3):
        states = at_gateway.step()
    assert states == {"succeeded": 12}, "by the known link: the gateway gave no other"
    assert at_gateway.in_bucket() == 12


def test_a_video_is_given_up_when_its_link_is_dead_and_the_gateway_has_no_other(at_gateway: Paid) -> None:
    at_gateway.submitted(3)
    at_gateway.later(70.0)
    at_gateway.faults(NO_FILES)
    assert at_gateway.step() == {"generating": 3}
    with connect(at_gateway.world.url) as conn:
        conn.execute("UPDATE jobs SET video_expires_at = now() - interval '1 min'")
    at_gateway.faults(NO_FILES, UNKNOWN)
    for _ in range(4):
        at_gateway.step()
        assert at_gateway.world.states()["failed"] == 0, "its link has been dead for a minute only"
    with connect(at_gateway.world.url) as conn:
        conn.execute("UPDATE jobs SET video_expires_at = now() - make_interval(secs => %s)", [EVIDENCE_S + 1])
    for _ in range(2):
        states = at_gateway.step()
    assert states == {"failed": 3}
    assert at_gateway.errors() == {"video_expired": 3}


def test_a_dead_link_is_not_fetched_before_the_gateway_is_asked_for_another(at_gateway: Paid) -> None:
    at_gateway.submitted(5)
    at_gateway.later(70.0)
    at_gateway.world.poll()
    with connect(at_gateway.world.url) as conn:
        conn.execute("UPDATE jobs SET video_expires_at = now() - interval '1 s'")
    at_gateway.world.transfer()
    assert at_gateway.world.states() == {"generating": 5}
    assert at_gateway.ledger()["totals"]["fetches"] == 0
    assert at_gateway.step() == {"succeeded": 5}
    assert at_gateway.ledger()["totals"]["fetches"] == 5


def test_a_video_finished_in_time_during_an_outage_is_kept_after_the_deadline(at_gateway: Paid) -> None:
    at_gateway.submitted(12, deadline=90.0)
    at_gateway.faults(DOWN)
    at_gateway.later(100.0)  # finished after 60 s, in time
    assert at_gateway.step() == {"generating": 12}
    at_gateway.faults()
    assert at_gateway.step() == {"succeeded": 12}


def test_an_outage_that_lasts_past_the_deadline_fails_the_job(at_gateway: Paid) -> None:
    at_gateway.submitted(3, deadline=90.0)
    at_gateway.faults(DOWN)
    at_gateway.later(90.0 + EVIDENCE_S)
    assert at_gateway.step() == {"failed": 3}
    with connect(at_gateway.world.url) as conn:
        errors = [row[0] for row in conn.execute("SELECT error FROM jobs")]
    assert {(error["code"], error["may_be_billed"]) for error in errors} == {("deadline_exceeded", True)}


def test_a_queued_task_past_its_deadline_is_cancelled_if_that_is_free(settings: Settings) -> None:
    """On Ark, while the task is queued; the budget gets back what was reserved."""
    with paid(settings, "ark", "ark/api/v3", seconds=3600) as at_ark:
        world = at_ark.world
        with world.begin() as conn:
            conn.execute(
                "INSERT INTO budgets (tenant, campaign_id, amount, currency) VALUES ('default', %s, 1000, 'CNY')",
                [budgets.WHOLE_TENANT],
            )
        at_ark.submitted(4, deadline=5.0)
        with world.begin() as conn:
            [reserved] = conn.execute("SELECT reserved FROM budgets").fetchall()
        assert reserved[0] > 0
        world.later(10.0)  # the tasks are still queued at the gateway
        at_ark.faults({"kind": "status", "where": "delete", "status": 502, "body": "html", "times": 4})
        assert at_ark.step() == {"generating": 4}, "the call was not answered"
        assert at_ark.step() == {"failed": 4}
        with world.begin() as conn:
            assert {row[0] for row in conn.execute("SELECT error ->> 'may_be_billed' FROM jobs")} == {"false"}
            settlement.settle(conn)
            [left] = conn.execute("SELECT spent, reserved FROM budgets").fetchall()
        assert left == (0, 0)
        assert {task["status"] for task in at_ark.ledger()["tasks"]} == {"cancelled"}

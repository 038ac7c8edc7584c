"""The estimated cost of a job, the cost that its gateway reports, and how both are shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from producer import Job, Producer
from producer.cli import main as cli
from producer.job_fields import JobFields
from seedance.account import Account
from storage.jobs import transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.reporting import costs
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.servers import environ_for
from worker.polling.costs import reported_cost

ARK = {"name": "ark", "gateway": "ark", "api_key": "sk-ark"}
RATE = {"price": "2", "per": "call", "currency": "USD", "as_of": "2026-05-01"}
ACCOUNTS = [ARK, {"name": "any", "gateway": "anyfast", "api_key": "sk-any", "rates": [RATE]}]
ASKED: JobFields = {"duration": 5, "resolution": "720p", "ratio": "16:9"}

Run = Callable[..., str]


@pytest.fixture
def producer(settings: Settings) -> Iterator[Producer]:
    with Producer(Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})) as made:
        yield made


@pytest.fixture
def run(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Run:
    monkeypatch.chdir(tmp_path)
    for name, value in (environ_for(settings) | {"REELQ_ACCOUNTS": json.dumps(ACCOUNTS)}).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        assert cli.run(arguments) == 0
        return capsysbinary.readouterr().out.decode()

    return run


def finish(producer: Producer, job: Job, tokens: int) -> None:
    """Move a job to the state in which its usage is known, as the worker does."""
    usage = {"completion_tokens": tokens, "total_tokens": tokens}
    cost = reported_cost(Account.model_validate(ARK), job.request, usage)
    steps: list[tuple[JobState, dict[str, Any]]] = [
        (JobState.SUBMITTING, {"account": "ark", "gateway": "ark", "model": "m"}),
        (JobState.GENERATING, {"gateway_task_id": str(job.id)}),
        (JobState.TRANSFERRING, {"video_url": "http://a/b.mp4", "usage": usage, "cost": cost}),
    ]
    source = JobState.QUEUED
    for target, patch in steps:
        with producer.database.begin() as conn:
            assert transitions.move(
                conn, [Move(job.id, (source,), target, Reason.STATUS_UNKNOWN, due_in_s=60.0, patch=patch)]
            )
        source = target


def test_the_estimate_is_stored_and_the_reported_cost_beside_it(producer: Producer, run: Run) -> None:
    job = producer.enqueue("a cat", **ASKED)
    assert job.estimate == {
        "account": "ark",
        "model": "doubao-seedance-2-0-260128",
        "low": 5.0094,
        "high": 5.0094,
        "currency": "CNY",
        "as_of": "2026-11-28",
        "basis": "published",
        "inferred": False,
        "tokens": [108900, 108900],
        "also": {"USD": {"low": 0.7623, "high": 0.7623, "basis": "list", "inferred": False}},
    }
    assert job.cost is None
    finish(producer, job, 119_790)
    done = producer.get(job.id)
    assert done.cost == {
        "amount": 5.51034,
        "currency": "CNY",
        "as_of": "2026-11-28",
        "basis": "published",
        "tokens": 119790,
        "also": {"USD": 0.83853},
    }
    shown = run("jobs", "show", str(job.id))
    how = "the published price of 2026-11-28, 108,900 tokens"
    assert f"estimate  CNY 5.01 or USD 0.7623 (Ark's list price) at ark, {how}" in shown
    assert "cost      CNY 5.51 for 119,790 tokens, 10% above the estimate" in shown
    assert json.loads(run("jobs", "show", str(job.id), "--json"))["cost"] == done.cost


def test_an_accounts_own_price_comes_first_and_a_gateway_without_one_is_estimated_at_the_list_price(
    producer: Producer, settings: Settings
) -> None:
    estimate = producer.enqueue("a cat", account="any").estimate
    assert estimate is not None
    assert (estimate["low"], estimate["high"], estimate["currency"]) == (2.0, 2.0, "USD")
    bare = Settings.model_validate(
        settings.model_dump() | {"accounts": [{"name": "evo", "gateway": "evolink", "api_key": "k"}]}
    )
    with Producer(bare) as other:
        listed = other.enqueue("a cat", **ASKED).estimate
        assert listed is not None
        assert (listed["currency"], listed["high"], listed["basis"]) == ("USD", 0.7623, "list")
        assert listed["also"]["CNY"]["high"] == 5.0094


def test_a_campaign_sums_estimates_and_reported_costs(producer: Producer, run: Run) -> None:
    rows = [{"prompt": f"shot {number}", **ASKED} for number in range(3)]
    found = producer.enqueue_many([*rows, {"prompt": "by call", "account": "any"}], campaign="spring")
    finish(producer, found[0], 108_900)
    finish(producer, found[1], 108_900)
    with producer.database.begin() as conn:
        yuan, dollars = costs.campaign_costs(conn, DEFAULT_TENANT, "spring")
    assert (yuan.currency, yuan.estimated_jobs, yuan.reported_jobs) == ("CNY", 3, 2)
    assert (float(yuan.estimated_low), float(yuan.reported), float(yuan.drift)) == (15.0282, 10.0188, 0.0)
    assert (dollars.currency, float(dollars.estimated_high), dollars.reported_jobs) == ("USD", 2.0, 0)
    out = run("campaign", "status", "spring")
    assert "estimated CNY 15.03 for 3 jobs · reported CNY 10.02 for 2 jobs, as estimated" in out
    assert "estimated USD 2.00 for 1 job\n" in out
    finish(producer, found[2], 54_450)
    shown = json.loads(run("campaign", "status", "spring", "--json"))["costs"]
    assert shown[0]["drift"] == pytest.approx(-2.5047)
    assert "17% below the estimate" in run("campaign", "status", "spring")


def test_a_usage_without_tokens_or_price_gives_no_cost() -> None:
    account = Account.model_validate(ARK)
    request = {"prompt": "a cat", **ASKED}
    assert reported_cost(account, request, None) is None
    assert reported_cost(account, request, {"credits_reserved": 3}) is None
    assert reported_cost(account, {"prompt": ""}, {"total_tokens": 5}) is None
    assert reported_cost(Account.model_validate(ACCOUNTS[1]), request, {"total_tokens": 5}) is None

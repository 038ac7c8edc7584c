"""A job that no account can serve any more says so in every view, can be cancelled, and keeps its deadline."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from producer.cli import main as cli
from producer.client import Producer
from producer.operator_actions.standstill import standstill_of
from storage.admission.circuit_breaker import Cause
from storage.configuration.account_book import AccountBook
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.claiming import close_account
from tests.integration.api.api_server import serving
from tests.servers import environ_for
from worker.scheduling.maintenance import deadlines

S = JobState
MODELS = {"standard": "seedance-2", "fast": "seedance-2-fast"}
ARK = {"name": "ark", "gateway": "ark", "api_key": "sk-ark", "models": MODELS}
OTHER = {"name": "other", "gateway": "evolink", "api_key": "sk-other"}
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Run:
    monkeypatch.chdir(tmp_path)
    for name, value in environ_for(settings).items():
        monkeypatch.setenv(name, value)

    def run(accounts: list[dict[str, Any]], *arguments: object) -> tuple[int, str]:
        monkeypatch.setenv("REELQ_ACCOUNTS", json.dumps(accounts))
        code = cli.run([str(argument) for argument in arguments])
        return code, capsysbinary.readouterr().out.decode()

    return run


@pytest.mark.parametrize(
    ("job", "left", "reason", "says"),
    [
        ({"account": "ark"}, [OTHER], "account_missing", "account ark, to which it is pinned, is not configured"),
        ({"seed": 7}, [OTHER], "no_account", "no configured account can serve th"),
        (
            {"tier": "fast", "account": "ark"},
            [ARK | {"models": {"standard": "seedance-2"}}],
            "no_account",
            "no configured account can serve th",
        ),
        ({"account": "ark"}, [ARK], "model_closed", "model seedance-2 of ark cannot be used with this key"),
    ],
    ids=["the pinned account is gone", "the gateway is gone", "the tier is gone", "the model is closed"],
)
def test_a_job_without_an_able_account_says_so_and_can_end(
    settings: Settings, run: Run, job: dict[str, Any], left: list[dict[str, Any]], reason: str, says: str
) -> None:
    with Producer(Settings.model_validate(settings.model_dump() | {"accounts": [ARK, OTHER]})) as producer:
        rows = [{"prompt": f"a cat {number}", "deadline": 3600} | job for number in range(2)]
        first, second = producer.enqueue_many(rows, campaign="spring")
        url = settings.require_database_url()
        if reason == "model_closed":
            with connect(url) as conn:
                close_account(conn, "ark", Cause.MODEL, "not activated", model="seedance-2", code="model_problem")

        listed = json.loads(run(left, "jobs", "list", "--json")[1])
        assert [item["reason"] for item in listed] == [reason] * 2
        line = {"model_closed": "no account's key may use its model"}.get(reason, "account")
        assert line in run(left, "jobs", "list")[1]
        assert says in run(left, "jobs", "show", first.id)[1]
        assert json.loads(run(left, "campaign", "status", "spring", "--json")[1])["waiting_for"] == {reason: 2}
        assert "queued     2 rows: " in run(left, "campaign", "status", "spring")[1]
        with serving(Settings.model_validate(settings.model_dump() | {"accounts": left})) as api:
            assert _reason_in(api, f"/v1/jobs/{first.id}") == reason
            assert api.get("/v1/jobs").json()["data"][0]["reason"] == reason
            assert "ark" in api.get(f"/jobs/{first.id}").text

        assert run(left, "jobs", "cancel", first.id)[0] == 0
        assert producer.get(first.id).state is S.CANCELLED
        with connect(url) as conn:
            conn.execute("UPDATE jobs SET deadline_at = now() WHERE id = %s", [second.id])
            deadlines(conn, settings)
        assert producer.get(second.id).error == {
            "code": "deadline_exceeded",
            "message": "the deadline passed before a slot was free; nothing was submitted or billed",
        }


def test_a_campaign_whose_accounts_are_closed_says_what_to_do(settings: Settings) -> None:
    """Seen: "ark says: 'not activated'; repair its key or credit", of a key that only may not use a model."""
    both = Settings.model_validate(settings.model_dump() | {"accounts": [ARK, OTHER]})

    def advice(removing: tuple[str, ...] = ()) -> list[str]:
        book = AccountBook(paused=frozenset(removing), removing=frozenset(removing))
        with producer.database.begin() as conn:
            found = standstill_of(conn, both.with_book(book), "default", "spring")
        assert {why.code for why in found} <= {"suspended"}
        return [why.advice for why in found]

    with Producer(both) as producer:
        producer.enqueue_many([{"prompt": "a cat"}], campaign="spring")
        with producer.database.begin() as conn:
            close_account(conn, "ark", Cause.MODEL, "not activated", model="seedance-2", code="model_problem")
        assert advice() == [], "the other account serves it"
        with producer.database.begin() as conn:
            close_account(conn, "other", Cause.ACCOUNT, "no credit")
        [model] = advice()
        [suspended] = advice(removing=("ark",))
        [removed] = advice(removing=("ark", "other"))
    opened = "let the gateway open model seedance-2 for the key of ark, or add another account"
    assert model == f"ark says: 'not activated'; {opened}"
    assert suspended == "other says: 'no credit'; repair its key or credit, then run `reelq accounts resume other`"
    assert removed == "account ark is being removed; add another that can serve these jobs"


def _reason_in(api: httpx.Client, path: str) -> str:
    return str(api.get(path).raise_for_status().json()["reason"])


def test_a_job_with_an_able_account_has_no_obstacle(settings: Settings, run: Run) -> None:
    with Producer(Settings.model_validate(settings.model_dump() | {"accounts": [ARK, OTHER]})) as producer:
        job = producer.enqueue(prompt="a cat", tier="fast")
    for accounts in ([ARK], [OTHER, ARK]):
        assert json.loads(run(accounts, "jobs", "list", "--json")[1])[0]["reason"] is None
        assert "no configured account" not in run(accounts, "jobs", "show", job.id)[1]

"""The simulated finish of a campaign."""

from __future__ import annotations

from typing import Any

import pytest

from producer.campaigns.planning.forecast import (
    ASSUMED_S,
    OVERHEAD_S,
    Capacity,
    Outlook,
    Work,
    forecast,
    outlook_without_database,
)
from storage.settings import Settings

ACCOUNTS = [
    {"name": "main", "gateway": "anyfast", "api_key": "k", "max_in_flight": 4},
    {"name": "other", "gateway": "ark", "api_key": "k", "max_in_flight": 4},
]
SETTINGS = Settings.model_validate({"accounts": ACCOUNTS})
REQUEST = {"prompt": "a cat", "tier": "fast", "resolution": "480p", "duration": 5}
KIND = ("main", "fast", "480p", "5")
STEP_S = 100.0 + OVERHEAD_S


def outlook(slots: int = 4, **changes: Any) -> Outlook:
    known = {"accounts": [Capacity("main", slots, {})], "samples": {KIND: [100.0]}} | changes
    return Outlook(**known)


def work(number: int, **changes: Any) -> list[Work]:
    return [Work(REQUEST, ("main",), **changes) for _ in range(number)]


def test_jobs_follow_each_other_in_the_slots() -> None:
    found = forecast(work(8), outlook(), SETTINGS)
    assert (found.p50_s, found.p90_s) == (2 * STEP_S, 2 * STEP_S)
    assert forecast(work(9), outlook(), SETTINGS).p50_s == 3 * STEP_S
    assert found.assumes == ["every job succeeds at its first attempt"]


def test_waiting_jobs_take_every_other_slot_and_say_so() -> None:
    found = forecast(work(4), outlook(waiting=100), SETTINGS)
    assert found.p50_s == 2 * STEP_S
    assert "every other slot goes to 100 jobs of the queue" in found.assumes


def test_a_limit_on_requests_spaces_the_starts() -> None:
    paced = outlook(accounts=[Capacity("main", 4, {}, per_minute=1)])
    assert forecast(work(3), paced, SETTINGS).p50_s == 120.0 + STEP_S


def test_a_learnt_limit_of_the_model_counts() -> None:
    model = SETTINGS.accounts[0].dialect
    lane_model = next(name for name in model.capabilities().tiers["fast"].models)
    limited = outlook(accounts=[Capacity("main", 4, {lane_model: 2})])
    assert forecast(work(4), limited, SETTINGS).p50_s == 2 * STEP_S


def test_rows_that_miss_their_deadline_have_a_chance_each() -> None:
    jobs = [*work(4, deadline_s=150.0), *work(4, deadline_s=150.0), *work(1)]
    assert list(forecast(jobs, outlook(), SETTINGS).late) == [0.0] * 4 + [1.0] * 4 + [0.0]


def test_without_history_a_generation_takes_one_to_four_minutes() -> None:
    found = forecast(work(40), outlook(samples={}), SETTINGS)
    assert found.p50_s is not None
    assert found.p90_s is not None
    assert min(ASSUMED_S) * 10 < found.p50_s <= found.p90_s < (max(ASSUMED_S) + OVERHEAD_S) * 11
    assert any("no generation time is known" in said for said in found.assumes)


def test_no_account_that_works_has_no_finish() -> None:
    stopped = Outlook([], {}, stopped=["main"])
    found = forecast(work(2, deadline_s=10.0), stopped, SETTINGS)
    assert (found.p50_s, found.p90_s, list(found.late)) == (None, None, [1.0, 1.0])
    assert "not used at the moment: main" in found.assumes
    assert forecast([], outlook(), SETTINGS).p50_s == 0.0


def test_the_settings_alone_give_an_outlook() -> None:
    assert [(item.name, item.slots) for item in outlook_without_database(SETTINGS).accounts] == [
        ("main", 4),
        ("other", 4),
    ]


@pytest.mark.parametrize("number", [1, 50])
def test_the_same_jobs_have_the_same_forecast(number: int) -> None:
    varied = outlook(samples={KIND: [50.0, 100.0, 300.0]})
    assert forecast(work(number), varied, SETTINGS) == forecast(work(number), varied, SETTINGS)

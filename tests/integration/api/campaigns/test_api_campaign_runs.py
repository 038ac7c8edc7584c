"""How a campaign is run, over HTTP: proofs, the start, quiet hours, jobs at once, deadline and priority."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from storage.settings import Settings
from tests.integration.api.api_server import serving

CSV = {"Content-Type": "text/csv; charset=utf-8"}
SHEET = b"sku,prompt,resolution\nA,a lamp,720p\nB,a chair,480p\n"


ACCOUNTS = [{"name": "main", "gateway": "anyfast", "api_key": "sk-secret-of-main"}]


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """An account at list prices, by which a lower resolution costs less."""
    with serving(Settings.model_validate(settings.model_dump() | {"accounts": ACCOUNTS})) as client:
        yield client


def post(api: httpx.Client, path: str = "/v1/campaigns", **said: Any) -> dict[str, Any]:
    answer = api.post(path, params={"name": "lamps"} | said, content=SHEET, headers=CSV)
    assert answer.status_code in (200, 202), answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(api: httpx.Client, **said: Any) -> list[tuple[str, str]]:
    answer = api.post("/v1/campaigns", params={"name": "lamps"} | said, content=SHEET, headers=CSV)
    assert answer.status_code == 422, answer.text
    return [(item["field"], item["message"]) for item in answer.json()["errors"]]


def test_a_campaign_starts_later_and_is_changed(api: httpx.Client) -> None:
    deadline = datetime.now(UTC) + timedelta(days=3)
    ids = post(api, start_at="2037-12-04 18:00", time_zone="Asia/Shanghai", deadline=deadline.isoformat(), priority=8)[
        "ids"
    ]
    pace = api.get("/v1/campaigns/lamps").json()["pace"]
    assert (pace["start_at"], pace["waits_for"]) == ("2037-12-04T10:00:00+00:00", "before_start")
    assert pace["goes_on_at"] == pace["start_at"] and pace["max_concurrent"] is None
    job = api.get(f"/v1/jobs/{ids[0]}").json()
    assert (job["reason"], job["priority"]) == ("before_start", 8)
    assert datetime.fromisoformat(job["deadline_at"]) == deadline
    page = api.get(f"/jobs/{ids[0]}", headers={"Accept-Language": "en"}).text
    assert "Its campaign starts at" in page
    assert "所属批次开始时间" in api.get(f"/jobs/{ids[0]}", headers={"Accept-Language": "zh"}).text

    now = datetime.now(UTC)
    quiet = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    changed = api.patch("/v1/campaigns/lamps", json={"start_at": None, "quiet_hours": quiet, "max_concurrent": 2})
    pace = changed.json()["pace"]
    assert (pace["start_at"], pace["quiet_hours"], pace["time_zone"], pace["waits_for"]) == (
        *(None, quiet, "UTC", "quiet_hours"),
    )
    assert (pace["max_concurrent"], pace["in_use"]) == (2, 0)
    assert api.patch("/v1/campaigns/lamps", json={"weight": 2}).json()["pace"] == pace, "left out: unchanged"
    freed = api.patch("/v1/campaigns/lamps", json={"quiet_hours": None, "max_concurrent": None}).json()["pace"]
    assert set(freed.values()) == {None}


def test_proofs_are_planned_stored_and_remembered(api: httpx.Client) -> None:
    plan = post(api, "/v1/campaigns/plan", proof=True)
    assert (plan["proofs"]["finals"], plan["proofs"]["as_asked"]) == (1, 1)
    assert post(api, "/v1/campaigns/plan")["proofs"] is None
    ids = post(api, proof=True)["ids"]
    assert [api.get(f"/v1/jobs/{job_id}").json()["request"]["resolution"] for job_id in ids] == ["480p", "480p"]
    assert api.get("/v1/campaigns/lamps").json()["proof"] is True
    assert post(api)["created"] == 0, "the same rows again are the same proofs"
    post(api, name="other")
    assert refused(api, name="other", proof=True)[0][0] == "proof"


def test_what_cannot_be_read_is_refused_by_name(api: httpx.Client) -> None:
    assert refused(api, start_at="tomorrow")[0][0] == "start_at"
    assert refused(api, quiet_hours="22-7")[0][0] == "quiet_hours"
    assert refused(api, quiet_hours="22:00-07:00", time_zone="Mars/Olympus")[0][0] == "time_zone"
    assert refused(api, deadline="2020-01-01 10:00")[0] == ("deadline", "has passed: 2020-01-01 10:00")
    assert api.post("/v1/campaigns?name=a&priority=10", content=SHEET, headers=CSV).status_code == 422
    assert api.post("/v1/campaigns?name=a&max_concurrent=0", content=SHEET, headers=CSV).status_code == 422
    post(api)
    assert api.patch("/v1/campaigns/lamps", json={"max_concurrent": 0}).status_code == 422
    assert api.patch("/v1/campaigns/lamps", json={"quiet_hours": "x"}).status_code == 422

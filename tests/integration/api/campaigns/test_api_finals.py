"""Finals over the API: made of a draft once, with what a final may set, and linked both ways."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from producer import Producer
from storage.settings import Settings
from tests.integration.api.api_server import S, bring, serving

ARK = {"accounts": [{"name": "main", "gateway": "ark", "api_key": "sk-secret-of-main"}]}
DRAFT = {"prompt": "a red fox", "model": "seedance-2.5", "draft": True, "duration": 5}


@pytest.fixture
def configured(settings: Settings) -> Settings:
    return Settings.model_validate(settings.model_dump() | ARK)


@pytest.fixture
def ark(configured: Settings) -> Iterator[httpx.Client]:
    with serving(configured) as client:
        yield client


def test_a_draft_is_made_final_over_the_api(ark: httpx.Client, producer: Producer) -> None:
    draft = ark.post("/v1/jobs", json=DRAFT | {"tags": ["spring"]}).json()
    path = f"/v1/jobs/{draft['id']}"
    assert (draft["request"]["resolution"], draft["finals"]) == ("480p", [])
    assert ark.post(f"{path}/finalize").status_code == 409, "it has not succeeded"
    ends_at = (datetime.now(UTC) + timedelta(days=6)).isoformat()
    bring(producer, draft["id"], S.SUCCEEDED, draft_ends_at=ends_at)
    assert ark.get(path).json()["links"]["finalize"] == f"{path}/finalize"

    first = ark.post(f"{path}/finalize", json={"output_format": "mov"})
    assert first.status_code == 202, first.text
    final = first.json()
    assert (final["draft_of"], final["account_pin"], final["tags"]) == (draft["id"], "main", ["spring"])
    assert (final["request"]["resolution"], final["links"]["draft"]) == ("1080p", path)
    again = ark.post(f"{path}/finalize", json={"output_format": "mov"})
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (final["id"], "true")
    assert ark.get(path).json()["finals"] == [final["id"]]

    keyed = [ark.post(f"{path}/finalize", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert keyed[0].json()["id"] == keyed[1].json()["id"] != final["id"]
    row: dict[str, Any] = {"draft_of": draft["id"], "idempotency_key": "k"}
    same = ark.post("/v1/jobs", json=row)
    assert same.status_code == 202, same.text
    assert same.json()["id"] == keyed[0].json()["id"], "the same final, as a row"
    refused = ark.post("/v1/jobs", json=row | {"prompt": "another fox"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "prompt")
    wrong = ark.post(f"{path}/finalize", json={"resolution": "4k"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "resolution")

    page = ark.get(f"/jobs/{draft['id']}").text
    assert f'action="/jobs/{draft["id"]}/finalize"' in page and f'href="/jobs/{final["id"]}"' in page
    assert f'href="/jobs/{draft["id"]}"' in ark.get(f"/jobs/{final['id']}").text


def test_a_job_that_is_no_draft_is_generated_again_only_on_request(ark: httpx.Client, producer: Producer) -> None:
    look = ark.post("/v1/jobs", json={"prompt": "a red fox", "resolution": "480p"}).json()
    bring(producer, look["id"], S.SUCCEEDED)
    path = f"/v1/jobs/{look['id']}/finalize"
    refused = ark.post(path)
    assert refused.status_code == 409 and "will differ" in refused.json()["detail"]
    made = ark.post(path, json={"regenerate": True}).json()
    assert (made["request"]["resolution"], made["draft_of"]) == ("1080p", None)
    assert made["metadata"] == {"final_of_look": look["id"]}


def test_a_final_that_failed_is_made_again_only_while_nothing_of_it_was_billed(
    ark: httpx.Client, producer: Producer
) -> None:
    draft = ark.post("/v1/jobs", json=DRAFT).json()
    ends_at = (datetime.now(UTC) + timedelta(days=6)).isoformat()
    bring(producer, draft["id"], S.SUCCEEDED, draft_ends_at=ends_at)
    path = f"/v1/jobs/{draft['id']}/finalize"
    first = ark.post(path).json()
    bring(producer, first["id"], S.FAILED)
    second = ark.post(path).json()
    assert second["id"] != first["id"] and second["metadata"]["retry_of"] == first["id"]
    assert ark.post(path).json()["id"] == second["id"], "it is being made"
    bring(producer, second["id"], S.FAILED, cost={"amount": 1.0, "currency": "USD", "tokens": None, "basis": "own"})
    again = ark.post(path)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (second["id"], "true"), "perhaps billed"
    third = ark.post(f"/v1/jobs/{second['id']}/retry").json()
    assert third["id"] not in (first["id"], second["id"]), "a person may decide to pay again"
    assert len(ark.get(f"/v1/jobs/{draft['id']}").json()["finals"]) == 3

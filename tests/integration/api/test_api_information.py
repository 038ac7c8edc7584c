"""Estimates, capabilities, accounts, and the API's own description."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from storage.admission.circuit_breaker import Cause
from storage.database import connect
from storage.settings import Settings
from tests.claiming import close_account
from tests.integration.api.api_server import serving

GUIDE = Path(__file__).parents[3] / "docs/api.md"
METHODS = ("get", "post", "put", "patch", "delete")


def test_an_estimate_equals_that_of_the_job(api: httpx.Client) -> None:
    job = {"prompt": "a", "duration": 5, "resolution": "720p", "ratio": "16:9"}
    found = api.post("/v1/estimate", json=job).json()
    assert found["chosen"] == "main"
    assert (found["estimate"]["currency"], found["estimate"]["low"], found["estimate"]["high"]) == ("USD", 2.5, 2.5)
    assert [item["can_serve"] for item in found["accounts"]] == [True]
    assert api.get("/v1/jobs").json()["data"] == []
    assert api.post("/v1/jobs", json=job).json()["estimate"] == found["estimate"]
    refused = api.post("/v1/estimate", json=job | {"resolution": "4k"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "resolution")
    assert api.post("/v1/estimate", json=job | {"first_frame": "/etc/passwd"}).status_code == 422


def test_capabilities_match_the_gateways(api: httpx.Client) -> None:
    [found] = api.get("/v1/capabilities").json()["accounts"]
    assert (found["name"], found["gateway"]) == ("main", "anyfast")
    assert "720p" in found["capabilities"]["tiers"]["standard"]["resolutions"]


def test_accounts_show_their_state_and_no_secrets(settings: Settings) -> None:
    account = {
        "name": "main",
        "gateway": "anyfast",
        "api_key": "sk-secret",
        "base_url": "https://a.example/x",
    }
    configured = Settings.model_validate(settings.model_dump() | {"accounts": [account]})
    with connect(settings.require_database_url()) as conn:
        close_account(conn, "main", Cause.ACCOUNT, "top up", code="no_credit")
    with serving(configured) as api:
        answer = api.get("/v1/accounts")
    [found] = answer.json()["accounts"]
    assert (found["state"], found["error"]["code"], found["base_url"]) == (
        "suspended",
        "no_credit",
        "https://a.example/x",
    )
    assert "secret" not in answer.text


def described(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                yield method.upper(), path, operations[method]


def test_openapi_describes_every_route(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    named = set(re.findall(r'#/components/schemas/([^"\']+)', str(document)))
    assert named <= set(schemas)
    assert "HTTPValidationError" not in schemas
    for method, path, operation in described(document):
        if not path.startswith("/v1/"):
            continue
        assert operation.get("description") or operation.get("summary"), path
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
    examples = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        assert api.post("/v1/jobs", json=example["value"]).status_code == 202, example


def test_every_answer_has_the_fields_that_openapi_promises(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    job = api.post("/v1/jobs", json={"prompt": "a"}).json()
    schema = document["components"]["schemas"]["JobResource"]
    assert set(schema["required"]) == set(job) == set(schema["properties"])
    problem = api.get("/v1/jobs/none").json()
    schema = document["components"]["schemas"]["ProblemDetails"]
    assert set(schema["required"]) <= set(problem) <= set(schema["properties"])


def test_the_guide_names_every_route_and_no_other(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    routes = {
        (
            method,
            re.sub(r"\{(?:job|video|endpoint|message|file|batch)_id\}", "{id}", path.replace("{name:path}", "{name}")),
        )
        for method, path, _ in described(document)
        if path.startswith("/v1/")
    }
    written = set(re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`?\s]+)[^`]*`", GUIDE.read_text(encoding="utf-8")))
    assert written == routes

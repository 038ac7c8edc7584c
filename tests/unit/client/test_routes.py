"""The client against `/openapi.json`: it reaches every route, sends only what routes take, and knows every member."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from fnmatch import fnmatch
from inspect import getattr_static
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter
from reelq_client.core.bodies import Body
from reelq_client.core.errors import ConfigurationError, NotFound, api_error
from reelq_client.core.event_feed import Subscription
from reelq_client.core.requests import Request, StoredFile
from reelq_client.models import (
    access,
    assets,
    campaign_rows,
    campaigns,
    events,
    explanations,
    jobs,
    problems,
    results,
    uploads,
    webhooks,
    words,
)
from reelq_client.models.fields import JobFields
from reelq_client.routes.access import (
    CapabilityRoutes,
    DecisionRoutes,
    EventRoutes,
    HealthRoutes,
    KeyRoutes,
    TenantRoutes,
)
from reelq_client.routes.accounts import AccountRoutes
from reelq_client.routes.assets import AssetRoutes
from reelq_client.routes.campaign_rows import EVERY_ROW, Choice
from reelq_client.routes.campaigns import CampaignRoutes
from reelq_client.routes.jobs import JobRoutes
from reelq_client.routes.uploads import UploadRoutes
from reelq_client.routes.webhooks import EndpointRoutes, MessageRoutes, WebhookRoutes

from producer.api.app import create_app
from storage.jobs.events.small_jobs import SmallJob
from storage.settings import Settings

ROOMS: Mapping[str, type] = {
    "jobs": JobRoutes,
    "campaigns": CampaignRoutes,
    "uploads": UploadRoutes,
    "keys": KeyRoutes,
    "decisions": DecisionRoutes,
    "tenant": TenantRoutes,
    "accounts": AccountRoutes,
    "assets": AssetRoutes,
    "capabilities": CapabilityRoutes,
    "events": EventRoutes,
    "health": HealthRoutes,
    "webhook_endpoints": EndpointRoutes,
    "webhook_messages": MessageRoutes,
    "webhooks": WebhookRoutes,
}
"""The routes of the client by the first part of the operation's name."""
OTHERS = ("/v1/videos", "/v1/files", "/v1/batches", "/v1/models", "/callbacks/")
"""Routes for other programs: OpenAI's clients, and gateways. `/api/v3` (Ark's clients) and `/mcp` (agents) are not in
the document."""
JOB, WHEN = UUID(int=1), datetime.fromisoformat("2030-01-31T18:00:00+00:00")
CALLS: Mapping[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "jobs_create": (("a fox",), {"duration": 5}),
    "jobs_create_many": (([{"prompt": "a fox"}],), {"partial": True, "map": ["a=prompt"], "sheet": "s"}),
    "jobs_get": ((JOB,), {"wait": 5}),
    "jobs_list": ((), {"state": ["failed"], "tag": "a", "created_after": WHEN, "limit": 5, "campaign": "spring"}),
    "jobs_cancel": ((JOB,), {"discard": True}),
    "jobs_resolve": ((JOB, "abandon"), {}),
    "jobs_finalize": ((JOB,), {"resolution": "1080p", "regenerate": True, "model": "seedance-2.5"}),
    "jobs_estimate": (("a fox",), {}),
    "jobs_explain": (([{"prompt": "a fox"}],), {"account": "a", "map": ["a=prompt"], "sheet": "s"}),
    "capabilities_models": ((), {"account": "a"}),
    "jobs_timeline": ((JOB,), {"after": 3}),
    "campaigns_plan": (
        ([{"prompt": "a"}],),
        {"name": "s", "budget": "1 CNY", "fetch": True, "key": "SKU", "proof": True, "priority": 3},
    ),
    "campaigns_plan_errors": (
        ([{"prompt": "a"}], "errors.jsonl"),
        {"name": "s", "fetch": True, "key": "SKU", "proof": True, "priority": 3},
    ),
    "campaigns_create": (
        ("s", [{"prompt": "a"}]),
        {
            "first": 1,
            "paused": True,
            "weight": 2,
            "template": "a: b",
            "quiet_hours": "22:00-07:00",
            "max_concurrent": 2,
            "notify": ["a@shop.example"],
            "skip_bad": True,
            "fetch": True,
        },
    ),
    "campaigns_list": ((), {"limit": 5}),
    "campaigns_update": (
        ("s",),
        {
            "budget": "none",
            "weight": 2,
            "start_at": WHEN,
            "max_concurrent": "none",
            "time_zone": "UTC",
            "notify": ["a@shop.example"],
        },
    ),
    "campaigns_approve": (("s", Choice(rows="2")), {"comment": "a"}),
    "campaigns_reject": (("s", Choice(keys=["a"])), {"dry_run": True}),
    "campaigns_reroll": (("s", Choice(ids=[JOB], states=["failed"])), {}),
    "campaigns_retry": (("s",), {}),
    "campaigns_set": (("s", EVERY_ROW, {"priority": 9}), {}),
    "campaigns_rows": (("s",), {"state": ["failed"], "review": ["open"], "key": ["a"], "numbers": "2"}),
    "campaigns_videos": (("s",), {"file_name": "{key}.mp4", "state": ["succeeded"]}),
    "campaigns_row": (("s", JOB), {}),
    "campaigns_manifest": (("s",), {"links_for": timedelta(hours=1)}),
    "decisions_list": ((), {"limit": 5}),
    "keys_create": (("backend",), {"expires_in_seconds": 60, "tenant": "acme"}),
    "keys_rotate": (("0123",), {"overlap_seconds": 60, "expires_in_seconds": 60}),
    "keys_revoke": (("0123",), {}),
    "keys_set_purse": (("0123", "20 USD"), {}),
    "accounts_create": (("a", "ark", "KEY"), {"tenants": ["acme"], "max_in_flight": 2, "callbacks": True}),
    "accounts_update": (("a", {"max_in_flight": 2}), {}),
    "accounts_rekey": (("a", "KEY"), {"user_token": "t", "webhook_secret": "w", "revoked": True}),
    "accounts_delete": (("a",), {"drain": True}),
    "uploads_create": ((b"x",), {"name": "x.png", "content_type": "image/png"}),
    "assets_upload": ((b"x",), {"account": "a", "group": "g", "wait": 5, "name": "x.png"}),
    "assets_list": ((), {"account": "a", "remote": True}),
    "uploads_list": ((), {"limit": 5}),
    "campaigns_export": (
        ("s", "csv"),
        {"state": ["failed"], "review": ["open"], "posters": False, "language": "zh", "links_for": timedelta(days=1)},
    ),
    "campaigns_sheet": (("s",), {"state": "failed", "review": "open", "language": "zh"}),
    "campaigns_share": (("s",), {"days": 2.5, "approved_only": True}),
    "campaigns_revoke_share": (("s", JOB), {}),
    "events_stream": ((), {"after": "1234.1180-1185", "campaign": "s", "state": ["failed"], "tag": ["a"]}),
    "webhook_endpoints_create": (("https://shop.example/hook",), {"events": ["job.failed"]}),
    "webhook_endpoints_update": ((JOB,), {"disabled": True, "events": []}),
    "webhook_endpoints_rotate": ((JOB,), {"overlap_seconds": 0.0}),
    "webhook_messages_list": ((), {"state": "dead", "since": WHEN, "type": "job.failed", "endpoint_id": JOB}),
    "webhook_messages_get": (("msg_0",), {}),
    "webhook_messages_replay": (("msg_0",), {}),
    "webhook_messages_replay_many": ((), {"dead": True, "since": WHEN, "endpoint_id": JOB}),
    "webhooks_test": ((), {"url": "https://shop.example/hook"}),
}
"""Arguments that use what each route takes."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = Settings(database_url="postgresql://127.0.0.1/none", broker_url="redis://127.0.0.1")
    return create_app(settings).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not path.startswith(OTHERS):
                yield method.upper(), path, operation


def method_of(operation_id: str) -> Any:
    room = max((name for name in ROOMS if operation_id.startswith(f"{name}_")), key=len, default="")
    assert room, f"{operation_id}: the client has no such routes; add them in client/reelq_client/routes"
    binding = getattr_static(ROOMS[room], operation_id.removeprefix(f"{room}_"), None)
    assert binding is not None, f"{operation_id}: {ROOMS[room].__name__} has no method of that name"
    return binding._function


def request_of(operation: dict[str, Any]) -> Request:
    """The request that the client sends for an operation."""
    needs = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"]
    positional, named = CALLS.get(
        operation["operationId"], ((JOB if "_id" in "".join(needs) else "s",) * len(needs), {})
    )
    made = method_of(operation["operationId"])(None, *positional, **named)
    if isinstance(made, Subscription | StoredFile):
        return made.request
    step = next(made(None) if callable(made) else made)
    assert isinstance(step, Request)
    return step


def test_every_route_is_reached_as_openapi_describes_it(document: dict[str, Any]) -> None:
    seen = set()
    for method, path, operation in operations(document):
        asked = request_of(operation)
        assert (asked.method, asked.route, asked.operation) == (method, path, operation["operationId"])
        known = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"}
        assert {name for name, _ in asked.parameters} <= known, operation["operationId"]
        body = operation.get("requestBody", {}).get("content", {})
        if asked.body is not None:
            kinds = {kind for kind in body if fnmatch(asked.body.content_type, kind)}
            assert kinds, operation["operationId"]
        if isinstance(asked.json, dict):
            name = body["application/json"]["schema"]["$ref"].rpartition("/")[2]
            properties = document["components"]["schemas"][name]["properties"]
            assert asked.json.keys() <= properties.keys(), operation["operationId"]
        seen.add(operation["operationId"])
    assert set(CALLS) <= seen


@pytest.mark.parametrize("method", ["cancel_rows", "resume_rows"])
def test_a_choice_of_nothing_never_means_the_whole_campaign(method: str) -> None:
    with pytest.raises(ConfigurationError, match="choose rows"):
        getattr_static(CampaignRoutes, method)._function(None, "s", Choice())
    step = next(getattr_static(CampaignRoutes, method)._function(None, "s", EVERY_ROW))
    assert step.json["all"] is True and step.json["operation"]


NAMED: Mapping[str, type[BaseModel]] = {
    "JobResource": jobs.Job,
    "ProblemDetails": problems.Problem,
    "CampaignResource": campaigns.Campaign,
    "BudgetResource": campaigns.Budget,
    "PaceResource": campaigns.Pace,
    "PlanResource": campaigns.Plan,
    "TenantResource": access.Tenant,
    "AccountResource": access.Account,
    "KeyResource": access.Key,
    "NewKeyResource": access.CreatedKey,
    "DecisionResource": access.Decision,
    "HealthReport": access.Health,
    "ReadinessReport": access.Readiness,
    "EndpointResource": webhooks.Endpoint,
    "MessageResource": webhooks.Message,
    "PurseResource": access.Purse,
    "KeyPurseResource": access.KeyPurse,
    "UploadResource": uploads.Upload,
    "ShareResource": results.Share,
}


def models() -> Iterator[tuple[str, type[BaseModel]]]:
    yield from NAMED.items()
    for module in (access, assets, campaign_rows, campaigns, explanations, jobs, problems, results, uploads, webhooks):
        for name, found in vars(module).items():
            if isinstance(found, type) and issubclass(found, BaseModel) and found.__module__ == module.__name__:
                yield name, found


def test_every_member_of_every_answer_is_an_attribute(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    compared = 0
    for name, model in models():
        if (schema := schemas.get(name)) is None:
            continue
        compared += 1
        assert set(schema["properties"]) == set(model.model_fields), name
        for member, item in schema["properties"].items():
            field = model.model_fields[member]
            may_be_null = {"type": "null"} in item.get("anyOf", ())
            takes_none = type(None) in get_args(field.annotation)
            assert takes_none or not may_be_null, (name, member)
            assert not field.is_required() or member in schema.get("required", ()), (name, member)
    assert compared > 40


def literals(annotation: Any) -> set[Any]:
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*(literals(item) for item in get_args(annotation)), set())


def enum_of(schema: dict[str, Any]) -> set[Any]:
    return set(schema.get("enum", ())).union(*(enum_of(item) for item in schema.get("anyOf", ())))


def test_the_fields_of_a_job_are_those_of_the_api(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["JobSpec"]["properties"]
    hints = TypeAdapter(JobFields).json_schema()["properties"]
    assert hints.keys() == properties.keys()
    for name, schema in properties.items():
        assert enum_of(hints[name]) == enum_of(schema), name


@pytest.mark.parametrize("name", ["JobState", "Scope", "EventType", "MessageState", "Review"])
def test_words_are_those_of_the_api(document: dict[str, Any], name: str) -> None:
    assert set(get_args(getattr(words, name))) == set(document["components"]["schemas"][name]["enum"])


def test_the_job_of_an_event_is_the_servers() -> None:
    names = {item.name for item in fields(SmallJob)} - {"has_video", "tenant"} | {"links"}
    assert set(events.EventJob.model_fields) == names


def test_a_newer_servers_words_and_members_are_kept() -> None:
    event = jobs.JobEvent.model_validate_json(
        f'{{"id": 1, "job_id": "{JOB}", "at": "2030-01-31T18:00:00Z", "source": null, "target": "dreaming",'
        ' "reason": "x", "detail": null, "actor": null, "new": 1}'
    )
    assert str(event.target) == "dreaming" and event.model_extra == {"new": 1}


def test_an_answer_that_is_no_answer_of_the_api_says_so() -> None:
    page = b"<!doctype html>\n<html><head><title>Flower</title></head><body>404, not found</body></html>"
    error = api_error(404, {}, page)
    assert isinstance(error, NotFound)
    said = "the answer is not in reelq's form; check the URL of the API, and any proxy: Flower 404, not found"
    assert str(error) == f"{said} (http_404, HTTP 404)"


def test_a_directory_in_place_of_a_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}: is a directory; give a file"):
        Body(tmp_path)
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        Body(tmp_path / "none.png")

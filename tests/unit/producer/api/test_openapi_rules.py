"""`/openapi.json` is fit for generators: names that stay, schemas with names, limits, streams that are only streams."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from producer.api.app import create_app
from producer.api.openapi.operation_ids import OPERATION_IDS
from storage.settings import Settings

JSON, STREAM = "application/json", "text/event-stream"
LIMITS = {
    "integer": [{"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}],
    "number": [{"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}],
    "string": [{"maxLength", "format", "pattern", "enum", "const"}],
    "array": [{"maxItems"}],
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = Settings(database_url="postgresql://127.0.0.1/none", broker_url="redis://127.0.0.1")
    return create_app(settings).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_has_a_name_of_its_own_that_stays(document: dict[str, Any]) -> None:
    found = {(method, path): operation["operationId"] for method, path, operation in operations(document)}
    assert len(set(found.values())) == len(found)
    for name in found.values():
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", name), name
    assert found == dict(OPERATION_IDS), "give every route its name in producer/api/openapi/operation_ids.py"


def test_every_body_and_answer_is_a_schema_with_a_name(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        bodies = operation.get("requestBody", {}).get("content", {})
        answers = [answer.get("content", {}) for answer in operation["responses"].values()]
        for content in (bodies, *answers):
            for kind, item in content.items():
                is_form = kind == "multipart/form-data"
                is_json = "json" in kind and kind != "application/x-ndjson" and not path.startswith("/callbacks/")
                if is_form or is_json:
                    assert set(item["schema"]) == {"$ref"}, (method, path, kind)


def test_a_stream_is_only_a_stream(document: dict[str, Any]) -> None:
    streams = set()
    for method, path, operation in operations(document):
        content = operation["responses"].get("200", {}).get("content", {})
        if STREAM in content:
            streams.add(path)
            assert set(content) == {STREAM}, (method, path)
        if {"video/mp4", "image/jpeg", "application/x-ndjson"} & set(content):
            assert JSON not in content, (method, path)
    assert streams >= {"/v1/events", "/v1/jobs/{job_id}/events"}


@pytest.mark.parametrize("path", ["/v1/jobs/batch", "/v1/campaigns", "/v1/campaigns/plan"])
def test_many_jobs_may_be_lines_and_an_array(document: dict[str, Any], path: str) -> None:
    content = document["paths"][path]["post"]["requestBody"]["content"]
    array = document["components"]["schemas"][content[JSON]["schema"]["$ref"].rpartition("/")[2]]
    assert (array["type"], array["minItems"]) == ("array", 1)
    assert {"application/x-ndjson", "text/csv"} < set(content)


def test_parameters_and_bodies_have_limits(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    without: list[str] = []
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] != "header":
                without += unlimited(parameter["schema"], f"{method} {path} {parameter['name']}", schemas)
        for kind, item in operation.get("requestBody", {}).get("content", {}).items():
            if "$ref" in item["schema"]:
                without += unlimited(item["schema"], f"{method} {path} {kind}", schemas)
    assert not without


def unlimited(
    schema: dict[str, Any], where: str, schemas: dict[str, Any], outer: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Every value in a schema that has no limit; `outer`: the limits of the schema whose choice it is."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name != "JsonValue":
            yield from unlimited(schemas[name], f"{where} {name}", schemas)
        return
    if "enum" in schema or "const" in schema:
        return
    limits = outer | schema.keys()
    for needed in LIMITS.get(schema.get("type", ""), ()):
        if not needed & limits:
            yield where
    for choice in schema.get("anyOf", ()):
        if "type" in choice or "$ref" in choice:
            yield from unlimited(choice, where, schemas, limits)
    if "items" in schema:
        yield from unlimited(schema["items"], f"{where}[]", schemas)
    for name, member in schema.get("properties", {}).items():
        yield from unlimited(member, f"{where}.{name}", schemas)

"""The programs beside the routes: commands that a shell reads, and code that compiles."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from typing import Any

import pytest

from producer.api.app import create_app
from producer.api.openapi.code_samples import _PROGRAMS, FIELD
from storage.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    settings = Settings(database_url="postgresql://127.0.0.1/none", broker_url="redis://127.0.0.1")
    return create_app(settings).openapi()


def test_every_route_has_a_command_that_calls_it(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            command, *_ = operation[FIELD]
            words = shlex.split(command["source"].replace("\\\n", " "))
            assert command["label"] == words[0] == "curl"
            assert next(word for word in words if word.startswith("http")).endswith(path)
            assert ("-X" in words) == (method != "get")
            content = operation.get("requestBody", {}).get("content", {})
            data = [word for option, word in pairwise(words) if option == "--data-binary"]
            assert bool(data) == (bool(content) and "multipart/form-data" not in content)
            if (
                data
                and "application/json" in content
                and next(iter(content)) == "application/json"
                and data[0] != "{ … }"
            ):
                json.loads(data[0])


def test_the_programs_are_for_routes_that_exist_and_compile(document: dict[str, Any]) -> None:
    for method, path in _PROGRAMS:
        samples = {item["lang"]: item["source"] for item in document["paths"][path][method][FIELD]}
        compile(samples["Python"], path, "exec")
        assert "from reelq_client import Reelq" in samples["Python"]
        if "TypeScript" in samples:
            assert 'import { Reelq } from "@reelq/client";' in samples["TypeScript"]
            assert samples["TypeScript"].count("(") == samples["TypeScript"].count(")")

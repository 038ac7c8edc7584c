"""Clients that others make or generate, against the real API: the `openai` package for Node, and two generators.

`make client-ts` installs what they need and sets the variable; `make test` leaves them out.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from producer.client import Producer
from storage.settings import Settings
from tests.integration.typescript.node import GENERATORS, api_for_programs, build, run
from tests.openapi_document import document
from tests.servers import TestServers

GENERATOR = GENERATORS / ".venv" / "bin" / "openapi-python-client"

pytestmark = pytest.mark.skipif("GENERATED_CLIENTS" not in os.environ, reason="only with `make client-ts`")


@pytest.fixture
def description(tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    return path


def test_a_generated_typescript_client(
    configured: Settings, producer: Producer, servers: TestServers, description: Path
) -> None:
    build()
    run(["node", "generate.mjs", description], GENERATORS)
    with api_for_programs(configured, producer, servers) as environment:
        run(["node", "--test", "heyapi.test.mjs"], GENERATORS, **environment)


def test_a_generated_python_client(
    configured: Settings, producer: Producer, servers: TestServers, description: Path
) -> None:
    """The generator leaves out no route, and complains of nothing but media types of sheets and JSONL."""
    generate: list[str | Path] = [GENERATOR, "generate", "--path", description, "--overwrite"]
    said = run([*generate, "--output-path", "build/generated", "--meta", "none", "--config", "python.yaml"], GENERATORS)
    complaints = re.findall(r"Unsupported content type \S+|Unsupported content_type [^)]+", said)
    assert len(complaints) == len(re.findall(r"^(?:WARNING|ERROR)", said, re.MULTILINE))
    assert all(re.search("ndjson|csv|ms-excel|spreadsheet", complaint) for complaint in complaints)
    routes = {path.stem for path in (GENERATORS / "build" / "generated" / "api").glob("*/*.py")} - {"__init__"}
    described = json.loads(description.read_text(encoding="utf-8"))
    assert routes == {one["operationId"] for methods in described["paths"].values() for one in methods.values()}
    with api_for_programs(configured, producer, servers) as environment:
        python = GENERATORS / ".venv" / "bin" / "python"
        run([python, "python_client.py"], GENERATORS, PYTHONPATH=str(GENERATORS / "build"), **environment)


def test_the_openai_package_for_node(configured: Settings, producer: Producer, servers: TestServers) -> None:
    build()
    with api_for_programs(configured, producer, servers) as environment:
        run(["node", "--test", "openai.test.mjs"], GENERATORS, **environment)

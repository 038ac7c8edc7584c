"""@reelq/client in Node: its tests, against the real API, and its types."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from producer.client import Producer
from storage.settings import Settings
from tests.integration.typescript.guide import write_examples
from tests.integration.typescript.node import CLIENT, NODE, api_for_programs, build, run
from tests.servers import TestServers

FROM_SOURCE: tuple[str | Path, ...] = (NODE, "-C", "source", "--test")

needs_packages = pytest.mark.skipif(
    shutil.which("node") is None or not (CLIENT / "node_modules").is_dir(),
    reason="needs Node and the packages that `make client-ts` installs",
)


def programs_in(folder: str) -> list[Path]:
    found = sorted((CLIENT / "tests" / folder).glob("*.test.mjs"))
    assert found
    return found


def test_without_a_server() -> None:
    run((*FROM_SOURCE, *programs_in("alone")), CLIENT)


def test_against_the_api(configured: Settings, producer: Producer, servers: TestServers) -> None:
    with api_for_programs(configured, producer, servers) as environment:
        run((*FROM_SOURCE, "--test-concurrency=1", *programs_in("api")), CLIENT, **environment)


@needs_packages
def test_the_built_package_in_this_machines_node() -> None:
    build()
    run(["node", "--test", *programs_in("alone"), *programs_in("built")], CLIENT)


@needs_packages
@pytest.mark.parametrize("where", ["pages", "node"])
def test_types_accept_good_programs_and_refuse_bad_ones(where: str) -> None:
    build()
    run(["node", "node_modules/typescript/lib/tsc.js", "-p", f"tests/types/{where}"], CLIENT)


@needs_packages
def test_the_examples_of_the_guide_compile() -> None:
    build()
    run(["node", "node_modules/typescript/lib/tsc.js", "-p", write_examples()], CLIENT)

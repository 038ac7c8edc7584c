"""@reelq/client in Node, against the real API: `client-ts/tests` runs here, and so does its type check."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from producer.client import Producer
from storage.settings import Settings
from tests.integration.typescript.node import CLIENT, api_for_programs, build, run
from tests.servers import TestServers

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node"),
    pytest.mark.skipif(
        not (CLIENT / "node_modules").is_dir(), reason="needs the packages that `make client-ts` installs"
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    build()


def programs_in(folder: str) -> list[Path]:
    found = sorted((CLIENT / "tests" / folder).glob("*.test.mjs"))
    assert found
    return found


def test_without_a_server() -> None:
    run(["node", "--test", *programs_in("alone")], CLIENT)


@pytest.mark.parametrize("where", ["pages", "node"])
def test_types_accept_good_programs_and_refuse_bad_ones(where: str) -> None:
    run(["node", "node_modules/typescript/lib/tsc.js", "-p", f"tests/types/{where}"], CLIENT)


def test_against_the_api(configured: Settings, producer: Producer, servers: TestServers) -> None:
    with api_for_programs(configured, producer, servers) as environment:
        run(["node", "--test", "--test-concurrency=1", *programs_in("api")], CLIENT, **environment)

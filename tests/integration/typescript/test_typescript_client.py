"""@reelq/client in Node, against the real API: `client-ts/tests` runs here, and so does its type check."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.database import connect
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving
from tests.integration.typescript.worker_door import worker_door
from tests.servers import Bucket

CLIENT = Path(__file__).parents[3] / "client-ts"
LIMIT_S = 500.0
"""Fifteen seconds on an idle machine."""

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node"),
    pytest.mark.skipif(not (CLIENT / "node_modules").is_dir(), reason="needs the packages that `make client-ts` installs"),
]


def node(*arguments: str, **environment: str) -> None:
    """Run Node in the client's folder; what it prints is shown if it fails."""
    done = subprocess.run(
        ["node", *arguments],
        cwd=CLIENT,
        env=_without_settings(os.environ) | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("REELQ_")}


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """The package as it is published, from the sources as they are."""
    made = CLIENT / "dist" / "cjs" / "package.json"
    sources = [*(CLIENT / "src").rglob("*.ts"), CLIENT / "tsconfig.json"]
    if not made.exists() or max(path.stat().st_mtime for path in sources) > made.stat().st_mtime:
        node("scripts/build.mjs")


def test_without_a_server() -> None:
    node("--test", *map(str, sorted((CLIENT / "tests" / "alone").glob("*.test.mjs"))))


def test_types_accept_good_programs_and_refuse_bad_ones() -> None:
    node("node_modules/typescript/lib/tsc.js", "-p", "tests/types")


def test_against_the_api(configured: Settings, producer: Producer, s3: Bucket) -> None:
    Objects(configured).ensure_bucket()
    with connect(configured.require_database_url()) as conn:
        own, other = (
            keys.new_key(conn, tenant, "test", ["enqueue", "read", "admin"])[0] for tenant in ("default", "other")
        )
    with serving(configured) as api, worker_door(producer, s3) as door:
        node(
            "--test",
            "--test-concurrency=1",
            *map(str, sorted((CLIENT / "tests" / "api").glob("*.test.mjs"))),
            REELQ_API_URL=str(api.base_url).rstrip("/"),
            REELQ_API_KEY=own,
            TEST_OTHER_KEY=other,
            TEST_CONTROL_URL=door,
        )

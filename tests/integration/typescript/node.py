"""Runs programs in Node, against the API or alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import playwright

from producer.client import Producer
from storage.database import connect
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving
from tests.integration.typescript.worker_door import worker_door
from tests.servers import TestServers

NODE = Path(playwright.__file__).parent / "driver" / "node"
"""The Node that comes with playwright, which runs TypeScript: what needs no package of npm is tested everywhere."""
CLIENT = Path(__file__).parents[3] / "client-ts"
GENERATORS = CLIENT / "generators"
LIMIT_S = 500.0
"""Fifteen seconds on an idle machine."""


def run(command: Iterable[str | Path], folder: Path, **environment: str) -> str:
    """Run a program in a folder, and return what it prints, which is shown if it fails."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=own | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    return done.stdout + done.stderr


def build() -> None:
    """Build the package as it is published, from the sources as they are."""
    made = CLIENT / "dist" / "cjs" / "package.json"
    sources = [*(CLIENT / "src").rglob("*.ts"), CLIENT / "tsconfig.json"]
    if not made.exists() or max(path.stat().st_mtime for path in sources) > made.stat().st_mtime:
        run(["node", "scripts/build.mjs"], CLIENT)


@contextmanager
def api_for_programs(configured: Settings, producer: Producer, servers: TestServers) -> Iterator[dict[str, str]]:
    """An API with two tenants, and the worker's door, as variables of the environment."""
    with connect(configured.require_database_url()) as conn:
        own, other = (
            keys.new_key(conn, tenant, "test", ["enqueue", "read", "admin"])[0] for tenant in ("default", "other")
        )
    with serving(configured) as api, worker_door(producer, servers.s3_client, configured.s3_bucket) as door:
        url = str(api.base_url).rstrip("/")
        yield {"REELQ_API_URL": url, "REELQ_API_KEY": own, "TEST_OTHER_KEY": other, "TEST_CONTROL_URL": door}

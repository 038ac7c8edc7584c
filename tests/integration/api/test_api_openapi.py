"""The API against its own description: schemathesis generates valid and invalid requests for every route."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring, serving, with_account

LIMIT_S = 500.0
"""Twenty seconds on an idle machine."""
OPENAPI = Path(__file__).parent / "openapi"


@pytest.mark.slow
def test_every_answer_matches_openapi(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.api.webhooks.TEST_S", 0.05)  # no worker delivers here
    configured = with_account(settings)
    Objects(configured).check_bucket()
    with Producer(configured) as producer:
        for state in JobState:
            job = producer.enqueue("a red fox", duration=5)
            if state not in (JobState.QUEUED, JobState.CANCELLED):
                bring(producer, str(job.id), state)
        producer.enqueue_many([{"prompt": "a red fox"}], campaign="spring")
    with serving(configured) as api:
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(OPENAPI / "schemathesis.toml")]
        done = subprocess.run(
            [*command, "run", f"{api.base_url}/openapi.json", "--no-color"],
            env=os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(OPENAPI)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert api.get("/healthz").status_code == 200
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "Tested: " in done.stdout

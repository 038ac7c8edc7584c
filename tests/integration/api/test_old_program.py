"""An API process that is too old for the schema stores nothing, and says why."""

from __future__ import annotations

import httpx

from storage.database import connect
from storage.revisions import newest_revision
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.waiting import wait_for

JOB = {"prompt": "a fox"}


def set_revision(settings: Settings, revision: str) -> None:
    """Make the schema one that only programs of this revision fit."""
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE alembic_version SET version_num = %s", [revision])
        conn.execute("UPDATE schema_compatibility SET oldest_program = %s", [revision])


def test_no_job_is_taken_while_the_schema_is_too_new(configured: Settings) -> None:
    """Seen: `/readyz` was 503, and POST /v1/jobs went on storing."""
    with serving(configured) as api:
        job = api.post("/v1/jobs", json=JOB).json()
        set_revision(configured, "9999")
        wait_for("jobs are refused", lambda: api.post("/v1/jobs", json=JOB).status_code == 503)
        stored = len(jobs(api))
        for refused in (
            api.post("/v1/jobs", json=JOB),
            api.post("/v1/jobs/batch", content='{"prompt": "b"}'),
            api.post("/v1/campaigns", params={"name": "c"}, content='{"prompt": "b"}'),
            api.post(f"/v1/jobs/{job['id']}/cancel"),
            api.post("/v1/videos", json=JOB),
        ):
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            problem = refused.json()
            assert "is older than the schema" in problem.get("detail", problem["error"]["message"])
            assert problem["error"]["code"] == "schema_new"
        assert len(jobs(api)) == stored, "reading goes on"
        assert "is older than the schema" in api.get("/").text
        set_revision(configured, newest_revision())
        wait_for("jobs are taken again", lambda: api.post("/v1/jobs", json=JOB).status_code == 202)
        assert "is older than the schema" not in api.get("/").text


def jobs(api: httpx.Client) -> list[object]:
    found: list[object] = api.get("/v1/jobs", params={"limit": 200}).json()["data"]
    return found

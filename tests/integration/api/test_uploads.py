"""Uploaded files: for jobs of their own tenant only, limited, and kept as long as a job needs them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.database import Connection, connect
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from storage.uploads.tenant_assets import give_assets
from tests.integration.api.api_server import bring, serving
from tests.media_files import picture
from worker.cleaning.input_removals import sweep_inputs

PNG = {"Content-Type": "image/png"}


@pytest.fixture
def two(configured: Settings) -> dict[str, dict[str, str]]:
    """The headers of a client of each tenant."""
    with connect(configured.require_database_url()) as conn:
        return {name: {"X-API-Key": keys.new_key(conn, name, "test", ["enqueue", "read"])[0]} for name in "ab"}


@pytest.fixture
def api(configured: Settings) -> Iterator[httpx.Client]:
    limited = Settings.model_validate(configured.model_dump() | {"uploads_max_files": 3, "uploads_max_gb": 0.0001})
    with serving(limited) as client:
        yield client


def upload(api: httpx.Client, headers: dict[str, str], content: bytes, **more: Any) -> httpx.Response:
    return api.post("/v1/uploads", content=content, headers=headers | PNG, **more)


def objects_of(configured: Settings) -> set[str]:
    from storage.bucket.boto import make_client

    store = Objects(configured)
    client = make_client(store._session, store.traits.place, store.outbound)
    found = client.list_objects_v2(Bucket=store.bucket, Prefix="inputs/").get("Contents", [])
    return {item["Key"] for item in found}


def test_a_file_is_uploaded_once_and_used_in_jobs_batches_and_campaigns(
    api: httpx.Client, configured: Settings, two: dict[str, dict[str, str]]
) -> None:
    content = picture()
    made = upload(api, two["a"], content, params={"name": "fox.png"})
    assert made.status_code == 201
    file = made.json()
    assert file["url"] == f"upload://{hashlib.sha256(content).hexdigest()}.png"
    assert (file["name"], file["size_bytes"], file["width"], file["in_use"]) == ("fox.png", len(content), 400, False)
    form = api.post("/v1/uploads", files={"file": ("a.png", content, "image/png")}, headers=two["a"])
    assert (form.status_code, form.json()["id"]) == (201, file["id"]), "the same content is the same file"
    assert api.get(made.headers["location"], headers=two["a"]).json()["url"] == file["url"]

    job = {"prompt": "a fox", "first_frame": file["url"]}
    assert api.post("/v1/jobs", json=job, headers=two["a"]).status_code == 202
    rows = json.dumps({"prompt": "b", "reference_images": [file["url"]]})
    assert api.post("/v1/jobs/batch", content=rows, headers=two["a"]).status_code == 202
    assert api.post("/v1/jobs/batch", params={"partial": "true"}, content=rows, headers=two["a"]).status_code == 202
    assert api.post("/v1/campaigns", params={"name": "c"}, content=rows, headers=two["a"]).status_code == 202
    page = api.get("/v1/uploads", headers=two["a"]).json()
    assert [(item["id"], item["in_use"], item["expires_at"]) for item in page["data"]] == [(file["id"], True, None)]
    assert page["totals"] == {"files": 1, "size_bytes": len(content), "max_files": 3, "max_bytes": 100_000}
    assert len(objects_of(configured)) == 1


def test_a_file_that_is_deleted_while_it_is_uploaded_is_a_conflict(
    api: httpx.Client, configured: Settings, two: dict[str, dict[str, str]]
) -> None:
    """Seen: 500, because the file was stored, deleted by another request, and then read."""
    with connect(configured.require_database_url()) as conn:
        conn.execute("""CREATE FUNCTION deletes() RETURNS trigger LANGUAGE plpgsql AS
                        'BEGIN NEW.removed_at = now(); RETURN NEW; END'""")
        conn.execute("""CREATE TRIGGER deletes BEFORE UPDATE OF stored_at ON uploads
                        FOR EACH ROW EXECUTE FUNCTION deletes()""")
    refused = upload(api, two["a"], picture())
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_deleted")
    assert refused.json()["detail"].endswith("was deleted while it was being uploaded")
    with connect(configured.require_database_url()) as conn:
        conn.execute("DROP TRIGGER deletes ON uploads")
    assert upload(api, two["a"], picture()).status_code == 201


def test_a_file_of_another_tenant_is_like_one_that_never_existed(
    api: httpx.Client, configured: Settings, two: dict[str, dict[str, str]]
) -> None:
    """Seen: upload://HASH of another tenant was accepted, so that its content could be made into a video."""
    content = picture(colour=7)
    file = upload(api, two["a"], content).json()
    never = f"upload://{hashlib.sha256(b'never').hexdigest()}.png"

    def answers(url: str) -> list[tuple[int, str]]:
        job = {"prompt": "a", "first_frame": url}
        found = [
            api.post("/v1/jobs", json=job, headers=two["b"]),
            api.post("/v1/jobs/batch", content=json.dumps(job), headers=two["b"]),
            api.post("/v1/videos", json={"prompt": "a", "input_reference": url}, headers=two["b"]),
            api.post("/v1/estimate", json=job, headers=two["b"]),
        ]
        return [(answer.status_code, answer.text.replace(url, "URL")) for answer in found]

    assert answers(file["url"]) == answers(never)
    assert answers(never)[0][0] == 422
    assert api.get("/v1/uploads", headers=two["b"]).json()["data"] == []
    missing = api.get(f"/v1/uploads/{file['id']}", headers=two["b"])
    assert (missing.status_code, missing.json()["code"]) == (404, "upload_not_found")
    assert api.delete(f"/v1/uploads/{file['id']}", headers=two["b"]).status_code == 404

    # The same content, sent by both: each has an object of its own, so that neither sees the other's.
    own = upload(api, two["b"], content).json()
    assert (own["url"], own["id"] == file["id"]) == (file["url"], False)
    assert len(objects_of(configured)) == 2
    assert api.post("/v1/jobs", json={"prompt": "a", "first_frame": own["url"]}, headers=two["b"]).status_code == 202
    assert api.delete(f"/v1/uploads/{file['id']}", headers=two["a"]).status_code == 204
    assert len(objects_of(configured)) == 2, "a worker deletes it soon"
    with Producer(configured) as producer:
        assert sweep_inputs(producer.database.begin, Objects(configured), None) == 1
    [left] = objects_of(configured)
    assert left == f"inputs/b/{own['id']}.png"


def test_an_asset_of_another_tenant_is_like_one_that_never_existed(
    api: httpx.Client, configured: Settings, two: dict[str, dict[str, str]]
) -> None:
    with connect(configured.require_database_url()) as conn:
        give_assets(conn, "a", ["asset-1"])

    def enqueue(tenant: str, asset: str) -> tuple[int, str]:
        job = {"prompt": "a", "first_frame": f"asset://{asset}"}
        answer = api.post("/v1/jobs", json=job, headers=two[tenant])
        return answer.status_code, answer.text.replace(asset, "ID") if answer.status_code != 202 else ""

    assert enqueue("a", "asset-1") == (202, "")
    assert enqueue("b", "asset-1") == enqueue("b", "asset-never")
    assert enqueue("b", "asset-1")[0] == 422


def test_files_are_limited_for_each_tenant(api: httpx.Client, two: dict[str, dict[str, str]]) -> None:
    files = [upload(api, two["a"], picture(colour=colour)).json() for colour in range(3)]
    full = upload(api, two["a"], picture(colour=9))
    assert (full.status_code, full.json()["code"]) == (409, "uploads_full")
    assert "tenant a may keep 3 files, and has 3" in full.json()["detail"]
    assert upload(api, two["a"], picture(colour=2)).status_code == 201, "it has this one"
    assert upload(api, two["b"], picture(colour=9)).status_code == 201
    assert api.delete(f"/v1/uploads/{files[0]['id']}", headers=two["a"]).status_code == 204
    assert upload(api, two["a"], picture(colour=9)).status_code == 201
    noise = bytes(range(256)) * 400
    assert api.delete(f"/v1/uploads/{files[1]['id']}", headers=two["a"]).status_code == 204
    large = upload(api, two["a"], picture(form="BMP", width=300, height=200) + noise)
    assert (large.status_code, large.json()["code"]) == (409, "uploads_full"), "more than its bytes"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"", "image/png", 422), (b"no picture", "image/png", 422), (b"no picture", "text/plain", 422)],
)
def test_what_is_no_media_is_refused(
    api: httpx.Client, two: dict[str, dict[str, str]], body: bytes, kind: str, status: int
) -> None:
    answer = api.post("/v1/uploads", content=body, headers=two["a"] | {"Content-Type": kind})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, "file")
    assert "/tmp" not in answer.text


def age(conn: Connection, days: float) -> None:
    conn.execute("UPDATE uploads SET touched_at = now() - make_interval(secs => %s)", [days * 86400])


def test_a_file_expires_when_no_job_needs_it_and_a_queued_job_never_loses_its_input(
    api: httpx.Client, configured: Settings, two: dict[str, dict[str, str]]
) -> None:
    used, idle = (upload(api, two["a"], picture(colour=colour)).json() for colour in (1, 2))
    made = api.post("/v1/jobs", json={"prompt": "a", "first_frame": used["url"]}, headers=two["a"]).json()
    refused = api.delete(f"/v1/uploads/{used['id']}", headers=two["a"])
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_in_use")
    objects = Objects(configured)

    def left() -> set[str]:
        with Producer(configured) as sweeper:
            sweep_inputs(sweeper.database.begin, objects, 30.0)
        return {item["id"] for item in api.get("/v1/uploads", headers=two["a"]).json()["data"]}

    with Producer(configured, tenant="a") as producer:
        assert left() == {used["id"], idle["id"]}
        with producer.database.begin() as conn:
            age(conn, 31)
        assert left() == {used["id"]}, "its job is queued"
        assert objects_of(configured) == {f"inputs/a/{used['id']}.png"}
        bring(producer, made["id"], JobState.FAILED)
        assert left() == {used["id"]}, "its job ended a moment ago, and may be retried"
        with producer.database.begin() as conn:
            conn.execute("UPDATE jobs SET finished_at = now() - interval '31 days'")
        assert left() == set()
        assert objects_of(configured) == set()
        retried = api.post(f"/v1/jobs/{made['id']}/retry", headers=two["a"])
        assert (retried.status_code, retried.json()["code"]) == (409, "not_possible")
        assert "has expired" in retried.json()["detail"]

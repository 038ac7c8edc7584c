"""HEAD, gzip both ways, misspelt parameters, estimates for readers, and what the same key says about other fields."""

from __future__ import annotations

import gzip
import json
import re
import socket
import time
import zlib

import httpx

from producer.http.bodies import MAX_JOB_BYTES
from storage.database import connect
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving
from tests.waiting import PATIENCE_S

NDJSON = {"Content-Type": "application/x-ndjson"}
SECRET = "whsec_" + "QUJD" * 8


def test_head_is_get_without_the_body(api: httpx.Client) -> None:
    job = api.post("/v1/jobs", json={"prompt": "a"}).json()
    for path in ("/healthz", "/v1/jobs", f"/v1/jobs/{job['id']}", "/v1/capabilities", "/", "/v1/nothing"):
        plain = {"Accept-Encoding": "identity"}
        got, head = api.get(path, headers=plain), api.head(path, headers=plain)
        assert head.status_code == got.status_code and head.content == b"", path
        for name in ("content-type", "content-length", "etag") if path != "/" else ():
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    assert api.head(f"/v1/jobs/{job['id']}/video").status_code == 409
    assert api.head("/v1/estimate").status_code == 405
    # A stream of events ends with its head, and the connection serves the next request.
    started = time.monotonic()
    for _ in range(3):
        assert api.head("/v1/events").headers["content-type"].startswith("text/event-stream")
    assert time.monotonic() - started < PATIENCE_S / 2


def test_large_answers_are_compressed_if_the_client_accepts_it(api: httpx.Client) -> None:
    rows = "".join(json.dumps({"prompt": f"a fox {number}"}) + "\n" for number in range(50))
    assert api.post("/v1/campaigns?name=spring", content=rows, headers=NDJSON).status_code == 202
    for path in ("/v1/jobs", "/v1/campaigns/spring/manifest", "/openapi.json"):
        packed = api.get(path, headers={"Accept-Encoding": "gzip"})
        plain = api.get(path, headers={"Accept-Encoding": "gzip;q=0, identity"})
        assert packed.headers["content-encoding"] == "gzip", path
        assert "content-encoding" not in plain.headers, path
        assert "Accept-Encoding" in packed.headers["vary"] and "Accept-Encoding" in plain.headers["vary"]
        assert len(packed.content) == len(plain.content), path
        if path == "/openapi.json":
            assert packed.content == plain.content
    job = api.get("/v1/jobs").json()["data"][0]
    one = api.get(f"/v1/jobs/{job['id']}")
    assert "content-encoding" not in one.headers, "too small"
    assert api.get(f"/v1/jobs/{job['id']}", headers={"If-None-Match": f"W/{one.headers['etag']}"}).status_code == 304
    assert "content-encoding" not in api.get("/").headers, "a page holds a secret beside text of others"


def test_bodies_may_be_gzip_and_stay_bounded(api: httpx.Client) -> None:
    packed = {"Content-Encoding": "gzip"}
    row = b'{"prompt": "a fox", "idempotency_key": "k"}'
    made = api.post("/v1/jobs", content=gzip.compress(row), headers=packed | {"Content-Type": "application/json"})
    assert (made.status_code, made.json()["request"]["prompt"]) == (202, "a fox")
    two = gzip.compress(b'{"prompt": "b"}\n') + gzip.compress(b'{"prompt": "c"}\n')
    assert api.post("/v1/jobs/batch", content=two, headers=packed | NDJSON).json()["created"] == 2
    bomb = gzip.compress(b" " * (400 * MAX_JOB_BYTES))
    # Members that stand for nothing count as well: the form of the sign-in page needs no key.
    for path in ("/v1/jobs", "/login"):
        nothing = (gzip.compress(b"") * 3000 for _ in range(3 * MAX_JOB_BYTES // 60_000))
        kind = "application/x-www-form-urlencoded" if path == "/login" else "application/json"
        refused = api.post(path, content=nothing, headers=packed | {"Content-Type": kind})
        assert refused.status_code == 413, path
    assert len(bomb) < MAX_JOB_BYTES
    for content, status, code in (
        (bomb, 413, "body_too_large"),
        (gzip.compress(row)[:-6], 400, "invalid_content_encoding"),
        (row, 400, "invalid_content_encoding"),
        (zlib.compress(row), 400, "invalid_content_encoding"),
    ):
        refused = api.post("/v1/jobs", content=content, headers=packed | {"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    other = api.post("/v1/jobs", content=row, headers={"Content-Encoding": "br", "Content-Type": "application/json"})
    assert (other.status_code, other.headers["accept-encoding"]) == (415, "gzip")


def test_misspelt_parameters_are_named(api: httpx.Client) -> None:
    for path, said in (
        ("/v1/jobs?stat=failed", "did you mean state?"),
        ("/v1/jobs?State=failed", "did you mean state?"),
        ("/v1/jobs?created_aftr=2030-01-01T00:00:00Z", "did you mean created_after?"),
        ("/v1/capabilities?x=1", "it takes none"),
        ("/v1/campaigns?nonsense=1", "it takes limit, cursor"),
    ):
        refused = api.get(path)
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_parameter"), path
        assert said in refused.json()["detail"], path
    dry = api.post("/v1/campaigns?name=a&dryrun=true", content=b'{"prompt": "a"}', headers=NDJSON)
    assert dry.status_code == 422 and "did you mean dry_run?" in dry.json()["detail"]
    assert api.get("/v1/campaigns").json()["data"] == [], "nothing was stored"
    assert api.get("/v1/jobs?state=failed&state=queued&limit=5").status_code == 200
    known = api.get("/v1/campaigns/none/manifest?link_seconds=60"), api.head("/v1/videos/x/content?variant=thumbnail")
    assert [answer.status_code for answer in known] == [404, 404], "names in paths, and routes with a HEAD of their own"
    assert api.get("/jobs?anything=1").status_code == 200, "a page"


def test_each_route_takes_the_parameters_that_openapi_names(api: httpx.Client) -> None:
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for method, operation in methods.items():
            declared = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"]
            refused = api.request(method, re.sub(r"\{[^}]+\}", "x", path), params={"@": "1"})
            assert (refused.status_code, refused.json()["code"]) == (422, "unknown_parameter"), (method, path)
            takes = f"it takes {', '.join(declared)}" if declared else "it takes none"
            assert refused.json()["detail"].endswith(f"of this route; {takes}"), (method, path)


def test_a_reader_may_ask_for_estimates(api: httpx.Client, configured: Settings) -> None:
    with connect(configured.require_database_url()) as conn:
        reader = {"X-API-Key": keys.new_key(conn, "default", "test", ["read"])[0]}
        scraper = {"X-API-Key": keys.new_key(conn, "default", "test", ["metrics"])[0]}
    assert api.post("/v1/estimate", json={"prompt": "a"}, headers=reader).status_code == 200
    assert api.post("/v1/jobs", json={"prompt": "a"}, headers=reader).status_code == 403
    assert api.post("/v1/estimate", json={"prompt": "a"}, headers=scraper).status_code == 403


def test_the_same_key_with_other_fields_of_the_job_says_so(configured: Settings) -> None:
    with serving(Settings.model_validate(configured.model_dump() | {"webhook_secret": SECRET})) as api:
        first = {"prompt": "a", "idempotency_key": "k", "priority": 3, "tags": ["x"], "metadata": {"sku": 1}}
        made = api.post("/v1/jobs", json=first)
        again = api.post("/v1/jobs", json=first)
        assert again.headers["idempotency-replayed"] == "true" and "idempotency-differs" not in again.headers
        other = first | {"priority": 9, "metadata": {"sku": 2}, "webhook_url": "https://hooks.example/x"}
        differing = api.post("/v1/jobs", json=other)
        assert differing.json()["id"] == made.json()["id"] and differing.json()["priority"] == 3
        assert differing.headers["idempotency-differs"] == "webhook_url, metadata, priority"
        rows = json.dumps(other) + "\n" + json.dumps(first) + "\n"
        batch = api.post("/v1/jobs/batch", content=rows, headers=NDJSON).json()
        assert [row["differs"] for row in batch["results"]] == [["webhook_url", "metadata", "priority"], []]
        assert batch["notes"] == [
            "1 row has the key of an earlier job with another metadata, priority, webhook_url; the earlier values stay"
        ]
        within = "".join(json.dumps({"prompt": "b", "idempotency_key": "n", "tags": [tag]}) + "\n" for tag in "xy")
        campaign = api.post("/v1/campaigns?name=c", content=within, headers=NDJSON).json()
        assert any("another tags" in note for note in campaign["notes"])


def test_a_head_of_a_stream_leaves_nothing_behind(api: httpx.Client) -> None:
    """A watcher that stayed would take one of the places of streams."""
    with socket.create_connection((api.base_url.host, api.base_url.port or 0), PATIENCE_S) as raw:
        raw.sendall(b"HEAD /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = raw.makefile("rb").read()  # until the server closes the connection
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n")

"""Access: keys, scopes and revocation; programs on this machine; and where a server may listen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from producer.cli.setup.up import key_needed
from producer.http.doors.guard import check_bind
from producer.local import first_key
from seedance.problems import InvalidInput
from storage.addresses.own import is_loopback
from storage.database import DatabaseUnavailable, connect
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving
from tests.servers import environ_for
from tests.waiting import PATIENCE_S, wait_for

ELSEWHERE = {"Host": "reelq.example"}
"""With this, a request does not count as one from this machine."""
OWN_KEY = "the-operators-own-key"


def make_key(settings: Settings, *scopes: str, tenant: str = "default") -> str:
    with connect(settings.require_database_url()) as conn:
        return keys.new_key(conn, tenant, "test", scopes or ("admin",))[0]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_program_on_this_machine_needs_no_key(api: httpx.Client) -> None:
    assert api.get("/v1/jobs").status_code == 200
    assert api.get("/metrics").status_code == 200
    for placeholder in ("x", "sk-proj-123"):
        assert api.post("/v1/jobs", json={"prompt": "a"}, headers=bearer(placeholder)).status_code == 202


def test_an_invalid_key_is_refused_everywhere(api: httpx.Client, configured: Settings) -> None:
    right = make_key(configured)
    public, _, secret = right.removeprefix("rq_").partition("_")
    swapped = f"rq_{public}_{secret[1:]}{secret[0] if secret[0] != secret[-1] else 'x'}"
    for wrong in ("rq_", right[:-1], f"{right}0", swapped, f"rq_{'a' * 12}_{secret}"):
        for headers in ({}, ELSEWHERE):
            for shown in (bearer(wrong), {"X-API-Key": wrong}, {"Cookie": f"reelq_session={wrong}"}):
                answer = api.get("/v1/jobs", headers=headers | shown)
                assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), wrong
                assert answer.headers["www-authenticate"].startswith("Bearer")
    assert api.get("/v1/jobs", headers=bearer(right)).status_code == 200


def test_other_machines_need_a_key(api: httpx.Client, configured: Settings) -> None:
    key = make_key(configured)
    for path in ("/v1/jobs", "/openapi.json", "/metrics", "/v1/nothing", "/"):
        answer = api.get(path, headers=ELSEWHERE)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
    assert api.get("/v1/jobs", headers=ELSEWHERE | bearer("sk-proj-123")).status_code == 401
    for shown in (bearer(key), {"Authorization": f"bearer  {key}"}, {"X-API-Key": key}):
        assert api.get("/v1/jobs", headers=ELSEWHERE | shown).status_code == 200
    assert api.get("/v1/jobs", headers=ELSEWHERE | {"Cookie": f"reelq_session={key}"}).status_code == 401
    for path in ("/healthz", "/readyz"):
        assert api.get(path, headers=ELSEWHERE).status_code in (200, 503)
    assert api.post(f"/callbacks/anyfast/{'a' * 43}", headers=ELSEWHERE, json={}).status_code == 404
    cross = api.post("/v1/jobs", json={"prompt": "a"}, headers=bearer(key) | {"Origin": "https://attacker.example"})
    assert (cross.status_code, cross.json()["code"]) == (403, "cross_site")


def test_a_browser_is_sent_to_the_login_without_its_stale_cookie(api: httpx.Client) -> None:
    page = ELSEWHERE | {"Accept": "text/html,*/*"}
    answer = api.get("/campaigns/a%20b?x=1&y=2", headers=page)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/campaigns/a%20b%3Fx%3D1%26y%3D2")
    stale = api.get("/", headers={"Accept": "text/html", "Cookie": "reelq_session=rq_old"})
    assert stale.status_code == 303 and "Max-Age=0" in stale.headers["set-cookie"]


def test_keys_can_be_required_on_this_machine_too(configured: Settings) -> None:
    key = make_key(configured)
    with serving(configured.model_copy(update={"api_require_keys": True})) as api:
        assert api.get("/v1/jobs").status_code == 401
        assert api.get("/metrics").status_code == 401
        assert api.get("/v1/jobs", headers=bearer(key)).status_code == 200


def test_scopes_decide_what_a_key_may_do(api: httpx.Client, configured: Settings) -> None:
    look, store, scrape = (bearer(make_key(configured, scope)) for scope in ("read", "enqueue", "metrics"))
    refused = api.post("/v1/jobs", json={"prompt": "a"}, headers=look)
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    assert "enqueue" in refused.json()["detail"]
    job = api.post("/v1/jobs", json={"prompt": "a"}, headers=store).json()
    assert api.get(f"/v1/jobs/{job['id']}", headers=store).status_code == 403
    assert api.get(f"/v1/jobs/{job['id']}", headers=look).status_code == 200
    assert api.get("/metrics", headers=scrape).status_code == 200
    assert api.get("/metrics", headers=look).status_code == 403
    assert api.get("/v1/jobs", headers=scrape).status_code == 403
    other = bearer(make_key(configured, "admin", tenant="other"))
    assert api.get("/metrics", headers=other).status_code == 403


def test_a_revoked_key_stops_within_seconds_and_use_is_recorded(api: httpx.Client, configured: Settings) -> None:
    key = make_key(configured, "read")
    assert api.get("/v1/jobs", headers=bearer(key)).status_code == 200
    with connect(configured.require_database_url()) as conn:
        [listed] = keys.list_keys(conn)
        assert listed.last_used_at is not None
        assert keys.revoke(conn, listed.id)
        assert not keys.revoke(conn, listed.id)
    wait_for("the key ends", lambda: api.get("/v1/jobs", headers=bearer(key)).status_code != 200)
    assert api.get("/v1/jobs", headers=bearer(key)).status_code == 401


def test_a_data_directory_keeps_its_key(configured: Settings, tmp_path: Path) -> None:
    path = tmp_path / "api_key"
    made = []
    for _ in range(2):
        with connect(configured.require_database_url()) as conn:
            first_key.keep(conn, tmp_path)
        made.append(path.read_text().strip())
        assert path.stat().st_mode & 0o777 == 0o600
    assert made[0] == made[1]
    with connect(configured.require_database_url()) as conn:
        [listed] = keys.list_keys(conn)
        assert (listed.name, listed.scopes) == ("reelq up", ["admin"])
        keys.revoke(conn, listed.id)
    with connect(configured.require_database_url()) as conn:
        first_key.keep(conn, tmp_path)
    assert path.read_text().strip() != made[0]


def test_only_the_hash_of_a_key_is_stored(configured: Settings) -> None:
    key = make_key(configured)
    with connect(configured.require_database_url()) as conn:
        [row] = conn.execute("SELECT to_jsonb(k)::text FROM api_keys k").fetchall()
    assert key.rpartition("_")[2] not in row[0]
    assert keys.hash_of(key) in row[0]


def test_a_reachable_address_needs_a_key_first(configured: Settings) -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_bind(host, configured)
    assert is_loopback("::ffff:127.0.0.1") and not is_loopback("::ffff:10.0.0.5")
    reachable = ("0.0.0.0", "::", "10.0.0.5", "example.com", "")
    for host in reachable:
        with pytest.raises(InvalidInput, match="there is no key"):
            check_bind(host, configured)
        check_bind(host, Settings.model_validate(configured.model_dump() | {"api_key": OWN_KEY}))
    with connect(configured.require_database_url()) as conn:
        _, made = keys.new_key(conn, "other", "test", ["read"])
    for host in reachable:
        check_bind(host, configured)
    with connect(configured.require_database_url()) as conn:
        keys.revoke(conn, made.id)
    with pytest.raises(InvalidInput):
        check_bind("0.0.0.0", configured)
    with pytest.raises(DatabaseUnavailable):
        check_bind("0.0.0.0", configured.model_copy(update={"database_url": "postgresql://x@127.0.0.1:1/x"}))


def test_the_operators_own_key_is_accepted(configured: Settings) -> None:
    with serving(Settings.model_validate(configured.model_dump() | {"api_key": OWN_KEY})) as api:
        assert api.get("/v1/jobs", headers=ELSEWHERE).status_code == 401
        assert api.get("/v1/jobs", headers=ELSEWHERE | bearer(OWN_KEY + "x")).status_code == 401
        assert api.get("/v1/accounts", headers=ELSEWHERE | bearer(OWN_KEY)).status_code == 200
    with pytest.raises(ValueError, match="20"):
        Settings.model_validate({"api_key": "short"})


def test_the_server_does_not_start_reachable_without_a_key(configured: Settings) -> None:
    started = [sys.executable, "-m", "producer.api", "--host", "0.0.0.0", "--port", "0"]
    environ = os.environ | environ_for(configured)
    done = subprocess.run(started, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environ)
    assert done.returncode == 2
    assert done.stderr.startswith("api_key: other machines can reach 0.0.0.0")
    assert len(done.stderr.splitlines()) == 1


def test_up_says_whether_programs_on_this_machine_need_a_key(api: httpx.Client, configured: Settings) -> None:
    url = str(api.base_url).rstrip("/")
    assert key_needed(url) == "; programs on this machine need none"
    make_key(configured, tenant="acme")
    wait_for("the second tenant", lambda: api.get("/v1/jobs").status_code == 401)
    assert key_needed(url) == "; programs on this machine need it too"
    assert key_needed("http://127.0.0.1:1") == ""

"""No request gets in without a key through a proxy on this machine, whatever it is and however it is set up."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage.database import connect
from storage.settings import Settings
from storage.tenants import keys, tenants
from tests.certificates import make_certificates
from tests.integration.api.api_server import serving
from tests.integration.api.doors.nginx import documented, nginx
from tests.ports import reserve_port
from tests.waiting import PATIENCE_S, wait_for

KEY = "the-operators-own-key"
BEARER = {"Authorization": f"Bearer {KEY}"}

PROXIES = {
    "nginx, as many guides have it": {"X-Real-IP": "198.51.100.7", "X-Forwarded-For": "198.51.100.7"},
    "caddy": {
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "reelq.example",
        "Via": "1.1 Caddy",
    },
    "traefik": {
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Host": "reelq.example",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Server": "proxy-1",
        "X-Real-Ip": "198.51.100.7",
    },
    "haproxy with option forwardfor": {"X-Forwarded-For": "198.51.100.7"},
    "apache": {"X-Forwarded-Host": "reelq.example", "X-Forwarded-Server": "reelq.example"},
    "envoy": {"X-Envoy-Expected-Rq-Timeout-Ms": "15000"},
    "cloudflared": {"Cf-Connecting-Ip": "198.51.100.7", "Cdn-Loop": "cloudflare; loops=1"},
    "squid": {"Via": "1.1 squid"},
    "RFC 7239": {"Forwarded": "for=198.51.100.7"},
}


def port_of(client: httpx.Client) -> int:
    port = client.base_url.port
    assert port is not None
    return port


def test_what_proxies_add_is_not_local(api: httpx.Client) -> None:
    assert api.get("/v1/jobs").status_code == 200
    for name, added in PROXIES.items():
        for header, value in added.items():
            answer = api.get("/v1/jobs", headers={header: value})
            assert answer.status_code == 401, (name, header)
            assert "proxy" in answer.json()["detail"]
        assert api.post("/v1/jobs", json={"prompt": "a"}, headers=added).status_code == 401, name
    # HTTP/1.0, in which nginx speaks to servers behind it
    with socket.create_connection(("127.0.0.1", port_of(api)), PATIENCE_S) as raw:
        raw.sendall(b"GET /v1/jobs HTTP/1.0\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n")
        said = raw.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 401")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_another_user_of_this_machine_is_not_local(api: httpx.Client) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        ctypes.CDLL(None).setfsuid(65534)  # for this thread only: its sockets belong to another user
        with socket.create_connection(("127.0.0.1", port_of(api)), PATIENCE_S) as raw:
            raw.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n")
            answers.append(raw.makefile("rb").read())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(PATIENCE_S)
    assert answers[0].startswith(b"HTTP/1.1 401") and b"another user" in answers[0]
    assert api.get("/v1/jobs").status_code == 200


def test_settings_that_speak_of_others_ask_every_caller_for_a_key(configured: Settings) -> None:
    for more in ({"public_url": "https://reelq.example"}, {"trusted_proxies": ["10.0.0.0/8"]}):
        strict = Settings.model_validate(configured.model_dump() | more | {"api_key": KEY})
        with serving(strict) as api:
            assert api.get("/v1/jobs").status_code == 401, more
            assert api.get("/v1/jobs", headers=BEARER).status_code == 200, more
    with serving(configured, host="0.0.0.0") as api:
        assert api.get("/v1/jobs").status_code == 401


def test_a_second_tenant_asks_every_caller_for_a_key(configured: Settings) -> None:
    with serving(configured.model_copy(update={"public_url": "http://127.0.0.1:8080"})) as api:
        assert api.get("/v1/jobs").status_code == 200
        with connect(configured.require_database_url()) as conn:
            tenants.set_tenant(conn, "acme", weight=None, jobs_per_minute=None)
            key, _ = keys.new_key(conn, "acme", "test", ["read"])
        wait_for("keys are required", lambda: api.get("/v1/jobs").status_code == 401)
        assert "tenants" in api.get("/v1/jobs").json()["detail"]
        assert api.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status_code == 200


# --- the real nginx --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:  # not pytest's: nginx's workers may not enter that
        Path(path).chmod(0o755)
        yield Path(path)


def test_a_usual_nginx_does_not_open_the_api(api: httpx.Client, directory: Path) -> None:
    """Each of these let every request in as one of this machine, with every scope."""
    here = f"proxy_pass http://127.0.0.1:{port_of(api)};"
    modern = 'proxy_http_version 1.1; proxy_set_header Connection "";'
    blocks = {
        "proxy_pass alone": here,
        "keep-alive": f"{here} {modern}",
        "the client's Host": f"{here} {modern} proxy_set_header Host $http_host;",
        "HTTP/1.0 and the client's Host": f"{here} proxy_set_header Host $http_host;",
    }
    ports = {name: reserve_port() for name in blocks}
    servers = "".join(
        f"server {{ listen 127.0.0.1:{ports[name]}; location / {{ {block} }} }}\n" for name, block in blocks.items()
    )
    (directory / "closed").mkdir()
    with nginx(directory / "closed", servers):
        for name, port in ports.items():
            for host in (f"127.0.0.1:{port}", "localhost", "reelq.example"):
                if name == "keep-alive" and os.geteuid() != 0:
                    continue  # its workers are processes of our own user
                answer = httpx.get(f"http://127.0.0.1:{port}/v1/jobs", headers={"Host": host}, timeout=PATIENCE_S)
                assert answer.status_code == 401, (name, host)
                stored = httpx.post(f"http://127.0.0.1:{port}/v1/jobs", json={"prompt": "a"}, timeout=PATIENCE_S)
                assert stored.status_code == 401, (name, host)
    assert api.get("/v1/jobs").json()["data"] == []


def test_an_nginx_of_our_own_user_does_not_open_the_api(api: httpx.Client, directory: Path) -> None:
    """As in a container in which everything runs as root."""
    port, block = reserve_port(), f"proxy_pass http://127.0.0.1:{port_of(api)};"
    (directory / "own").mkdir()
    with nginx(directory / "own", f"server {{ listen 127.0.0.1:{port}; location / {{ {block} }} }}", user="root"):
        assert httpx.get(f"http://127.0.0.1:{port}/v1/jobs", timeout=PATIENCE_S).status_code == 401


def test_the_documented_nginx_block_works(configured: Settings, directory: Path) -> None:
    settings = {"api_key": KEY, "public_url": "https://reelq.example.com", "trusted_proxies": ["127.0.0.1", "::1"]}
    made, port = make_certificates(directory), reserve_port()
    with serving(Settings.model_validate(configured.model_dump() | settings)) as api:
        block = documented(made, (port, port_of(api)), (reserve_port(), 9))
        (directory / "documented").mkdir()
        url = f"https://localhost:{port}"
        with (
            nginx(directory / "documented", block),
            httpx.Client(
                base_url=url, verify=ssl.create_default_context(cafile=made.authority), timeout=PATIENCE_S
            ) as client,
        ):
            assert client.get("/v1/jobs").status_code == 401
            client.headers.update(BEARER)
            rows = "".join(f'{{"prompt": "{"a" * 2000}", "idempotency_key": "{i}"}}\n' for i in range(1500))
            stored = client.post("/v1/jobs/batch", content=rows, headers={"Content-Type": "application/x-ndjson"})
            assert stored.status_code == 202, stored.text[:300]
            # Events come one at a time, while the stream stays open.
            job = client.post("/v1/jobs", json={"prompt": "a"}).json()
            events = {"Accept": "text/event-stream"}
            with client.stream("GET", f"/v1/jobs/{job['id']}/events", headers=events) as stream:
                lines = stream.iter_lines()
                assert next(line for line in lines if line.startswith("data:"))
                client.post(f"/v1/jobs/{job['id']}/cancel")
                assert "cancelled" in next(line for line in lines if line.startswith("data:"))
            away = client.get("/v1/jobs/", headers={"X-Forwarded-Proto": "http"})
            assert (away.status_code, away.headers["location"]) == (307, "/v1/jobs")
            # A browser: the form counts as this site's, the cookie is for TLS only, and redirects stay here.
            page = client.get("/login", headers={"Authorization": "", "Accept": "text/html"})
            token = re.search(r'name="token" value="([^"]+)"', page.text)
            assert token is not None
            signed_in = client.post(
                "/login",
                data={"key": KEY, "next": "/", "token": token[1]},
                headers={"Authorization": "", "Origin": url},
            )
            assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
            session = next(c for c in signed_in.headers.get_list("set-cookie") if c.startswith("reelq_session="))
            assert (
                KEY not in session
                and "secure" in session.lower()
                and "httponly" in session.lower()
                and "samesite" in session.lower()
            )

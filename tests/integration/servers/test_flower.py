"""Flower refuses a configuration that cannot work with code 2 and a sentence, and people sign in with OAuth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.ports import reserve_port
from tests.waiting import PATIENCE_S, wait_for

OAUTH = {
    "FLOWER_AUTH": ".*@example.com",
    "FLOWER_AUTH_PROVIDER": "flower.views.auth.OktaLoginHandler",
    "FLOWER_OAUTH2_KEY": "the-key",
    "FLOWER_OAUTH2_SECRET": "the-secret",
    "FLOWER_OAUTH2_REDIRECT_URI": "http://127.0.0.1:5555/login",
    "FLOWER_OAUTH2_OKTA_BASE_URL": "http://127.0.0.1:9/oauth2/default",
}


def flower(directory: Path, given: dict[str, str], *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of Flower; nothing listens at its broker."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWER_", "REELQ_"))}
    environ = clean | {"REELQ_BROKER_URL": "redis://127.0.0.1:9/0", "REELQ_CONFIG": str(directory / "reelq.toml")}
    (directory / "reelq.toml").touch()
    return [sys.executable, "-m", "worker.watching.flower", *arguments], environ | given


@pytest.mark.parametrize(
    ("given", "arguments", "why"),
    [
        ({}, ("--address=0.0.0.0",), "without a password"),
        ({}, ("--address=127.0.0.1", "--prot=5556"), "Flower has no option --prot=5556"),
        ({}, ("--address=127.0.0.1", "--broker-api=nowhere"), "Invalid '--broker-api' option"),
        ({}, ("--address=192.0.2.1", "--basic-auth=reelq:a-long-password"), "cannot listen on 192.0.2.1:"),
        (OAUTH | {"FLOWER_OAUTH2_SECRET": ""}, (), "FLOWER_OAUTH2_SECRET: is not set"),
    ],
)
def test_a_configuration_that_cannot_work_ends_with_2_and_a_sentence(
    tmp_path: Path, given: dict[str, str], arguments: tuple[str, ...], why: str
) -> None:
    command, environ = flower(tmp_path, given, *arguments)
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 2 and why in ended.stderr and "Traceback" not in ended.stderr, ended.stderr


class Provider(BaseHTTPRequestHandler):
    """Okta's endpoints, as Flower calls them."""

    codes: ClassVar[dict[str, str]] = {"code-of-ann": "ann@example.com", "code-of-eve": "eve@elsewhere.example"}

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = form["client_id"] == ["the-key"] and form["client_secret"] == ["the-secret"]
        self.answer({"access_token": form["code"][0]} if known else {})

    def do_GET(self) -> None:
        code = self.headers["Authorization"].removeprefix("Bearer ")
        self.answer({"email": self.codes[code], "email_verified": True})

    def answer(self, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/oauth2/default"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_people_sign_in_with_oauth_and_only_those_who_may(tmp_path: Path) -> None:
    port = reserve_port()
    home = f"http://127.0.0.1:{port}"
    with provider() as okta, (tmp_path / "log").open("wb") as log:
        given = OAUTH | {"FLOWER_OAUTH2_OKTA_BASE_URL": okta, "FLOWER_OAUTH2_REDIRECT_URI": f"{home}/login"}
        command, environ = flower(tmp_path, given, f"--port={port}", "--address=127.0.0.1")
        running = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        try:
            wait_for("Flower serves", lambda: running.poll() is not None or serves(home))
            assert running.poll() is None, (tmp_path / "log").read_text()
            for path in ("/", "/tasks", "/metrics", "/api/tasks"):
                assert httpx.get(f"{home}{path}", timeout=PATIENCE_S).status_code in (302, 401), path
            assert signed_in(home, okta, "code-of-ann") == (302, 200)
            assert signed_in(home, okta, "code-of-eve") == (403, 302)
        finally:
            running.kill()
            running.wait(PATIENCE_S)


def signed_in(home: str, okta: str, code: str) -> tuple[int, int]:
    """The statuses of the sign-in and of a page after it, for whom the provider sends back with this code."""
    with httpx.Client(base_url=home, timeout=PATIENCE_S) as browser:
        assert browser.get("/tasks").headers["Location"].startswith("/login?next=")
        sent = urlsplit(browser.get("/login").headers["Location"])
        assert sent.geturl().startswith(f"{okta}/v1/authorize?")
        asked = parse_qs(sent.query)
        assert asked["client_id"] == ["the-key"] and asked["redirect_uri"] == [f"{home}/login"]
        forged = browser.get("/login", params={"code": code, "state": "of another"})
        assert forged.status_code >= 400 and browser.get("/tasks").status_code == 302
        back = browser.get("/login", params={"code": code, "state": asked["state"][0]})
        return back.status_code, browser.get("/tasks").status_code


def serves(home: str) -> bool:
    try:
        return httpx.get(f"{home}/healthcheck", timeout=PATIENCE_S).status_code == 200
    except httpx.TransportError:
        return False

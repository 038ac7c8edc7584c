"""What a key opened ends with it: the page's sessions, and streams of events. Another tenant's go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from storage.database import connect
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving
from tests.waiting import PATIENCE_S, wait_for

PAGE = {"Accept": "text/html"}


@pytest.fixture
def away(configured: Settings) -> Iterator[httpx.Client]:
    with serving(configured.model_copy(update={"api_require_keys": True})) as client:
        yield client


def make_key(settings: Settings, tenant: str = "default", *scopes: str) -> tuple[str, str]:
    """A key and its id."""
    with connect(settings.require_database_url()) as conn:
        key, made = keys.new_key(conn, tenant, "test", scopes or ("read", "enqueue"))
    return key, made.id


def change(settings: Settings, sql: str, key_id: str) -> None:
    with connect(settings.require_database_url()) as conn:
        assert conn.execute(sql, [key_id]).rowcount == 1


REVOKE = "UPDATE api_keys SET revoked_at = now() WHERE id = %s"
EXPIRE = "UPDATE api_keys SET expires_at = now() WHERE id = %s"


def sign_in(away: httpx.Client, key: str) -> dict[str, str]:
    """The session's cookie, as a header of its own."""
    token = away.get("/login").cookies.get("reelq_form") or away.cookies["reelq_form"]
    done = away.post("/login", data={"token": token, "key": key})
    assert done.status_code == 303
    session = done.cookies["reelq_session"]
    away.cookies.delete("reelq_session")
    return {"Cookie": f"reelq_session={session}; reelq_form={token}"}


def test_a_session_is_an_opaque_id_with_the_rights_of_its_key(away: httpx.Client, configured: Settings) -> None:
    (key, _), (other, _) = make_key(configured), make_key(configured, "acme")
    session, others = sign_in(away, key), sign_in(away, other)
    assert key not in session["Cookie"] and key.rpartition("_")[2] not in session["Cookie"]
    assert away.get("/v1/tenant", headers=session).json()["name"] == "default"
    assert away.get("/v1/tenant", headers=others).json()["name"] == "acme"
    with connect(configured.require_database_url()) as conn:
        rows = conn.execute("SELECT to_jsonb(s)::text FROM page_sessions s").fetchall()
    token = session["Cookie"].partition(";")[0].partition("=")[2]
    assert len(rows) == 2 and not any(token in row[0] for row in rows)
    # A session is no key, and a key in the cookie is no session.
    assert away.get("/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert away.get("/v1/jobs", headers={"X-API-Key": token}).status_code == 401
    assert away.get("/v1/jobs", headers={"Cookie": f"reelq_session={key}"}).status_code == 401


@pytest.mark.parametrize("ends", [REVOKE, EXPIRE, "log-out"], ids=["revoked", "expired", "log-out"])
def test_a_session_ends_for_good(away: httpx.Client, configured: Settings, ends: str) -> None:
    (key, key_id), (other, _) = make_key(configured), make_key(configured, "acme")
    session, others = sign_in(away, key), sign_in(away, other)
    assert away.get("/jobs", headers=session | PAGE).status_code == 200
    if ends == "log-out":
        token = session["Cookie"].rpartition("=")[2]
        assert away.post("/logout", data={"token": token}, headers=session).status_code == 303
        assert away.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    else:
        change(configured, ends, key_id)
    wait_for("the session has ended", lambda: away.get("/v1/jobs", headers=session).status_code == 401)
    assert away.get("/jobs", headers=session | PAGE).headers["location"] == "/login?next=/jobs"
    assert away.get("/v1/jobs", headers=others).status_code == 200


def test_another_operators_key_in_the_settings_ends_the_sessions_of_the_old_one(configured: Settings) -> None:
    first, second = (
        Settings.model_validate(configured.model_dump() | {"api_key": f"the-own-key-of-operator-{number}"})
        for number in "12"
    )
    with serving(first) as api:
        session = sign_in(api, "the-own-key-of-operator-1")
        assert api.get("/v1/accounts", headers=session).status_code == 200
    with serving(second) as api:
        assert api.get("/v1/accounts", headers=session).status_code == 401


@contextmanager
def following(away: httpx.Client, path: str, headers: dict[str, str]) -> Iterator[threading.Event]:
    """Follow a stream in a thread; the event is set when the server ends it."""
    opened, ended = threading.Event(), threading.Event()

    def follow() -> None:
        with away.stream("GET", path, headers=headers | {"Accept": "text/event-stream"}) as stream:
            assert stream.status_code == 200
            for _ in stream.iter_raw():
                opened.set()
            ended.set()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert opened.wait(PATIENCE_S)
    yield ended
    thread.join(PATIENCE_S)


@pytest.mark.parametrize("sql", [REVOKE, EXPIRE], ids=["revoked", "expired"])
def test_streams_of_a_key_that_ends_end_within_seconds(away: httpx.Client, configured: Settings, sql: str) -> None:
    (key, key_id), (other, other_id) = make_key(configured), make_key(configured, "acme")
    bearer, others = {"X-API-Key": key}, {"X-API-Key": other}
    job = away.post("/v1/jobs", json={"prompt": "a"}, headers=bearer).json()["id"]
    with (
        following(away, "/v1/events", others) as goes_on,
        following(away, "/v1/events", bearer) as all_events,
        following(away, f"/v1/jobs/{job}/events", bearer) as of_the_job,
        following(away, "/v1/events", sign_in(away, key)) as of_the_session,
    ):
        change(configured, sql, key_id)
        started = time.monotonic()
        for ended in (all_events, of_the_job, of_the_session):
            assert ended.wait(PATIENCE_S)
        assert time.monotonic() - started < PATIENCE_S / 3
        assert away.get("/v1/events", headers=bearer).status_code == 401
        assert not goes_on.is_set()
        change(configured, sql, other_id)
        assert goes_on.wait(PATIENCE_S)

"""An event to Sentry says what broke and where, and nothing of prompts, keys and URLs."""

from __future__ import annotations

import concurrent.futures
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport

from storage.logs.sentry import set_up_sentry

PROMPT, KEY = "a boat that no one may know of", "sk-0123456789abcdef"
LINK = "https://files.example/v.mp4?X-Tos-Signature=0123456789abcdef"


class Kept(Transport):
    """Keeps events instead of sending them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.events += [item.payload.json for item in envelope.items if item.headers["type"] == "event"]


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentry replaces these for the rest of the process; each test gets them back at its end."""
    for owner, name in (
        (sys, "excepthook"),
        (logging.Logger, "callHandlers"),
        (threading.Thread, "start"),
        (concurrent.futures.ThreadPoolExecutor, "submit"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    for name in ("_processed_integrations", "_installed_integrations"):  # what it has replaced already
        monkeypatch.setattr(sentry_sdk.integrations, name, set())


@pytest.fixture
def kept(unpatched: None) -> Iterator[Kept]:
    transport = Kept()
    environ = {"SENTRY_DSN": "https://public@sentry.example/1", "SENTRY_ENVIRONMENT": "tests"}
    set_up_sentry("worker", environ, transport)
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def fail(prompt: str, key: str) -> None:
    """Its local variables must not leave."""
    raise ValueError(f"no answer from {LINK} with {key}")


def test_an_error_arrives_without_secrets(kept: Kept) -> None:
    log = logging.getLogger("reelq.tests")
    log.info("step.done prompt=%s", PROMPT)
    try:
        fail(PROMPT, KEY)
    except ValueError:
        log.exception("step.failed job_id=%s url=%s", "0192", LINK, extra={"request": {"prompt": PROMPT}})
    sentry_sdk.flush()
    [event] = kept.events
    text = json.dumps(event)
    for secret in (PROMPT, KEY, "0123456789abcdef", "vars", "breadcrumbs"):
        assert secret not in text
    assert event["logentry"]["message"].startswith("step.failed job_id=0192 url=https://files.example/v.mp4?")
    assert event["fingerprint"] == ["{{ default }}", "step.failed job_id=%s url=%s"]
    [error] = event["exception"]["values"]
    assert error["type"] == "ValueError"
    assert [frame["function"] for frame in error["stacktrace"]["frames"]][-1] == "fail"
    assert (event["tags"], event["environment"]) == ({"part": "worker"}, "tests")
    assert event["release"].startswith("reelq@")


def test_nothing_is_sent_without_a_dsn() -> None:
    set_up_sentry("worker", {}, Kept())
    assert not sentry_sdk.is_initialized()

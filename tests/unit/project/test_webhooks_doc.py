"""What docs/webhooks.md tells receivers to do works, and its list of events is the list."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import playwright
import pytest
from standardwebhooks import WebhookVerificationError

from storage.webhooks.outbox import EventType
from storage.webhooks.signing import new_secret, sign

GUIDE = (Path(__file__).parents[3] / "docs/webhooks.md").read_text(encoding="utf-8")
NODE = Path(playwright.__file__).parent / "driver/node"
EVENT = {"type": "job.succeeded", "data": {"prompt": "猫 “quoted”"}}
NEW, OLD, OTHER = new_secret(), new_secret(), new_secret()


def code(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


def a_message(age_s: int = 0) -> tuple[bytes, dict[str, str]]:
    body, at = json.dumps(EVENT, ensure_ascii=False).encode(), int(time.time()) - age_s
    signature = sign([NEW, OLD], "msg_1", at, body)
    return body, {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signature}


def test_the_events_are_those_there_are() -> None:
    table = GUIDE.partition("## Events")[2].partition("The names are ours")[0]
    assert re.findall(r"^\| `([a-z0-9_.]+)`", table, re.MULTILINE) == list(EventType)


def test_the_python_example_verifies() -> None:
    defined: dict[str, Any] = {}
    exec(code("python"), defined)
    body, headers = a_message()
    assert defined["receive"](body, headers, NEW) == defined["receive"](body, headers, OLD) == EVENT
    with pytest.raises(WebhookVerificationError):
        defined["receive"](body, headers, OTHER)


def in_node(body: bytes, headers: dict[str, str], secret: str) -> str:
    program = (
        f"{code('js')}\nconst [b, h, s] = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "try { console.log(JSON.stringify(receive(b, h, s))); } catch (error) { console.log(error.message); }"
    )
    given = json.dumps([body.decode(), headers, secret])
    done = subprocess.run(
        [NODE, "-e", program], input=given, capture_output=True, text=True, encoding="utf-8", timeout=60, check=True
    )
    return done.stdout.strip()


def test_the_example_in_another_language_verifies() -> None:
    body, headers = a_message()
    assert json.loads(in_node(body, headers, NEW)) == json.loads(in_node(body, headers, OLD)) == EVENT
    assert in_node(body, headers, OTHER) == "the signature does not fit"
    assert in_node(body.replace(b"succeeded", b"cancelled"), headers, NEW) == "the signature does not fit"
    assert in_node(*a_message(age_s=400), NEW) == "too old or too new"

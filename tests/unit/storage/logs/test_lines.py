"""What a log line holds: its event and fields, those of the work it belongs to, and no secret."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from storage.logs import setup
from storage.logs.context import about, bind, bound, fields_now
from storage.logs.events import read
from storage.logs.formats import ConsoleLines, JsonLines
from storage.logs.privacy import clean
from storage.logs.story import story

ROOT = Path(__file__).parents[4]
JOB = UUID("0190a3b4-0000-7000-8000-000000000001")


def logged(message: str, *arguments: Any, formatter: logging.Formatter, name: str = "reelq.x", **more: Any) -> str:
    logger = logging.Logger(name)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    logger.warning(message, *arguments, **more)
    return stream.getvalue()


def as_json(message: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(logged(message, *arguments, formatter=JsonLines(), **more))
    return found


@pytest.mark.parametrize(
    ("message", "arguments", "event", "fields", "detail"),
    [
        ("tick.failed", (), "tick.failed", {}, None),
        ("job.moved job_id=%s attempt=%d", (JOB, 2), "job.moved", {"job_id": str(JOB), "attempt": 2}, None),
        ("poll.setback code=%s %s", ("busy", "50% of a=b"), "poll.setback", {"code": "busy"}, "50% of a=b"),
        ("webhook.%s id=%s took_s=%.2f", ("failed", None, 0.126), "webhook.failed", {"id": None, "took_s": 0.13}, None),
        ("%s campaign_id=%s", ("campaign.slow", 3), "campaign.slow", {"campaign_id": 3}, None),
        ("a.b n=%d: it proves nothing", (3,), "a.b", {"n": 3}, "it proves nothing"),
        ("upload.lost error=%r", (ValueError("x"),), "upload.lost", {"error": "ValueError('x')"}, None),
        ("not ours: %s", ("x",), "not ours: x", {}, None),
    ],
)
def test_a_line_is_taken_apart(
    message: str, arguments: tuple[Any, ...], event: str, fields: dict[str, Any], detail: str | None
) -> None:
    line = read(logging.LogRecord("reelq.x", logging.INFO, "", 0, message, arguments, None))
    assert (line.event, line.fields, line.detail) == (event, fields, detail)


def test_a_line_has_the_fields_of_its_work_and_of_its_job() -> None:
    job = story(JOB, "acme", "Spring", "evolink", "cgt-1", 2)
    with bound(request_id="r1", tenant="other"):
        line = as_json("job.moved job_id=%s", JOB, extra=about(job))
        bind(key_id="k1")
        inner = as_json("api.request")
    assert {name: line[name] for name in job} == job and line["request_id"] == "r1"
    assert inner["key_id"] == "k1" and not fields_now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert (line["level"], line["logger"], line["event"]) == ("warning", "reelq.x", "job.moved")


def test_a_line_for_people_is_one_line() -> None:
    with bound(campaign="Spring sale"):
        text = logged("poll.setback code=%s %s", "busy", "first\nsecond", formatter=ConsoleLines())
    assert text.count("\n") == 1
    assert "warning poll.setback campaign='Spring sale' code=busy first second [reelq.x]" in text
    foreign = logged("lost\n2026 error forged", formatter=ConsoleLines(), name="celery.worker")
    assert foreign.count("\n") == 1


PLANTED = (
    "GET https://user:hunter2hunter2@host.example/v.mp4?X-Amz-Signature=0123456789abcdef&X-Amz-Credential=AKIAHIDDEN/x",
    "Authorization: Bearer abcdef.ghijkl-mnop",
    "key rq_0123456789ab_hiddenhiddenhidden and sk-hiddenhidden, whsec_aGlkZGVuaGlkZGVu",
    "cannot connect to redis://:hiddenpass@127.0.0.1:6379/0",
    "new row violates a check\nDETAIL:  Failing row contains (1, a hidden prompt of a fox).\nCONTEXT:  hidden words",
    'body {"api_key": "hidden-key-of-ours"}',
    "data:image/png;base64,aGlkZGVuaGlkZGVuaGlkZGVu",
    "AUTHORIZATION: BEARER hiddenhidden, API_KEY=hiddenhidden, SK-hiddenhidden",
    "sk_hiddenhidden (ak_hiddenhidden)",
    "clé d'accès: PassWord=hiddenhidden",
)
HIDDEN = re.compile(r"hunter2|0123456789abcdef|AKIAHIDDEN|hidden|ghijkl|aGlkZGVu", re.IGNORECASE)


@pytest.mark.parametrize("text", PLANTED)
@pytest.mark.parametrize("formatter", [JsonLines(), ConsoleLines()])
def test_no_line_shows_a_secret_wherever_it_stands(text: str, formatter: logging.Formatter) -> None:
    places: list[tuple[str, tuple[Any, ...]]] = [("a.b error=%s", (text,)), ("a.b n=%d %s", (1, text)), (text, ())]
    for message, arguments in places:
        assert not HIDDEN.search(logged(message, *arguments, formatter=formatter))
    try:
        raise ValueError(text)
    except ValueError:
        found = logged("a.b", formatter=formatter, exc_info=True)
    assert "ValueError" in found and not HIDDEN.search(found.rpartition("ValueError: ")[2])


def test_what_people_need_of_a_url_stays() -> None:
    assert clean("from https://host.example/a/b.mp4?Expires=1&Signature=abcdefgh") == (
        "from https://host.example/a/b.mp4?Expires=***&Signature=***"
    )
    assert clean("connected to 127.0.0.1:5432 as reelq") == "connected to 127.0.0.1:5432 as reelq"


@pytest.fixture
def root_logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])  # it would close those of pytest
    quiet = {name: logging.getLogger(name).level for name in setup.CHATTY}
    yield root
    logging.captureWarnings(False)
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)


def test_a_warning_of_several_lines_is_one_line(
    root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seen: Celery's warning about superuser privileges stood on six lines, which no reader of logs puts together."""
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    setup.set_up_logging("console", "INFO")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("run as root:\n\nuse --uid\n", RuntimeWarning, stacklevel=1)
    [line] = capsys.readouterr().err.splitlines()
    assert "RuntimeWarning: run as root: use --uid (" in line and "test_lines.py:" in line


def test_the_settings_decide_form_and_level(root_logger: logging.Logger) -> None:
    setup.set_up_logging("json", "WARNING")
    assert root_logger.level == logging.WARNING
    assert isinstance(root_logger.handlers[0].formatter, JsonLines)
    setup.set_up_logging("console", None)
    assert root_logger.level == logging.INFO
    assert isinstance(root_logger.handlers[0].formatter, ConsoleLines)


def _messages() -> Iterator[tuple[str, str]]:
    for room in ("seedance", "storage", "worker", "producer"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "log"
                    and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical", "log")
                ):
                    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                    assert texts, f"{path}:{node.lineno}: the message must be a literal"
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", texts[0]


def test_every_line_of_ours_is_an_event_with_fields_and_then_words() -> None:
    found = list(_messages())
    assert len(found) > 80
    for place, message in found:
        arguments = tuple(1 for _ in re.findall(r"%[^%a-z]*[a-z]", message))
        line = read(logging.LogRecord("reelq.x", logging.INFO, "", 0, message, arguments, None))
        assert re.fullmatch(r"[a-z_]+\.[a-z_0-9]+|1", line.event), f"{place}: {message}"
        assert "=" not in (line.detail or ""), f"{place}: its fields come first: {message}"


def test_a_clients_words_move_no_cursor_and_begin_no_line() -> None:
    name = "a\x1b[2J\r2026-11-28 error\x9b\u2028x"
    line = logged("api.request campaign=%s %s", name, f"said {name}", formatter=ConsoleLines())
    assert line.endswith("[reelq.x]\n")
    assert line.rstrip("\n").isprintable()
    assert "x1b[2J" in line
    try:
        raise ValueError(name)
    except ValueError:
        text = logged("tick.failed", exc_info=True, formatter=ConsoleLines())
    assert all(part.isprintable() for part in text.split("\n"))

"""`docs/adding-a-gateway.md` is true: its dialect works, its example is what that dialect says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from seedance.errors import (
    AccountProblem,
    BadAnswer,
    ModelProblem,
    NotServed,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
)
from seedance.gateways.base import AttemptOptions, Dialect, TaskStatus, WireAnswer, WireCall
from seedance.request import parse_request
from tests.contract.recorded import REQUIRED

PAGE = (Path(__file__).parents[3] / "docs" / "adding-a-gateway.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def dialect() -> Dialect:
    names: dict[str, type[Dialect]] = {}
    exec(block("python"), names)
    return names["Example"]()


def answer(status: int, body: object) -> WireAnswer:
    return WireAnswer(status, {}, json.dumps(body).encode())


def test_the_example_request_becomes_the_example_call(dialect: Dialect) -> None:
    example = json.loads(block("json"))
    request = parse_request(example["request"])
    assert dialect.refusals(request) == []
    assert dialect.submit_call(request, AttemptOptions(**example["attempt"])) == WireCall(**example["call"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tier": "fast"}, "tier"),
        ({"resolution": "1080p"}, "resolution"),
        ({"reference_videos": ["https://example.com/a.mp4"]}, "reference_videos"),
        ({"watermark": True}, "watermark"),
    ],
)
def test_what_its_data_does_not_allow_is_refused(dialect: Dialect, fields: dict[str, object], field: str) -> None:
    assert [problem.field for problem in dialect.refusals(parse_request({"prompt": "a fox", **fields}))] == [field]


def test_it_reads_answers(dialect: Dialect) -> None:
    assert dialect.read_submitted(answer(200, {"id": "t1"})).task_id == "t1"
    done = dialect.read_report(answer(200, {"state": "done", "video": "https://example.com/a.mp4"}))
    assert (done.status, done.video_url) == (TaskStatus.SUCCEEDED, "https://example.com/a.mp4")
    failed = dialect.read_report(answer(200, {"state": "error", "error": {"code": "OutputVideoRiskDetection"}}))
    assert failed.failure is not None and failed.failure.code == "moderation_blocked"
    with pytest.raises(BadAnswer):
        dialect.read_report(answer(200, []))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "bad_field", Rejected),
        (402, "no_credit", AccountProblem),
        (404, "no_model", ModelProblem),
        (429, "too_fast", Throttled),
        (400, "anything", OutcomeUnknown),
        (500, "bad_field", OutcomeUnknown),
        (405, "bad_field", NotServed),
    ],
)
def test_it_reads_errors(dialect: Dialect, status: int, code: str, kind: type[Exception]) -> None:
    error = {"code": code, "message": "no", "trace": "t"}
    assert type(dialect.read_error("submit", answer(status, {"error": error}))) is kind
    assert type(dialect.read_error("query", answer(404, {"error": error | {"code": "no_task"}}))) is TaskUnknown
    del error["trace"]
    assert type(dialect.read_error("submit", answer(400, {"error": error}))) is OutcomeUnknown
    assert type(dialect.read_error("query", answer(404, {"error": error | {"code": "no_task"}}))) is BadAnswer


def test_the_page_names_every_file_that_the_suite_wants() -> None:
    for kind in REQUIRED:
        assert f"`{kind}.json`" in PAGE

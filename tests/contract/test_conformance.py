"""What every dialect of the registry must do, from recorded examples and random requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedance.errors import BadAnswer, GatewayError, Operation, OutcomeUnknown
from seedance.gateways.base import (
    AttemptOptions,
    Callback,
    CallbackProof,
    Dialect,
    TaskReport,
    TaskStatus,
    WireAnswer,
    WireCall,
)
from seedance.gateways.registry import DIALECTS
from seedance.models.rows import ModelRow
from seedance.request import GenerationRequest, parse_request
from tests.contract.recorded import REQUIRED, Example, examples, load
from tests.contract.strategies import JSON, LIKELY_JSON, requests_for

EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
QUICK = settings(max_examples=60)
CALLBACK = "https://reelq.example.com/callbacks/x/token"

ANY_BODY = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | LIKELY_JSON.map(lambda value: json.dumps(value).encode())
)


def public_attributes(error: GatewayError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in dir(error) if not name.startswith("_")}


def readers(dialect: Dialect) -> list[Callable[[WireAnswer], object]]:
    return [dialect.read_submitted, dialect.read_report, dialect.read_result, dialect.read_list]


@EVERY_DIALECT
@pytest.mark.parametrize("kind", REQUIRED)
def test_has_recorded_examples(dialect: Dialect, kind: str) -> None:
    assert load(dialect.name, kind), f"tests/contract/{dialect.name}/{kind}.json holds no example"


@pytest.mark.parametrize("example", examples("requests"))
def test_request_becomes_exactly_this_call(example: Example) -> None:
    request = parse_request(example.data["request"])
    assert example.dialect.refusals(request) == []
    call = example.dialect.submit_call(request, AttemptOptions(**example.data.get("attempt", {})))
    assert call == WireCall(**example.data["call"])
    assert json.loads(orjson.dumps(call.json)) == example.data["call"]["json"]


@pytest.mark.parametrize("example", examples("refusals"))
def test_refuses_naming_the_field_and_what_is_allowed(example: Example) -> None:
    problems = example.dialect.refusals(parse_request(example.data["request"]))
    assert [problem.field for problem in problems] == [example.data["field"]]
    assert example.data["says"] in problems[0].message


@pytest.mark.parametrize("example", examples("submitted"))
def test_reads_an_accepted_submit(example: Example) -> None:
    if "error" in example.expect:
        with pytest.raises(OutcomeUnknown) as caught:
            example.dialect.read_submitted(example.answer)
        assert (caught.value.gateway, caught.value.operation) == (example.dialect.name, "submit")
    else:
        assert example.dialect.read_submitted(example.answer).task_id == example.expect["task_id"]


@pytest.mark.parametrize("example", examples("results"))
def test_reads_a_result(example: Example) -> None:
    if "error" in example.expect:
        with pytest.raises(GatewayError) as caught:
            example.dialect.read_result(example.answer)
        assert type(caught.value).__name__ == example.expect["error"]
    else:
        assert_as_expected(example.dialect.read_result(example.answer), example)


@pytest.mark.parametrize("example", examples("reports"))
def test_reads_a_report(example: Example) -> None:
    if "error" in example.expect:
        with pytest.raises(BadAnswer) as caught:
            example.dialect.read_report(example.answer)
        assert (caught.value.gateway, caught.value.operation) == (example.dialect.name, "query")
        return
    assert_as_expected(example.dialect.read_report(example.answer), example)


def assert_as_expected(report: TaskReport, example: Example) -> None:
    assert_consistent(report)
    for name, value in example.expect.items():
        if name == "failure" and value is not None:
            assert report.failure is not None
            assert {key: getattr(report.failure, key) for key in value} == value
        else:
            assert getattr(report, name) == value, name


@pytest.mark.parametrize("example", examples("errors"))
def test_reads_an_error(example: Example) -> None:
    error = example.dialect.read_error(example.data["operation"], example.answer)
    expected = {**example.expect}
    assert type(error).__name__ == expected.pop("error")
    attributes = public_attributes(error)
    assert {name: attributes[name] for name in expected} == expected
    assert (error.status, error.gateway) == (example.data["status"], example.dialect.name)
    assert error.message


@pytest.mark.parametrize("example", examples("callbacks"))
def test_reads_a_callback(example: Example) -> None:
    assert example.dialect.read_callback(example.answer.body) == example.expect["task_id"]


@pytest.mark.parametrize("example", examples("lists"))
def test_reads_a_list(example: Example) -> None:
    if "error" in example.expect:
        with pytest.raises(BadAnswer):
            example.dialect.read_list(example.answer)
        return
    page = example.dialect.read_list(example.answer)
    assert (page.total, page.unreadable) == (example.expect["total"], example.expect.get("unreadable", 0))
    for task, expected in zip(page.tasks, example.expect["tasks"], strict=True):
        shown = asdict(task) | {"seed": task.report.seed, "status": task.report.status}
        assert {name: shown[name] for name in expected} == {
            name: tuple(value) if isinstance(value, list) else value for name, value in expected.items()
        }


@EVERY_DIALECT
def test_a_list_call_has_the_gateways_own_parameters(dialect: Dialect) -> None:
    limits = dialect.capabilities().list_limits
    call = dialect.list_call(page=3, page_size=50, since=1000.5, until=2000.5, flex=True)
    assert (call is None) == (limits is None)
    if limits is None or call is None:
        return
    assert (call.method, call.as_user) == ("GET", limits.needs_user)
    assert "3" in call.params.values() and "50" in call.params.values()
    assert {"1000", "2001"} <= set(call.params.values()) or not limits.filters_time, "the window is never cut"
    assert ("flex" in call.params.values()) == limits.flex_apart
    assert dialect.list_call() != dialect.list_call(page=2)


@EVERY_DIALECT
@given(data=st.data(), seed=st.none() | st.integers(0, 2**32 - 1), callback=st.sampled_from([None, CALLBACK]))
@QUICK
def test_any_valid_request_is_refused_by_field_or_becomes_a_call(
    dialect: Dialect, data: st.DataObject, seed: int | None, callback: str | None
) -> None:
    request = data.draw(requests_for(dialect.capabilities()))
    problems = dialect.refusals(request)
    known = set(GenerationRequest.model_fields)
    for problem in problems:
        assert problem.field.partition("[")[0].partition(".")[0] in known
        assert problem.message
    if problems:
        return
    assert dialect.model_for(request)
    assert all(problem.message for problem in dialect.warnings(request))
    call = dialect.submit_call(request, AttemptOptions(seed, callback))
    text = orjson.dumps(call.json).decode()
    assert call.method == "POST" and call.path.startswith("/")
    assert json.dumps(request.prompt, ensure_ascii=False)[1:-1] in json.dumps(call.json, ensure_ascii=False)
    for _, _, reference in request.media():
        assert reference in text
    named = callback is not None and (callback in text or callback in call.params.values())
    assert named == (callback is not None and dialect.capabilities().callbacks)


MEDIA: dict[str, dict[str, Any]] = {
    "a first frame": {"first_frame": "https://example.com/a.png"},
    "two frames": {"first_frame": "https://example.com/a.png", "last_frame": "https://example.com/b.png"},
    "a picture": {"reference_images": ["https://example.com/a.png"]},
    "a video": {"reference_videos": ["https://example.com/a.mp4"]},
    "a sound": {
        "reference_images": ["https://example.com/a.png"],
        "reference_audios": ["https://example.com/a.mp3"],
    },
}


@EVERY_DIALECT
@pytest.mark.parametrize("media", MEDIA.values(), ids=MEDIA)
def test_each_kind_of_reference_is_sent_or_refused(dialect: Dialect, media: dict[str, Any]) -> None:
    for tier in dialect.capabilities().tiers:
        request = parse_request({"prompt": "a fox", "tier": tier, **media})
        if dialect.refusals(request):
            continue
        sent = orjson.dumps(dialect.submit_call(request, AttemptOptions()).json).decode()
        assert [reference for _, _, reference in request.media() if reference not in sent] == []


@EVERY_DIALECT
@given(data=st.data())
@QUICK
def test_no_setting_of_a_request_is_dropped(dialect: Dialect, data: st.DataObject) -> None:
    """A setting that changes the video and is not refused changes the call, whatever the gateway calls it."""
    request = data.draw(requests_for(dialect.capabilities()))
    if dialect.refusals(request):
        return
    call, sent = dialect.submit_call(request, AttemptOptions()), dialect.settled(request)
    replaced = {problem.field for problem in dialect.row_for(request).replaced(request)}
    for name in (
        *("resolution", "ratio", "duration", "audio", "web_search", "watermark", "return_last_frame", "seed"),
        *("output_format", "task_type"),
    ):
        value = getattr(request, name)
        if value is None or value is False or (name == "seed" and value == -1) or name in replaced:
            continue
        without = request.model_copy(update={name: None})
        changed = dialect.submit_call(without, AttemptOptions())
        assert changed != call or is_default(dialect, name, request), name
        assert name not in ("resolution", "ratio", "duration") or getattr(sent, name) == value


def is_default(dialect: Dialect, name: str, request: GenerationRequest) -> bool:
    """Whether the request asks for what the gateway does without the field."""
    row = dialect.row_for(request)
    settled = row.settled(request.model_copy(update={name: None}))
    if name == "resolution":
        return request.resolution == row.default_resolution
    if name == "output_format":
        return request.output_format == "mp4" and not row.output_formats
    if name == "task_type":
        return (not row.task_types and request.task is None) or settled.task_type == request.task_type
    return bool(getattr(settled, name) == getattr(request, name))


@EVERY_DIALECT
@given(status=st.integers(100, 599), body=ANY_BODY, headers=st.dictionaries(st.just("retry-after"), st.text()))
@QUICK
def test_any_bytes_are_read_or_raise_an_error_of_the_tree(
    dialect: Dialect, status: int, body: bytes, headers: dict[str, str]
) -> None:
    answer = WireAnswer(status, headers, body)
    for read in readers(dialect):
        try:
            result = read(answer)
        except GatewayError as raised:
            assert_storable(raised.as_dict())
        else:
            if isinstance(result, TaskReport):
                assert_consistent(result)
    for operation in OPERATIONS:
        error = dialect.read_error(operation, answer)
        assert isinstance(error, GatewayError)
        assert operation != "submit" or not isinstance(error, BadAnswer)
        assert_storable(error.as_dict())
    assert "\0" not in dialect.read_callback(body)
    assert dialect.callback_is_unfinished(body) in (True, False)
    signed = {"x-openrouter-signature": "t=1,v1=zz", "x-webhook-timestamp": "1", "x-webhook-signature": "?"}
    for sent in ({}, headers, signed):
        why = dialect.callback_forgery(Callback(sent, body), ["key"], 1.0)
        assert (why is None) == (dialect.callback_proof is CallbackProof.NONE)


@EVERY_DIALECT
@given(body=LIKELY_JSON)
@QUICK
def test_any_arrangement_of_known_words_is_read(dialect: Dialect, body: object) -> None:
    answer = WireAnswer(200, {}, json.dumps(body).encode())
    try:
        report = dialect.read_report(answer)
    except BadAnswer:
        return
    assert_consistent(report)


@EVERY_DIALECT
def test_capabilities_are_json_and_consistent(dialect: Dialect) -> None:
    capabilities = dialect.capabilities()
    assert capabilities.gateway == dialect.name
    assert json.loads(json.dumps(capabilities.as_dict()))["tiers"].keys() == capabilities.tiers.keys()
    assert capabilities.cancel == (dialect.cancel_call("x") is not None)
    assert capabilities.list_limits is not None or not (capabilities.list_ids or capabilities.marks)
    assert capabilities.callbacks == (dialect.callback_problem(CALLBACK) is None)
    named: list[tuple[dict[str, Any], ModelRow]] = [({"tier": tier}, row) for tier, row in capabilities.tiers.items()]
    for fields, row in [*named, *(({"model": name}, row) for name, row in capabilities.models.items())]:
        assert row.default_resolution in row.resolutions
        for resolution in row.resolutions:
            request = parse_request({"prompt": "a fox", "resolution": resolution} | fields)
            assert dialect.refusals(request) == []
            assert dialect.model_for(request) in row.models


@EVERY_DIALECT
def test_public_callback_urls_are_accepted_and_others_refused(dialect: Dialect) -> None:
    if not dialect.capabilities().callbacks:
        assert dialect.callback_problem(CALLBACK) == f"{dialect.name} does not call back"
        return
    assert dialect.callback_problem(f"{CALLBACK}/{'x' * 2048}") is not None
    for url in ("ftp://example.com/x", "/callbacks/x", "https://", "http://[::1", ""):
        assert dialect.callback_problem(url, allow_private=True) is not None
    for url in ("http://127.0.0.1:8080/x", "https://10.0.0.1/x", "https://localhost/x", "http://[::1]:80/x"):
        assert "not public" in (dialect.callback_problem(url) or "")
        assert dialect.callback_problem(url, allow_private=True) is None
    plain = dialect.callback_problem("http://reelq.example.com/x")
    assert (plain is not None) == dialect.capabilities().callbacks_https_only


@EVERY_DIALECT
@pytest.mark.parametrize("task_id", ["../x", "a/b?c#d", "é", " "])
def test_a_task_id_stays_one_part_of_the_path(dialect: Dialect, task_id: str) -> None:
    for call in (dialect.query_call(task_id), dialect.cancel_call(task_id)):
        if call is not None:
            last = call.path.rpartition("/")[2]
            assert last.isascii() and not set(last) & set("?# ")
            assert call.path.count("/") == dialect.query_call("x").path.count("/")


def assert_consistent(report: TaskReport) -> None:
    ended_badly = report.status in (TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED, TaskStatus.LOST)
    assert (report.failure is not None) == ended_badly
    assert report.video_url is None or report.status is TaskStatus.SUCCEEDED
    assert report.progress is None or 0 <= report.progress <= 100
    assert report.seed is None or 0 <= report.seed < 2**32
    assert_storable([report.raw_status, report.usage, report.video_url, report.last_frame_url, report.seed])
    if report.failure is not None:
        assert report.failure.code and report.failure.message
        assert_storable([report.failure.message, report.failure.gateway_code])


def assert_storable(value: object) -> None:
    """Check that PostgreSQL can store it as JSONB: standard JSON without NULs, of a bounded size."""
    text = json.dumps(value, allow_nan=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    assert len(text) < 100_000

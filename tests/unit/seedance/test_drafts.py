"""Drafts and finals: what is sent of a final, what a caller may set, and how their tasks are recognized."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from producer.intake.job_spec import REQUEST_FIELDS
from seedance.comparison import Sent, compare
from seedance.drafts import FINAL_FIELDS, final_request, own_fields_problems
from seedance.gateways.base import AttemptOptions, ListedTask, TaskReport, TaskStatus
from seedance.gateways.registry import DIALECTS
from seedance.lanes import lane_of
from seedance.problems import InvalidInput
from seedance.request import GenerationRequest, parse_request
from seedance.tokens import token_range
from tests.contract.strategies import requests_for

ARK = DIALECTS["ark"]
JOB = "0190a0a0-0000-7000-8000-000000000001"
ROW = ARK.catalog.models["seedance-2.5"]
SENT = {"model", "content", "resolution", "output_format", "watermark", "return_last_frame"}
SENT |= {"callback_url", "priority", "execution_expires_after", "safety_identifier"}
ATTEMPT = AttemptOptions(seed=5, mark=140_000, draft_task_id="cgt-1", draft_model="doubao-seedance-2-5-260628")


def final_of(draft: GenerationRequest, **given: Any) -> GenerationRequest:
    fields: dict[str, Any] = {"draft_of": JOB} | given
    return parse_request(final_request(draft.canonical(), fields, ROW))


@given(requests_for(ARK.capabilities()))
def test_a_final_sends_only_what_the_documents_allow(request: GenerationRequest) -> None:
    """Whatever the draft asked for: nothing of it is sent again, even if it is equal."""
    draft = request.model_copy(update={"model": "seedance-2.5", "resolution": "480p", "draft": True, "seed": None})
    if ARK.refusals(draft) or draft.return_last_frame:
        return
    final = final_of(draft, watermark=True, output_format="mov")
    assert ARK.refusals(final) == []
    body = ARK.submit_call(final, ATTEMPT).json
    assert isinstance(body, dict) and set(body) <= SENT
    assert body["content"] == [{"type": "draft_task", "draft_task": {"id": "cgt-1"}}]
    assert (body["model"], body["resolution"], body["output_format"]) == (ATTEMPT.draft_model, "1080p", "mov")
    assert body["execution_expires_after"] == 140_000
    assert (final.prompt, final.duration, final.ratio) == (draft.prompt, draft.duration, draft.ratio)
    assert (final.mode, final.reference_videos) == (draft.mode, draft.reference_videos)
    assert list(final.media()) == []


def test_naming_the_format_that_a_final_has_anyway_gives_the_same_final() -> None:
    draft = parse_request({"prompt": "a fox", "model": "seedance-2.5", "draft": True})
    assert final_of(draft, output_format="mp4").canonical() == final_of(draft).canonical()
    assert final_of(draft, output_format="mov").canonical() != final_of(draft).canonical()


def test_a_draft_is_480p_without_a_last_frame() -> None:
    draft = parse_request({"prompt": "a fox", "model": "seedance-2.5", "draft": True})
    assert draft.resolution == "480p"
    assert lane_of(draft.canonical()).endswith("/480p")
    body = ARK.submit_call(draft, AttemptOptions(mark=140_000)).json
    assert isinstance(body, dict)
    assert (body["draft"], body["resolution"], body["return_last_frame"]) == (True, "480p", False)
    for wrong in ({"return_last_frame": True}, {"draft_of": JOB}):
        with pytest.raises(InvalidInput):
            parse_request({"prompt": "a fox", "draft": True} | wrong)
    assert parse_request({"prompt": "a fox", "draft": False}) == parse_request({"prompt": "a fox"})


@pytest.mark.parametrize("name", [name for name in REQUEST_FIELDS if name not in FINAL_FIELDS])
def test_a_caller_must_not_repeat_what_the_draft_decides(name: str) -> None:
    [problem] = own_fields_problems({"draft_of": JOB, "watermark": True, name: "x"}, REQUEST_FIELDS)
    assert problem.field == name


def test_a_final_keeps_its_drafts_own_model_and_no_other_option() -> None:
    draft = parse_request(
        {"prompt": "x", "model": "seedance-2.5", "draft": True}
        | {"gateway_options": {"priority": 1, "ark": {"model": "ep-9", "safety_identifier": "a"}}}
    )
    final = final_of(draft, gateway_options={"ark": {"priority": 7}})
    assert final.gateway_options == {"ark": {"model": "ep-9", "priority": 7}}
    [problem] = own_fields_problems({"gateway_options": {"ark": {"model": "x"}}}, REQUEST_FIELDS)
    assert problem.field == "gateway_options.ark"


WITHOUT = [name for name, of in DIALECTS.items() if all(row.drafts is None for row in of.catalog.models.values())]


@pytest.mark.parametrize("name", WITHOUT)
def test_a_gateway_without_drafts_refuses_them_by_name(name: str) -> None:
    dialect = DIALECTS[name]
    for model in dialect.catalog.models:
        fields = {"prompt": "a fox", "model": model}
        assert "draft" in [p.field for p in dialect.refusals(parse_request(fields | {"draft": True}))]
        assert "draft_of" in [p.field for p in dialect.refusals(parse_request(fields | {"draft_of": JOB}))]


def test_draft_and_final_are_priced_at_their_own_resolution() -> None:
    """5 s at 16:9, as in the price examples of the documents: 48,437 and 245,025 tokens. Input videos count in both."""
    draft = parse_request({"prompt": "x", "model": "seedance-2.5", "draft": True, "duration": 5, "ratio": "16:9"})
    with_video = draft.model_copy(update={"reference_videos": ("https://example.com/a.mp4",)})

    def tokens(request: GenerationRequest, input_s: float | None = None) -> int:
        found = token_range(request, ARK, input_s)
        assert found is not None
        return int(found[1])

    assert (tokens(draft), tokens(final_of(draft))) == (48_437, 245_025)
    assert tokens(with_video, 5.0) > tokens(draft)
    assert tokens(final_of(with_video), 5.0) > tokens(final_of(draft))


def test_listed_tasks_are_compared_with_what_was_sent() -> None:
    report = TaskReport(TaskStatus.SUCCEEDED, "succeeded")
    draft = parse_request({"prompt": "x", "model": "seedance-2.5", "draft": True, "duration": 5, "ratio": "16:9"})
    final = final_of(draft)
    shown = ListedTask("cgt-2", 1, "m", report, duration=9.0, ratio="1:1", resolution="1080p", audio=False, prompt="y")
    shown = replace(shown, draft=False, draft_task_id="cgt-1", execution_expires_after=140_000)
    of_final = Sent(ARK, "m", final, mark=140_000, draft_task_id="cgt-1")
    found = compare(of_final, shown)
    assert found.recognised and not found.differs
    assert set(found.matches) == {"execution_expires_after", "model", "resolution", "draft_task_id"}
    assert set(compare(of_final, replace(shown, draft_task_id="cgt-9")).differs) == {"draft_task_id"}
    assert set(compare(of_final, replace(shown, draft=True)).differs) == {"draft"}
    own = replace(shown, draft=True, draft_task_id=None, resolution="480p", duration=5.0, ratio="16:9", prompt=None)
    of_draft = Sent(ARK, "m", draft, mark=140_000)
    assert {"draft", "duration", "ratio"} <= set(compare(of_draft, own).matches)
    assert set(compare(of_draft, replace(own, draft=False)).differs) == {"draft"}
    plain = Sent(ARK, "m", draft.model_copy(update={"draft": False}), mark=140_000)
    assert set(compare(plain, replace(own, draft=False, draft_task_id="cgt-1")).differs) == {"draft_task_id"}

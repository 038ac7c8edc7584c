"""Limits that need large or many values: data URIs, whole requests, prompts; and warnings."""

from __future__ import annotations

from typing import Any

import pytest

from seedance.gateways.checks import canonical_format, estimated_tokens
from seedance.gateways.registry import DIALECTS
from seedance.models.rows import MB
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest, parse_request


def request(**fields: Any) -> GenerationRequest:
    return parse_request({"prompt": "a fox", **fields})


def data_uri(kind: str, size: int) -> str:
    """A data URI with `size` bytes of content, a multiple of three."""
    return f"data:{kind};base64,{'A' * (size // 3 * 4)}"


def test_an_image_must_be_smaller_than_the_limit() -> None:
    anyfast = DIALECTS["anyfast"]
    assert anyfast.refusals(request(first_frame=data_uri("image/jpeg", 30 * MB - 3))) == []
    assert anyfast.refusals(request(first_frame=data_uri("image/jpeg", 30 * MB))) == [
        Problem("first_frame", "anyfast takes less than 30 MB, not 30.0 MB")
    ]


def test_audio_has_a_limit_of_its_own() -> None:
    audio = request(reference_images=["https://example.com/a.png"], reference_audios=[data_uri("audio/wav", 15 * MB)])
    for name in ("anyfast", "ark"):
        (problem,) = DIALECTS[name].refusals(audio)
        assert problem.field == "reference_audios[0]"


def test_a_whole_request_has_the_documented_limit() -> None:
    large = request(reference_images=[data_uri("image/png", 18 * MB)] * 2 + [data_uri("image/png", 21 * MB)])
    (problem,) = DIALECTS["ark"].refusals(large)
    assert problem.field == "reference_images[2]"
    assert "64 MB" in problem.message


@pytest.mark.parametrize(
    ("name", "canonical"), [("JPEG", "jpg"), ("tif", "tiff"), ("quicktime", "mov"), ("x-wav", "wav"), ("png", "png")]
)
def test_each_format_has_one_canonical_name(name: str, canonical: str) -> None:
    assert canonical_format(name) == canonical


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("狐狸", 2), ("狐狸 fox", 3)])
def test_tokens_are_estimated(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


@pytest.mark.parametrize("prompt", ["狐" * 501, "fox " * 1001])
def test_a_prompt_above_the_advised_length_is_a_warning(prompt: str) -> None:
    for name in ("anyfast", "evolink", "ark"):
        long = request(prompt=prompt)
        assert DIALECTS[name].refusals(long) == []
        assert [warning.field for warning in DIALECTS[name].warnings(long)] == ["prompt"]


@pytest.mark.parametrize(
    ("gateway", "fields", "field"),
    [
        ("anyfast", {"operation": "edit", "reference_videos": ["https://example.com/a.mp4"]}, "operation"),
        ("anyfast", {"camera_fixed": False}, "camera_fixed"),
        ("evolink", {"watermark": False}, "watermark"),
        ("uniall", {"camera_fixed": True}, "camera_fixed"),
        ("uniall", {"resolution": "4k"}, "resolution"),
        ("12ai", {"reference_images": ["https://example.com/a.png"]}, "prompt"),
    ],
)
def test_a_request_that_a_gateway_meets_only_in_part_is_a_warning(
    gateway: str, fields: dict[str, Any], field: str
) -> None:
    asked = request(**fields)
    assert DIALECTS[gateway].refusals(asked) == []
    assert [warning.field for warning in DIALECTS[gateway].warnings(asked)] == [field]


def test_a_complete_request_has_no_warnings() -> None:
    for dialect in DIALECTS.values():
        assert dialect.warnings(request(duration=5, ratio="16:9", audio=True)) == []


def test_ark_uses_the_models_of_an_account() -> None:
    ark = DIALECTS["ark"].with_models({"standard": "ep-20260101-abcde"})
    assert ark.model_for(request()) == "ep-20260101-abcde"
    assert [str(problem) for problem in ark.refusals(request(tier="fast"))] == ["tier: ark has standard, not fast"]
    assert DIALECTS["ark"].with_models({}) is DIALECTS["ark"]
    assert DIALECTS["ark"].model_for(request()) == "doubao-seedance-2-0-260128"
    named = request(gateway_options={"ark": {"model": "ep-other"}})
    assert ark.model_for(named) == "ep-other"


@pytest.mark.parametrize("models", [{"standard": "a b"}, {"huge": "x"}, {"fast": ""}])
def test_invalid_models_of_an_account_are_refused(models: dict[Any, str]) -> None:
    with pytest.raises(InvalidInput):
        DIALECTS["ark"].with_models(models)


def test_an_account_can_name_a_model_at_every_gateway() -> None:
    for dialect in DIALECTS.values():
        if dialect.name == "new-api":
            with pytest.raises(InvalidInput, match="models: is required"):
                dialect.with_models({})
        else:
            assert dialect.with_models({}) is dialect
        assert dialect.with_models({"standard": "our/x"}).model_for(request()) == "our/x"


@pytest.mark.parametrize("name", DIALECTS)
def test_a_short_prompt_without_files_is_never_refused_for_what_it_says(name: str) -> None:
    """Rows that differ in nothing else are checked once."""
    dialect = DIALECTS[name]
    sure = dialect.sure_prompt_chars
    assert sure >= 1000
    said = [
        "a",
        "狐" * sure,
        "\u20ac" * sure,
        "w " * (sure // 2),
        "@image_file_7 [Image 3] @video1 --ratio 16:9",
        "\n{}<>&'",
    ]
    for fields in ({}, {"tier": "fast"}, {"resolution": "4k"}, {"duration": 15}, {"web_search": True}):
        found = [dialect.refusals(parse_request({"prompt": prompt[:sure], **fields})) for prompt in said]
        assert all(problems == found[0] for problems in found)
        assert all(problem.field != "prompt" for problem in found[0])

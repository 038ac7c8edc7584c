"""Compare tokens with published usages, and the ranges of requests with what their videos can be."""

from __future__ import annotations

from typing import Any

import pytest

from seedance.gateways.registry import DIALECTS
from seedance.request import GenerationRequest, parse_request
from seedance.tokens import minimum_tokens, token_range, tokens_of

ARK = DIALECTS["ark"]
VIDEO = ["https://example.com/a.mp4"]
HD = 1280 * 720


def request(**fields: Any) -> GenerationRequest:
    return parse_request({"prompt": "a fox", "resolution": "720p", "ratio": "16:9", "duration": 5, **fields})


def of(dialect: str = "ark", input_video_s: float | None = None, **fields: Any) -> tuple[int, int] | None:
    return token_range(request(**fields), DIALECTS[dialect], input_video_s)


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"model": "seedance-2.0-fast", "resolution": "480p", "duration": 4}, 40_594),
        ({"model": "seedance-2.5", "resolution": "480p", "duration": 4}, 38_830),
        ({"model": "seedance-2.5", "resolution": "480p", "duration": 5}, 48_437),
        ({"model": "seedance-2.5", "duration": 5}, 108_900),
        ({"model": "seedance-2.5", "duration": 10}, 216_900),
        ({"model": "seedance-2.5", "duration": 30}, 648_900),
        ({"model": "seedance-2.5", "resolution": "1080p", "duration": 5}, 245_025),
        ({"model": "seedance-2.5", "resolution": "4k", "duration": 4}, 785_700),
        ({"model": "seedance-2.5", "resolution": "480p", "duration": 4, "reference_videos": VIDEO}, 86_867),
    ],
)
def test_a_request_has_exactly_the_published_usage(fields: dict[str, Any], tokens: int) -> None:
    assert of(**fields, input_video_s=5 if "reference_videos" in fields else None) == (tokens, tokens)


@pytest.mark.parametrize(
    ("pixels", "output_s", "resolution", "tokens"),
    [(528 * 798, 4, "480p", 39_912), (786 * 1180, 5, "720p", 109_594)],
)
def test_a_first_frame_gives_sizes_beside_the_table(pixels: int, output_s: int, resolution: str, tokens: int) -> None:
    assert tokens_of(pixels, output_s) == tokens
    framed: dict[str, Any] = {
        "resolution": resolution,
        "duration": output_s,
        "first_frame": "https://example.com/a.png",
    }
    found = of(model="seedance-2.5", **framed)
    assert found is not None and found[0] <= tokens <= found[1]


def test_an_adaptive_frame_reserves_a_percent_more_than_the_largest_size() -> None:
    framed = of(model="seedance-2.5", ratio="adaptive", first_frame="https://example.com/a.png")
    assert framed == (tokens_of(HD, 5), tokens_of(1112 * 834 * 1.01, 5))
    text = of(model="seedance-2.5", ratio="adaptive")
    assert text == (tokens_of(HD, 5), tokens_of(1112 * 834, 5)), "text has no size of its own"


@pytest.mark.parametrize(
    ("output_s", "tokens"), [(4, 151_200), (5, 194_400), (10, 367_200), (15, 540_000), (30, 1_080_000)]
)
def test_a_short_video_input_is_billed_by_the_published_minimum(output_s: int, tokens: int) -> None:
    assert minimum_tokens(HD, output_s) == tokens
    assert of(model="seedance-2.5", duration=output_s, reference_videos=VIDEO, input_video_s=2) == (tokens, tokens)
    if output_s <= 15:
        assert of(duration=output_s, reference_videos=VIDEO, input_video_s=2) == (tokens, tokens)


def test_above_the_minimum_the_formula_counts_and_fractions_of_input_seconds_count_in_full() -> None:
    assert tokens_of(HD, 8, 5) == 281_700, "the usage in AnyFast's manual"
    longer = tokens_of(HD, 4, 9)
    assert of(duration=4, reference_videos=VIDEO, input_video_s=8.2) == (longer, longer)
    assert longer > minimum_tokens(HD, 4)


def test_an_unknown_length_of_the_inputs_gives_a_range() -> None:
    assert of(reference_videos=VIDEO, duration=8) == (minimum_tokens(HD, 8), tokens_of(HD, 8, 15))
    assert of(reference_videos=VIDEO * 3) == (tokens_of(HD, 5, 6), tokens_of(HD, 5, 15)), "three share fifteen seconds"


def test_a_length_that_the_model_chooses_reserves_its_longest() -> None:
    for model, longest in (("seedance-2.0", 15), ("seedance-2.5", 30)):
        assert of(model=model, duration=-1) == (tokens_of(HD, 4), tokens_of(HD, longest))
    edit: dict[str, Any] = {"model": "seedance-2.5", "operation": "edit", "reference_videos": VIDEO}
    edited = of(**edit, duration=None, ratio=None, input_video_s=9)
    assert edited == (tokens_of(HD, 4, 9), minimum_tokens(1112 * 834 * 1.01, 30))


def test_an_extension_may_lack_the_additional_frame() -> None:
    asked: dict[str, Any] = {"model": "seedance-2.5", "operation": "extend", "reference_videos": VIDEO, "ratio": None}
    found = of(**asked, input_video_s=30)
    assert found == (HD * 24 * 35 // 1024, tokens_of(1112 * 834 * 1.01, 5, 30))


def test_defaults_of_the_gateway_are_used() -> None:
    bare = parse_request({"prompt": "a fox"})
    assert token_range(bare, DIALECTS["evolink"]) == (108_900, 108_900)
    assert token_range(bare, DIALECTS["uniall"]) == (tokens_of(HD, 5), tokens_of(HD, 15))
    assert of("12ai", resolution=None) == (50_638, 50_638)

"""The neutral request: bad fields are named with a message, good ones are kept unchanged."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest, parse_request

IMAGES = [f"https://example.com/{i}.png" for i in range(31)]
VIDEOS = [f"https://example.com/{i}.mp4" for i in range(11)]
AUDIOS = [f"https://example.com/{i}.mp3" for i in range(11)]

BAD = [
    ({"duration": 3}, "duration", "must be 4 to 30 seconds, or -1 for automatic, not 3"),
    ({"duration": 31}, "duration", "must be 4 to 30 seconds, or -1 for automatic, not 31"),
    ({"duration": 0}, "duration", "must be 4 to 30 seconds, or -1 for automatic, not 0"),
    ({"duration": "long"}, "duration", "must be a whole number, not 'long'"),
    ({"duration": 5.5}, "duration", "must be a whole number, not 5.5"),
    ({"duration": True}, "duration", "must be a whole number, not True"),
    ({"duration": float("nan")}, "duration", "must be a whole number, not nan"),
    ({"ratio": "2:1"}, "ratio", "must be '16:9', '4:3', '1:1', '3:4', '9:16', '21:9' or 'adaptive', not '2:1'"),
    ({"resolution": "8k"}, "resolution", "must be '480p', '720p', '1080p' or '4k', not '8k'"),
    ({"tier": "pro"}, "tier", "must be 'standard', 'fast' or 'mini', not 'pro'"),
    ({"last_frame": IMAGES[0]}, "last_frame", "needs first_frame as well"),
    (
        {"first_frame": IMAGES[0], "reference_images": IMAGES[:1]},
        "first_frame",
        "cannot be combined with reference_images; use frames or references",
    ),
    (
        {"first_frame": IMAGES[0], "last_frame": IMAGES[1], "reference_videos": VIDEOS[:1]},
        "first_frame",
        "cannot be combined with reference_videos; use frames or references",
    ),
    ({"reference_videos": VIDEOS}, "reference_videos", "at most 10, not 11"),
    ({"reference_images": IMAGES}, "reference_images", "at most 30, not 31"),
    ({"reference_images": IMAGES[:1], "reference_audios": AUDIOS}, "reference_audios", "at most 10, not 11"),
    ({"model": "Seedance 2.5"}, "model", "must be a name such as seedance-2.5, not 'Seedance 2.5'"),
    ({"output_format": "webm"}, "output_format", "must be 'mp4' or 'mov', not 'webm'"),
    ({"task_type": "reference"}, "task_type", "reference needs references"),
    ({"task_type": "edit", "reference_images": IMAGES[:1]}, "task_type", "edit needs the video in reference_videos"),
    (
        {"operation": "edit", "task_type": "extend", "reference_videos": VIDEOS[:1]},
        "task_type",
        "must be edit as in operation, or left out, not extend",
    ),
    (
        {"first_frame": "file:///etc/passwd"},
        "first_frame",
        "file: is not supported; use an http(s) URL, a data URI, asset://ID or a local path (got 'file:///etc/passwd')",
    ),
    (
        {"reference_images": ["a.png", "b.exe"]},
        "reference_images[1]",
        "a local image must be one of bmp, gif, heic, heif, jpeg, jpg, png, tif, tiff, webp, not 'b.exe'",
    ),
    (
        {"first_frame": "data:video/mp4;base64,AAAA"},
        "first_frame",
        "must be data:image/…, not 'data:video/mp4;base64,AAAA'",
    ),
    (
        {"first_frame": "data:image/png;base64,AAA"},
        "first_frame",
        "a data URI must be data:image|video|audio/<subtype>;base64,<data> (got 'data:image/png;base64,AAA')",
    ),
    (
        {"first_frame": "http://[::1/a.png"},
        "first_frame",
        "is not a valid http(s) URL of at most 8192 characters (got 'http://[::1/a.png')",
    ),
    (
        {"first_frame": "https://e.com:https/a.png"},
        "first_frame",
        "is not a valid http(s) URL of at most 8192 characters (got 'https://e.com:https/a.png')",
    ),
    ({"web_search": True, "first_frame": IMAGES[0]}, "web_search", "works for text only, without frames or references"),
    ({"operation": "edit"}, "operation", "edit needs the video in reference_videos"),
    ({"operation": "cut"}, "operation", "must be 'edit' or 'extend', not 'cut'"),
    ({"seed": -2}, "seed", "must be 0 to 4294967295, or -1 for a random one, not -2"),
    ({"seed": 2**32}, "seed", "must be 0 to 4294967295, or -1 for a random one, not 4294967296"),
    ({"seed": True}, "seed", "must be a whole number, not True"),
    ({"audio": "loud"}, "audio", "must be true or false, not 'loud'"),
    ({"colour": "red"}, "colour", "is not a field we know"),
    ({"prompt": ""}, "prompt", "is required; describe the video"),
    ({"prompt": " \n\t"}, "prompt", "is required; describe the video"),
    ({"prompt": 7}, "prompt", "must be text, not 7"),
    ({"prompt": "a\0b"}, "prompt", "holds a NUL character"),
    ({"prompt": "x" * 20_001}, "prompt", "at most 20000 characters"),
]


@pytest.mark.parametrize(("fields", "field", "message"), BAD, ids=[f"{case[1]} {case[2][:30]}" for case in BAD])
def test_one_wrong_field_gives_one_problem(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_request({"prompt": "a fox in the snow", **fields})
    assert caught.value.problems == (Problem(field, message),)
    assert str(caught.value) == f"{field}: {message}"


def test_a_missing_prompt_is_reported() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_request({})
    assert caught.value.problems == (Problem("prompt", "is required; describe the video"),)


def test_every_wrong_field_is_reported_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_request({"prompt": " ", "duration": 3, "ratio": "2:1", "seed": "x", "reference_images": [1, "ok.png"]})
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"prompt", "duration", "ratio", "seed", "reference_images[0]"}


@pytest.mark.parametrize("field", ["first_frame", "prompt", "ratio", "duration", "nonsense"])
def test_a_giant_value_is_not_repeated_in_the_message(field: str) -> None:
    giant = "data:image/png;base64," + "?" * 5_000_000
    with pytest.raises(InvalidInput) as caught:
        parse_request({"prompt": "a fox", field: giant})
    assert len(str(caught.value)) < 300


def test_a_number_with_too_many_digits_for_python_is_refused() -> None:
    digits = "9" * (sys.get_int_max_str_digits() + 1)
    with pytest.raises(InvalidInput) as caught:
        parse_request({"prompt": "a fox", "duration": digits, "seed": digits})
    assert [problem.field for problem in caught.value.problems] == ["duration", "seed"]


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({}, "text"),
        ({"first_frame": IMAGES[0]}, "first_frame"),
        ({"first_frame": IMAGES[0], "last_frame": IMAGES[1]}, "first_last_frame"),
        ({"reference_videos": VIDEOS[:1]}, "reference"),
        ({"reference_images": IMAGES[:9], "reference_videos": VIDEOS[:3], "reference_audios": AUDIOS[:3]}, "reference"),
    ],
)
def test_the_mode_follows_from_the_media(fields: dict[str, Any], mode: str) -> None:
    assert parse_request({"prompt": "a fox", **fields}).mode == mode


def test_media_are_ordered_for_gateways_and_replaced_by_name() -> None:
    request = parse_request(
        {
            "prompt": "a fox",
            "reference_audios": ["a.mp3"],
            "reference_videos": ["b.mp4"],
            "reference_images": ["c.png", "d.png"],
        }
    )
    assert [name for name, _, _ in request.media()] == [
        "reference_images[0]",
        "reference_images[1]",
        "reference_videos[0]",
        "reference_audios[0]",
    ]
    replaced = request.with_media({"reference_images[1]": "asset://x", "reference_audios[0]": "https://e.com/a.mp3"})
    assert [value for _, _, value in replaced.media()] == ["c.png", "asset://x", "b.mp4", "https://e.com/a.mp3"]
    assert request.reference_images == ("c.png", "d.png")


def test_text_of_a_table_is_read_as_numbers_and_booleans() -> None:
    request = parse_request({"prompt": "a fox", "duration": "8", "audio": "false", "seed": "42"})
    assert (request.duration, request.audio, request.seed) == (8, False, 42)


def test_canonical_leaves_out_defaults() -> None:
    request = parse_request({"prompt": "a fox", "tier": "standard", "audio": False, "seed": None, "duration": -1})
    assert request.canonical() == {"prompt": "a fox", "audio": False, "duration": -1}
    assert parse_request(request.canonical()) == request


def test_options_for_a_gateway_are_the_plain_ones_and_its_own() -> None:
    options = {"content_filter": True, "evolink": {"content_filter": False}, "ark": {"priority": 3}}
    request = parse_request({"prompt": "a fox", "gateway_options": options})
    assert request.options_for("evolink") == {"content_filter": False}
    assert request.options_for("ark") == {"content_filter": True, "priority": 3}
    assert request.options_for("anyfast") == {"content_filter": True}


@given(
    st.dictionaries(
        st.sampled_from([*GenerationRequest.model_fields, "unknown"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text() | st.integers()),
    )
)
def test_any_fields_give_a_request_or_problems(fields: dict[str, Any]) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        request = parse_request(fields)
    except InvalidInput as exc:
        problems = exc.problems
    else:
        assert parse_request(request.canonical()) == request
        return
    assert problems
    assert all(problem.message for problem in problems)

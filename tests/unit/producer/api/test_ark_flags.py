"""Flags in the text of Ark's older clients."""

from __future__ import annotations

from typing import Any

import pytest

from producer.api.ark.flags import split_flags
from seedance.problems import InvalidInput


@pytest.mark.parametrize(
    ("text", "prompt", "given"),
    [
        ("a fox", "a fox", {}),
        (
            "a fox --ratio 16:9 --dur 5",
            "a fox",
            {"ratio": "16:9", "duration": 5},
        ),
        ("a fox\n--rs 720p  --wm false --seed -1 ", "a fox", {"resolution": "720p", "watermark": False, "seed": -1}),
        ("a fox --fps 24 --camerafixed true", "a fox", {"framespersecond": 24, "camera_fixed": True}),
        ("a well--known fox -- it runs", "a well--known fox -- it runs", {}),
        ("a sign that says --sale today", "a sign that says --sale today", {}),
    ],
)
def test_flags_at_the_end_are_parameters(text: str, prompt: str, given: dict[str, Any]) -> None:
    assert split_flags(text) == (prompt, given)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a fox --dur five", "whole number"),
        ("a fox --dur", "needs a value"),
        ("a fox --dur 5 --duration 5", "given twice"),
        ("a fox --wm maybe", "true or false"),
        ("a fox --dur 5 --style oil", "--style is not a flag"),
        ("a fox --dur 5 in the snow", "at the end|to the end"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        split_flags(text)

"""Sizes such as `1280x720`, which OpenAI's clients use instead of a resolution and a ratio."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import log
from typing import Any

from seedance.models.catalog import model_name, pixels_of
from seedance.problems import InvalidInput, Problem, shorten
from seedance.request import Ratio, Resolution

DEFAULT_MODEL = "seedance-2.0"
UNKNOWN = "auto"
"""The size of a video whose resolution or ratio its gateway chose."""
_SIZE = re.compile(r"([1-9]\d{1,4})[x*×]([1-9]\d{1,4})")
_OTHER_RATIO = log(1.04)
_OTHER_AREA = log(1.4)


def _sizes(model: str) -> Mapping[tuple[Resolution, Ratio], tuple[int, int]]:
    sizes = pixels_of(model) or pixels_of(DEFAULT_MODEL)
    return {(resolution, ratio): size for resolution, by_ratio in sizes.items() for ratio, size in by_ratio.items()}


_SIZES = _sizes(DEFAULT_MODEL)


def size_of(request: Mapping[str, Any]) -> str:
    """The size of a stored request's video, `auto` if the gateway chooses it."""
    model = request.get("model")
    sizes = _SIZES if model is None else _sizes(model_name(model, request.get("tier", "standard")))
    size = sizes.get((request.get("resolution"), request.get("ratio")))  # type: ignore[arg-type] # any key may be asked for
    return UNKNOWN if size is None else f"{size[0]}x{size[1]}"


def parse_size(text: str) -> tuple[Resolution, Ratio]:
    """The resolution and the ratio nearest to a size.

    1024x1792 is 1080p at 9:16: shapes may differ by 4 % and areas by 40 %.

    Raises:
        InvalidInput: it is not a size, or no rendered size is near it.
    """
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None:
        raise _problem("must be WIDTHxHEIGHT in pixels, such as 1280x720", text)
    width, height = int(found[1]), int(found[2])

    def distance(size: tuple[int, int]) -> tuple[float, float]:
        return abs(log(width / height * size[1] / size[0])), abs(log(width * height / size[0] / size[1]))

    near = {
        kind: distance(size)
        for kind, size in _SIZES.items()
        if distance(size)[0] < _OTHER_RATIO and distance(size)[1] < _OTHER_AREA
    }
    if not near:
        raise _problem("must be near a rendered size, such as 720x1280, 1280x720 or 960x960", text)
    return min(near, key=lambda kind: sum(near[kind]))


def _problem(wanted: str, text: str) -> InvalidInput:
    return InvalidInput([Problem("size", f"{wanted}, not {shorten(text)}")])

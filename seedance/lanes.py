"""Lanes: the parts of a request that decide which of a gateway's models serves it.

Health, limits and pauses are kept per account and gateway model. Jobs wait in lanes, which are the same for all
gateways; a dialect says which of its models serves a lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from seedance.gateways.base import Dialect
from seedance.request import GenerationRequest, Mode, Resolution, Tier

COUNTED_APART = "4k"
"""The resolution for which gateways keep separate limits within a model."""
_DEFAULT_TIER = "standard"


def lane_of(request: Mapping[str, Any]) -> str:
    """The lane of a job's canonical request, such as `standard/text/720p`; without a resolution `standard/text/`."""
    if "last_frame" in request:
        mode: Mode = "first_last_frame"
    elif "first_frame" in request:
        mode = "first_frame"
    elif any(name in request for name in ("reference_images", "reference_videos", "reference_audios")):
        mode = "reference"
    else:
        mode = "text"
    return f"{request.get('tier', _DEFAULT_TIER)}/{mode}/{request.get('resolution', '')}"


LANES = tuple(
    f"{tier}/{mode}/{size}"
    for tier in get_args(Tier)
    for mode in get_args(Mode)
    for size in ("", *get_args(Resolution))
)
"""Every possible lane."""


@cache
def model_of(dialect: Dialect, lane: str) -> str | None:
    """The gateway's name of the model that serves a lane, with `@4k` where limits are separate; None when the dialect
    has no such tier."""
    tier, mode, resolution = lane.split("/")
    if tier not in dialect.capabilities().tiers:
        return None
    media: dict[str, Any] = {}
    if mode in ("first_frame", "first_last_frame"):
        media["first_frame"] = "https://example.invalid/a.png"
    if mode == "first_last_frame":
        media["last_frame"] = "https://example.invalid/b.png"
    if mode == "reference":
        media["reference_images"] = ("https://example.invalid/a.png",)
    named: dict[str, Any] = {"prompt": "-", "tier": tier, "resolution": resolution or None}
    request = GenerationRequest.model_construct(**named, **media)
    return model_key(dialect.model_for(request), resolution)


def model_key(model: str, resolution: str | None) -> str:
    """The key for limits and health, from a gateway's model name and a request's resolution."""
    return f"{model}@{COUNTED_APART}" if resolution == COUNTED_APART else model

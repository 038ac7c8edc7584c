"""Lanes: the parts of a request by which gateways choose one of their models.

Health, limits and pauses belong to an account and one of its gateway's models. Jobs wait in lanes, which are the same
for every gateway; a dialect says which of its models serves a lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from seedance.gateways.base import Dialect
from seedance.request import GenerationRequest, Mode, Resolution, Tier

COUNTED_APART = "4k"
"""A resolution whose limits gateways count apart from those of the same model's others."""
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
"""Every lane there can be."""


@cache
def model_of(dialect: Dialect, lane: str) -> str | None:
    """The gateway's own name of the model that serves a lane, with `@4k` where that is counted apart; None when the
    dialect has no such tier."""
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
    """What limits and health are kept under, for a gateway's own model name and a request's resolution."""
    return f"{model}@{COUNTED_APART}" if resolution == COUNTED_APART else model

"""Lanes: the parts of a request that decide which of a gateway's models serves it.

Health, limits and pauses are kept per account and gateway model. Jobs wait in lanes, which are the same for all
gateways; a dialect says which of its models serves a lane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, cast, get_args

from seedance.gateways.base import Dialect
from seedance.models.catalog import TIERS, model_name
from seedance.models.data import bundled_models
from seedance.models.rows import ModelRow, RateLimits
from seedance.request import Operation, Resolution, Use

COUNTED_APART: Final = "4k"
"""The resolution for which gateways keep separate limits within a model."""
_DEFAULT_TIER = "standard"
_USES: tuple[Use, ...] = get_args(Use)
_OPERATIONS = get_args(Operation)
_SIZES = ("", *get_args(Resolution))


def lane_of(request: Mapping[str, Any]) -> str:
    """The lane of a job's canonical request, such as `standard/text/720p` or `seedance-2.5/edit/`: its tier, or the
    model that it names; its use; its resolution, if it has one."""
    tier = request.get("tier", _DEFAULT_TIER)
    model = request.get("model")
    head = tier if model is None else model_name(model, tier)
    return f"{head}/{_use_of(request)}/{request.get('resolution', '')}"


def _use_of(request: Mapping[str, Any]) -> str:
    for name in ("operation", "task_type"):
        if request.get(name) in _OPERATIONS:
            return str(request[name])
    if "last_frame" in request:
        return "first_last_frame"
    if "first_frame" in request:
        return "first_frame"
    if "reference_images" in request or "reference_videos" in request or "reference_audios" in request:
        return "reference"
    return "text"


def lanes_of(names: Iterable[str]) -> tuple[str, ...]:
    """Every lane of jobs that name no model, or one of these."""
    heads = dict.fromkeys((*TIERS, *bundled_models(), *names))
    return tuple(f"{head}/{use}/{size}" for head in heads for use in _USES for size in _SIZES)


LANES = lanes_of(())
"""Every lane of a tier, and of a model that reelq knows. Accounts may name others."""


def is_lane(lane: str) -> bool:
    """Whether this release can have written it."""
    parts = lane.split("/")
    return len(parts) == 3 and bool(parts[0]) and parts[1] in _USES and parts[2] in _SIZES


@cache
def model_of(dialect: Dialect, lane: str) -> str | None:
    """The gateway's name of the model that serves a lane, with `@4k` where limits are separate; None when the account
    sells no such tier or model, or this release does not know the lane."""
    if not is_lane(lane):
        return None
    head, use, size = cast("tuple[str, Use, Resolution | None]", lane.split("/"))
    tiers: dict[str, ModelRow] = {tier: row for tier, row in dialect.catalog.tiers.items()}  # noqa: C416 - for the type
    row = tiers.get(head) if head in TIERS else dialect.catalog.models.get(head)
    return None if row is None else model_key(row.model_of(use, size or None), size)


@cache
def limits_apart(dialect: Dialect) -> Mapping[str, RateLimits]:
    """The published limits of the models that are counted apart, by their key; none where nothing is published."""
    rows = (*dialect.catalog.tiers.values(), *dialect.catalog.models.values())
    return {
        model_key(row.model_of(use, COUNTED_APART), COUNTED_APART): row.limits_4k
        for row in rows
        if COUNTED_APART in row.resolutions and row.limits_4k != RateLimits()
        for use in _USES
    }


def model_key(model: str, resolution: str | None) -> str:
    """The key for limits and health, from a gateway's model name and a request's resolution."""
    return f"{model}@{COUNTED_APART}" if resolution == COUNTED_APART else model

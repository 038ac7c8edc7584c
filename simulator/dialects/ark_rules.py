"""The requests Ark accepts for Seedance 2.0. Gateways that pass Ark's body on share these rules.

Sources: AnyFast's Seedance 2.0 manual and asset page; Ark's create parameters as in its SDK
(`byteplussdkarkruntime/resources/content_generation/tasks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.dialects.ark_content import Content, read_content
from simulator.dialects.base import REFERENCE_VIDEO_S
from simulator.tasks.pixels import RATIOS
from simulator.tasks.task import Order
from simulator.wire.ark_error import ArkError, invalid, missing

MIN_S, MAX_S, AUTO_S, DEFAULT_S = 4, 15, -1, 5
MAX_SEED = 2**32 - 1
FIELDS = frozenset(
    {
        "model",
        "content",
        "generate_audio",
        "ratio",
        "duration",
        "tools",
        "resolution",
        "seed",
        "watermark",
        "return_last_frame",
    }
)
# Fields of other Seedance versions; 2.0 accepts only these values.
_NOT_FOR_2_0 = {"camera_fixed": (False,), "draft": (False,), "frames": (), "service_tier": ("default",)}


@dataclass(frozen=True, slots=True)
class ModelRules:
    """The capabilities of one model."""

    upstream: str
    resolutions: tuple[str, ...]
    video_audio_search: bool = True
    roles_needed: bool = False
    """Every image must state its role; Ark itself reads a single image without a role as the first frame."""


def read_order(body: Mapping[str, Any], rules: ModelRules, extra_fields: frozenset[str] = frozenset()) -> Order:
    """Validate a body in Ark's format.

    Raises:
        ArkError: names the first field that breaks the documentation.
    """
    given = {name: value for name, value in body.items() if value is not None}
    for name in given:
        if name not in FIELDS and name not in extra_fields and name not in _NOT_FOR_2_0:
            raise invalid(name, "no such parameter")
    for name, allowed in _NOT_FOR_2_0.items():
        if name in given and given[name] not in allowed:
            raise invalid(name, f"{rules.upstream} does not support it")
    if "content" not in given:
        raise missing("content")
    content = read_content(given["content"], roles_needed=rules.roles_needed)
    if not rules.video_audio_search:
        _refuse_media(content, rules)
    search = _web_search(given.get("tools"), content, rules)
    resolution = _choice(given, "resolution", rules.resolutions, "720p")
    ratio = _choice(given, "ratio", (*RATIOS, "adaptive"), "adaptive")
    for name in ("generate_audio", "watermark", "return_last_frame"):
        if not isinstance(given.get(name, False), bool):
            raise invalid(name, "must be a boolean")
    duration = _integer(given, "duration", DEFAULT_S)
    if duration != AUTO_S and not MIN_S <= duration <= MAX_S:
        raise invalid("duration", f"must be an integer in [{MIN_S}, {MAX_S}] or {AUTO_S}")
    seed = _integer(given, "seed", -1)
    if not -1 <= seed <= MAX_SEED:
        raise invalid("seed", f"must be an integer in [-1, {MAX_SEED}]")
    return Order(
        model=str(given["model"]),
        upstream_model=rules.upstream,
        prompt=content.text,
        body=body,
        resolution=resolution,
        ratio="16:9" if ratio == "adaptive" else ratio,
        duration=None if duration == AUTO_S else duration,
        audio=given.get("generate_audio", True),
        return_last_frame=given.get("return_last_frame", False),
        seed=None if seed == -1 else seed,
        input_video_s=REFERENCE_VIDEO_S * len(content.videos),
        uses_assets=bool(content.assets),
        extra={"assets": content.assets, "web_search": search},
    )


def _refuse_media(content: Content, rules: ModelRules) -> None:
    for name, urls in (("video_url", content.videos), ("audio_url", content.audios)):
        if urls:
            raise invalid(f"content.{name}", f"{rules.upstream} does not support it here")


def _web_search(tools: Any, content: Content, rules: ModelRules) -> bool:
    if tools is None:
        return False
    if not isinstance(tools, list) or any(tool != {"type": "web_search"} for tool in tools):
        raise invalid("tools", 'must be a list of {"type": "web_search"}')
    if len(tools) > 1:
        raise invalid("tools", "web_search is given more than once")
    if tools and not rules.video_audio_search:
        raise invalid("tools", f"{rules.upstream} does not support web_search here")
    if tools and content.mode != "text":
        raise invalid("tools", "web_search works for text-to-video only")
    return bool(tools)


def _choice(given: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = given.get(name, default)
    if value not in allowed:
        raise invalid(name, f"must be one of {', '.join(allowed)}")
    return str(value)


def _integer(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(name, "must be an integer")
    return value


__all__ = ["FIELDS", "ArkError", "ModelRules", "read_order"]

"""The requests Ark accepts for Seedance 2.0 and 2.5. Gateways that pass Ark's body on share these rules.

Sources: AnyFast's Seedance 2.0 manual and asset page; Ark's create parameters as in its SDK
(`byteplussdkarkruntime/resources/content_generation/tasks.py`); for 2.5
docs.byteplus.com/en/docs/modelark/seedance-2-5 and BytePlus' ComfyUI pack (task types, and what 2.x refuses).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.dialects.ark_content import COUNTS_2_0, COUNTS_2_5, Content, Counts, read_content
from simulator.dialects.ark_drafts import check_draft, is_final, read_final
from simulator.dialects.base import REFERENCE_VIDEO_S
from simulator.tasks.pixels import RATIOS
from simulator.tasks.task import Order
from simulator.wire.ark_error import ArkError, invalid, missing

MIN_S, AUTO_S = 4, -1
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
TASK_TYPES = ("auto", "reference", "edit", "extend")
# Fields of other models: refused even with their default.
_NOT_FOR_2 = ("camera_fixed", "frames")
_NOT_SUPPORTED = "the specified parameter `{}` is not supported for model {}, it must be empty"


@dataclass(frozen=True, slots=True)
class ModelRules:
    """The capabilities of one model."""

    upstream: str
    resolutions: tuple[str, ...]
    video_audio_search: bool = True
    roles_needed: bool = False
    """Every image must state its role; Ark itself reads a single image without a role as the first frame."""
    version: str = "2.0"
    longest_s: int = 15
    default_s: int = 5
    counts: Counts = COUNTS_2_0
    task_types: bool = False
    output_formats: tuple[str, ...] = ()
    takes_seeds: bool = True
    """False: the documents contradict each other on seeds, so the strict reading applies."""
    drafts: bool = False


def rules_2_5(upstream: str, resolutions: tuple[str, ...], **more: Any) -> ModelRules:
    """Seedance 2.5 and what is derived from it."""
    fields: dict[str, Any] = {
        "version": "2.5",
        "longest_s": 30,
        "default_s": AUTO_S,
        "counts": COUNTS_2_5,
        "task_types": True,
        "output_formats": ("mp4", "mov"),
        "takes_seeds": False,
    }
    return ModelRules(upstream, resolutions, **fields | more)


def read_order(body: Mapping[str, Any], rules: ModelRules, extra_fields: frozenset[str] = frozenset()) -> Order:
    """Validate a body in Ark's format.

    Raises:
        ArkError: names the first field that breaks the documentation.
    """
    given = {name: value for name, value in body.items() if value is not None}
    if is_final(given):
        return read_final(
            given,
            rules.upstream,
            has_drafts=rules.drafts,
            output_formats=rules.output_formats,
            extra_fields=extra_fields,
        )
    _check_names(given, rules, extra_fields)
    if "content" not in given:
        raise missing("content")
    content = read_content(given["content"], roles_needed=rules.roles_needed, counts=rules.counts)
    if not rules.video_audio_search:
        _refuse_media(content, rules)
    search = _web_search(given.get("tools"), content, rules)
    resolution = _choice(given, "resolution", rules.resolutions, "720p")
    ratio = _choice(given, "ratio", (*RATIOS, "adaptive"), "adaptive")
    output_format = _choice(given, "output_format", rules.output_formats or ("mp4",), "mp4")
    _check_flags(given)
    if given.get("draft"):
        check_draft(given, resolution, rules.upstream, has_drafts=rules.drafts)
    duration = _duration(given, rules)
    seed = _integer(given, "seed", -1)
    if not -1 <= seed <= MAX_SEED:
        raise invalid("seed", f"must be an integer in [-1, {MAX_SEED}]")
    if rules.task_types:
        duration = _duration_of_task(given, content, ratio, duration)
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
        version=rules.version,
        longest_s=rules.longest_s,
        uses_assets=bool(content.assets),
        extra={
            "assets": content.assets,
            "web_search": search,
            "output_format": output_format,
            "draft": bool(given.get("draft")),
        },
    )


def _duration_of_task(given: Mapping[str, Any], content: Content, ratio: str, duration: int) -> int:
    """The duration once the kind of task is known: of an edit the length of the source, which is not fetched."""
    task_type = _choice(given, "omni_reference_task_type", TASK_TYPES, "auto")
    check_task(task_type, content, ratio, duration)
    return round(REFERENCE_VIDEO_S) if task_type == "edit" else duration


def _check_flags(given: Mapping[str, Any]) -> None:
    for name in ("generate_audio", "watermark", "return_last_frame", "draft"):
        if not isinstance(given.get(name, False), bool):
            raise invalid(name, "must be a boolean")


def _duration(given: Mapping[str, Any], rules: ModelRules) -> int:
    duration = _integer(given, "duration", rules.default_s)
    if duration != AUTO_S and not MIN_S <= duration <= rules.longest_s:
        raise invalid("duration", f"must be an integer in [{MIN_S}, {rules.longest_s}] or {AUTO_S}")
    return duration


def check_task(task_type: str, content: Content, ratio: str, duration: int) -> None:
    """The constraints of a task type that is stated when the task is created.

    Raises:
        ArkError: the type and another field exclude each other.
    """
    if task_type != "auto" and content.mode != "reference":
        raise _constraint(f"task type {task_type} requires references")
    if task_type in ("edit", "extend") and not content.videos:
        raise _constraint(f"task type {task_type} requires a reference video")
    if (task_type in ("edit", "extend") or content.mode.startswith("first")) and ratio != "adaptive":
        raise _constraint(f"task type {task_type} in mode {content.mode} requires ratio adaptive, not {ratio}")
    if task_type == "edit" and duration != AUTO_S:
        raise _constraint(f"task type edit requires duration {AUTO_S}, not {duration}")


def _constraint(message: str) -> ArkError:
    return ArkError("InvalidParameter.TaskTypeConstraint", message[0].upper() + message[1:] + ".")


def _check_names(given: Mapping[str, Any], rules: ModelRules, extra_fields: frozenset[str]) -> None:
    """Ark names one bad parameter of a request, any of them."""
    for name in given:
        of_2_5 = {"omni_reference_task_type": rules.task_types, "output_format": bool(rules.output_formats)}
        refused = name in _NOT_FOR_2 or of_2_5.get(name) is False or (name == "seed" and not rules.takes_seeds)
        if refused or (name == "service_tier" and given[name] != "default"):
            raise ArkError("InvalidParameter", f"{_NOT_SUPPORTED.format(name, rules.upstream)}.", name)
        if name not in FIELDS | extra_fields | of_2_5.keys() and name not in ("draft", "service_tier"):
            raise invalid(name, "no such parameter")


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
    if isinstance(value, str) and name == "resolution":
        value = value.lower()  # its case does not matter
    if value not in allowed:
        raise invalid(name, f"must be one of {', '.join(allowed)}")
    return str(value)


def _integer(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(name, "must be an integer")
    return value


__all__ = ["FIELDS", "ArkError", "ModelRules", "read_order", "rules_2_5"]

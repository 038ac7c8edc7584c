"""Drafts of Seedance 2.5 at Ark, and the finals made of them.

Source: docs.byteplus.com/en/docs/modelark/seedance-2-5, and the SDK's `draft` and `draft_task_id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulator.tasks.task import Order, Phase, Task
from simulator.wire.ark_error import ArkError, invalid, missing

DRAFT_TASK = "draft_task"
DRAFT_RESOLUTION, FINAL_RESOLUTION = "480p", "1080p"
LIFE_S = 7 * 86_400.0
# Besides the fields of every create that concern no video. A final's other values are its draft's, and are refused
# even if they are equal.
_FINAL_FIELDS = frozenset(
    {"model", "content", "draft", "resolution", "output_format", "watermark", "return_last_frame"}
)


def check_draft(given: Mapping[str, Any], resolution: str, upstream: str, *, has_drafts: bool) -> None:
    """Check the fields of a draft.

    Raises:
        ArkError: the model has no drafts, or a field is not for them.
    """
    if not has_drafts:
        raise invalid("draft", f"{upstream} does not support it")
    if resolution != DRAFT_RESOLUTION:
        raise _resolution(f"A draft must have the resolution {DRAFT_RESOLUTION}.")
    if given.get("return_last_frame"):
        raise ArkError("LastFrameNotSupported", "A draft does not return its last frame.", "return_last_frame")


def is_final(body: Mapping[str, Any]) -> bool:
    """Whether a create names a draft."""
    items = body.get("content")
    return isinstance(items, list) and any(isinstance(item, dict) and item.get("type") == DRAFT_TASK for item in items)


def read_final(
    given: Mapping[str, Any],
    upstream: str,
    *,
    has_drafts: bool,
    output_formats: tuple[str, ...],
    extra_fields: frozenset[str],
) -> Order:
    """Validate the body of a final; `complete_final` adds what its draft decides.

    Raises:
        ArkError: names the first field that breaks the documentation.
    """
    if not has_drafts:
        raise invalid("content[0].type", f"{upstream} does not support {DRAFT_TASK}")
    for name in given:
        if name not in _FINAL_FIELDS | extra_fields:
            raise invalid(name, f"must not be given with a {DRAFT_TASK}")
    if given.get("draft"):
        raise invalid("draft", "a final is not a draft")
    task_id = _task_id(given["content"])
    resolution = given.get("resolution", "720p")
    if not isinstance(resolution, str) or resolution.lower() != FINAL_RESOLUTION:
        raise _resolution(f"A final must have the resolution {FINAL_RESOLUTION}.")
    output_format = given.get("output_format", "mp4")
    if output_format not in output_formats:
        raise invalid("output_format", f"must be one of {', '.join(output_formats)}")
    for name in ("watermark", "return_last_frame"):
        if not isinstance(given.get(name, False), bool):
            raise invalid(name, "must be a boolean")
    return Order(
        model=str(given["model"]),
        upstream_model=upstream,
        prompt="",
        body=given,
        resolution=FINAL_RESOLUTION,
        ratio="16:9",
        duration=None,
        return_last_frame=given.get("return_last_frame", False),
        version="2.5",
        extra={"output_format": output_format, DRAFT_TASK: task_id},
    )


def complete_final(order: Order, draft: Task | None, now: float) -> Order:
    """The order of a final with the values of its draft; `draft`: the account's task with that id, None if there is
    none.

    Raises:
        ArkError: it cannot be made final.
    """
    at = "content[0].draft_task.id"
    if draft is None or not draft.order.extra.get("draft"):
        raise invalid(at, "there is no such draft")
    if draft.order.model != order.model:
        raise invalid("model", "must be that of the draft")
    if draft.phase(now) is not Phase.SUCCEEDED:
        raise invalid(at, "the draft has not succeeded")
    if now - draft.created_at >= LIFE_S:
        raise invalid(at, "the draft is older than 7 days")
    made = draft.order
    return replace(
        order,
        prompt=made.prompt,
        ratio=made.ratio,
        duration=draft.duration,
        audio=made.audio,
        seed=draft.seed,
        input_video_s=made.input_video_s,
        longest_s=made.longest_s,
    )


def _task_id(items: Any) -> str:
    if not isinstance(items, list) or len(items) != 1:
        raise invalid("content", f"must be the {DRAFT_TASK} alone")
    item = items[0]
    for name in item:
        if name not in ("type", DRAFT_TASK):
            raise invalid(f"content[0].{name}", "no such parameter")
    holder = item.get(DRAFT_TASK)
    task_id = holder.get("id") if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or not isinstance(task_id, str) or not task_id:
        raise missing("content[0].draft_task.id")
    if holder.keys() != {"id"}:
        raise invalid("content[0].draft_task", "has parameters besides id")
    return task_id


def _resolution(message: str) -> ArkError:
    return ArkError("InvalidResolutionParameter", message, "resolution")

"""The task object of Ark, which gateways in front of Ark pass on.

Sources: `byteplussdkarkruntime/types/content_generation/`, AnyFast's manual (query examples).
"""

from __future__ import annotations

from typing import Any

from simulator.dialects.ark_drafts import DRAFT_TASK
from simulator.dialects.base import View
from simulator.tasks.pixels import FPS
from simulator.tasks.task import Phase, Task

WORDS = {
    Phase.NOT_STARTED: "queued",
    Phase.SUBMITTED: "queued",
    Phase.QUEUED: "queued",
    Phase.RUNNING: "running",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
    Phase.EXPIRED: "expired",
}


def ark_task(task: Task, view: View, task_id: str) -> dict[str, Any]:
    order = task.order
    shown: dict[str, Any] = {
        "id": task_id,
        "model": order.upstream_model,
        "status": WORDS[view.phase],
        "created_at": int(task.created_at),
        "updated_at": int(task.updated_at(view.now)),
        "service_tier": "default",
        "execution_expires_after": order.extra.get("execution_expires_after", 172_800),
        "generate_audio": order.audio,
        "draft": bool(order.extra.get("draft")),
    }
    if draft_task := order.extra.get(DRAFT_TASK):
        shown["draft_task_id"] = draft_task
    if view.phase is Phase.FAILED:
        shown["error"] = {"code": task.fate.code, "message": task.fate.message}
    if view.phase is Phase.SUCCEEDED:
        content: dict[str, Any] = {}
        if view.links is not None:
            content["video_url"] = view.links.video
            if view.links.last_frame:
                content["last_frame_url"] = view.links.last_frame
        usage: dict[str, Any] = {"completion_tokens": task.tokens, "total_tokens": task.tokens}
        if order.extra.get("web_search"):
            usage["tool_usage"] = {"web_search": 1}
        shown |= {
            "content": content,
            "usage": usage,
            "seed": task.seed,
            "resolution": order.resolution,
            "ratio": order.ratio,
            "duration": task.duration,
            "framespersecond": FPS,
        }
        if order.version == "2.5":
            shown["output_format"] = order.extra["output_format"]
    return shown

"""new-api's list of a user's tasks: a dashboard call, with the user's access token instead of an API key.

Here one user owns all keys of a gateway. Versions of new-api differ: some require the user's number in a header, some
also accept the token after `Bearer`. Here the header is required and both forms of the token are accepted.

Sources: QuantumNous/new-api router/api-router.go, middleware/auth.go, controller/task.go, model/task.go, dto/task.go,
common/page_info.go
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simulator.dialects.ark_view import ark_task
from simulator.dialects.base import Route, View
from simulator.tasks.task import Phase, Task
from simulator.wire.answers import Answer, Call, json_answer

PATH = "/api/task/self"
USUAL_PAGE, LONGEST_PAGE = 10, 100
PLATFORM = "54"  # the channel type of Doubao videos
LOST = "upstream returned error"
_WORDS = {
    Phase.NOT_STARTED: ("NOT_START", "0%"),
    Phase.SUBMITTED: ("SUBMITTED", "0%"),
    Phase.QUEUED: ("QUEUED", "10%"),
    Phase.RUNNING: ("IN_PROGRESS", "50%"),
    Phase.SUCCEEDED: ("SUCCESS", "100%"),
    Phase.FAILED: ("FAILURE", "100%"),
    # new-api's poller does not know these two statuses of Ark's and keeps waiting.
    Phase.CANCELLED: ("IN_PROGRESS", "30%"),
    Phase.EXPIRED: ("IN_PROGRESS", "30%"),
}


def list_route(method: str, path: str) -> Route | None:
    return Route("list", by_user=True) if (method, path) == ("GET", PATH) else None


def list_tasks(call: Call, tasks: Sequence[Task], view: Callable[[Task], View]) -> Answer:
    """One page of the gateway's tasks; `tasks` are in order of creation, the page is newest first."""
    if (why := _refusal_reason(call)) is not None:
        return json_answer(401, {"success": False, "code": "AUTH_UNAUTHORIZED", "message": why})
    since, until = _number(call, "start_timestamp"), _number(call, "end_timestamp")
    number = max(_number(call, "p"), 1)
    size = min(_number(call, "page_size"), LONGEST_PAGE)
    size = size if size > 0 else USUAL_PAGE
    found = [
        task
        for task in reversed(tasks)
        if (not since or int(task.created_at) >= since) and (not until or int(task.created_at) <= until)
    ]
    shown = [_listed(task, view(task)) for task in found[(number - 1) * size : number * size]]
    data = {"page": number, "page_size": size, "start_timestamp": since, "end_timestamp": until}
    return json_answer(200, {"success": True, "message": "", "data": data | {"total": len(found), "items": shown}})


def task_object(task: Task, view: View) -> dict[str, Any]:
    """The task object of new-api, for a list or a single query."""
    word, progress = _WORDS[view.phase]
    reason = ""
    if view.lost:
        word, progress, reason = "FAILURE", "100%", LOST
    elif view.phase is Phase.FAILED:
        reason = task.fate.message
    url = view.links.video if view.links is not None else ""
    started = view.phase not in (Phase.NOT_STARTED, Phase.SUBMITTED, Phase.QUEUED)
    return {
        "task_id": task.id,
        "action": "omniGenerate",
        "status": view.word or word,
        "result_url": url,
        "fail_reason": reason or url,  # clients from before `result_url` look for the URL here
        "submit_time": int(task.created_at),
        "start_time": int(task.started_at) if started else 0,
        "finish_time": int(task.ends_at) if word in ("SUCCESS", "FAILURE") else 0,
        "progress": progress,
        "data": None if view.phase is Phase.NOT_STARTED else ark_task(task, view, task.upstream_id),
    }


def _listed(task: Task, view: View) -> dict[str, Any]:
    return task_object(task, view) | {
        "id": task.number,
        "created_at": int(task.created_at),
        "updated_at": int(task.created_at),
        "platform": PLATFORM,
        "user_id": 1,
        "group": "default",
        "channel_id": 0,
        "quota": task.tokens,
        "properties": {
            "input": "" if view.hides_prompt else task.order.prompt,
            "upstream_model_name": task.order.upstream_model,
            "origin_model_name": task.order.model,
        },
    }


def _refusal_reason(call: Call) -> str | None:
    parts = call.headers.get("Authorization", "").split()
    token = parts[-1] if len(parts) == 1 or (len(parts) == 2 and parts[0].lower() == "bearer") else ""
    if not token or token.startswith("sk-"):  # `sk-` marks an API key
        return "无权进行此操作，access token 无效"
    user = call.headers.get("New-Api-User", "")
    if not user:
        return "无权进行此操作，未提供 New-Api-User"
    return None if user.isascii() and user.isdigit() else "无权进行此操作，New-Api-User 格式错误"


def _number(call: Call, name: str) -> int:
    """A number of the query; 0 when it is missing or invalid."""
    text = call.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
